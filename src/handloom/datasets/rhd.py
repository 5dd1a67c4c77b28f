"""RHD (Zimmermann & Brox 2017): rendered people, both hands labelled, 320 × 320, masks and depth.

``{split}/color/%05d.png``, ``mask/%05d.png``, ``depth/%05d.png`` and ``anno_{split}.pickle``: a dictionary
from the picture's number to ``uv_vis`` (42, 3), ``xyz`` (42, 3) in metres and ``K`` (3, 3).

Traps: the left hand comes first; fingers count from the tip to the base; masks have 2 to 17 for the left and
18 to 33 for the right hand, of each first the thumb's three parts from the tip, the palm last; depth is in
two channels, red the high byte, as a part of 5 metres (so the set's own script decodes it; no file was at
hand to hold it against).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.datasets.files import AGAIN, numbers, read_image, reading, require, tight_box
from handloom.datasets.orders import order
from handloom.datasets.pictures import picture_size
from handloom.datasets.sample import FIRST_PART, PARTS, HandLabel, Sample
from handloom.errors import DataSetError
from handloom.hand.restricted_pickle import read_pickle

SPLITS = ("training", "evaluation")
SIDES = ("left", "right")
"""In the order of the files."""
DEPTH_REACH_M = 5.0
FARTHEST = 2**16 - 1
"""The largest depth there is a code for; it stands for everything beyond."""

_JOINTS = 21
_FINGERS = 5


def _parts() -> NDArray[np.uint8]:
    """RHD's number of every part by ours: fingers count from the tip, and the palm is last."""
    rhd = np.arange(256, dtype=np.uint8)
    for first in FIRST_PART.values():
        rhd[first] = first + PARTS - 1
        for finger in range(_FINGERS):
            for joint in range(3):
                rhd[first + 1 + 3 * finger + joint] = first + 3 * finger + 2 - joint
    return rhd


TO_RHD = _parts()
FROM_RHD = np.argsort(TO_RHD).astype(np.uint8)
"""Numbers of parts here by those of RHD's masks, and the other way."""


class Rhd:
    """Reader of RHD.

    Args:
        path: the folder that holds ``training`` or ``evaluation``.
        split: ``"training"`` (by default where it is there) or ``"evaluation"``.

    Raises:
        DataSetError: if a file is missing or malformed, or the annotations are more than arrays.
    """

    name = "rhd"
    lacks = ("vertices", "faces", "mano", "parameters", "normals", "moment", "frame")

    def __init__(self, path: str | Path, split: str | None = None) -> None:
        self.folder = Path(path)
        there = (name for name in SPLITS if (self.folder / name / f"anno_{name}.pickle").exists())
        self.split = split or next(there, SPLITS[0])
        if self.split not in SPLITS:
            raise DataSetError(f"RHD has no split {self.split!r}.", f"Splits are {' and '.join(SPLITS)}.")
        self._file = self.folder / self.split / f"anno_{self.split}.pickle"
        require(self._file, "The annotation file")
        content = read_pickle(self._file, "annotation file", DataSetError, AGAIN)
        if not isinstance(content, dict) or not all(isinstance(n, int | np.integer) for n in content):
            raise DataSetError(f"{self._file} is malformed: it is no dictionary by numbers.", AGAIN)
        self._content: dict[int, Any] = {int(number): content[number] for number in sorted(content)}
        self._numbers = list(self._content)

    def __len__(self) -> int:
        return len(self._numbers)

    @cached_property
    def keys(self) -> Sequence[str]:
        """``split/number``."""
        return [f"{self.split}/{number:05d}" for number in self._numbers]

    def labels(self, index: int) -> Sample:
        """See :class:`~handloom.datasets.sample.DataSet`; a hand whose joints are all 0 is not labelled."""
        number = self._numbers[index]
        with reading(self._file, f"Entry {number} of"):
            entry = self._content[number]
            pixels = numbers(entry["uv_vis"], (2, _JOINTS, 3), "uv_vis")
            points = numbers(entry["xyz"], (2, _JOINTS, 3), "xyz")
            K = numbers(entry["K"], (3, 3), "K")
            camera = Camera("camera", self._image_size, K, np.zeros(4), np.eye(4))
        hands = tuple(_hand(side, pixels[h], points[h]) for h, side in enumerate(SIDES) if points[h].any())
        return Sample(self.keys[index], None, camera, hands)

    def __getitem__(self, index: int) -> Sample:
        """See :class:`~handloom.datasets.sample.DataSet`."""
        labels, number = self.labels(index), self._numbers[index]
        image = read_image(self._picture("color", number))
        mask, depth = self._picture("mask", number), self._picture("depth", number)
        return Sample(
            labels.key,
            image,
            labels.camera,
            labels.hands,
            parts=FROM_RHD[read_image(mask, cv2.IMREAD_GRAYSCALE)] if mask.exists() else None,
            depth=decoded_depth(read_image(depth)) if depth.exists() else None,
        )

    def _picture(self, kind: str, number: int) -> Path:
        return self.folder / self.split / kind / f"{number:05d}.png"

    @cached_property
    def _image_size(self) -> tuple[int, int] | None:
        return picture_size(self._picture("color", self._numbers[0]))


def dominant_hand(sample: Sample) -> HandLabel | None:
    """The hand of which the mask shows more, the only one that ColorHandPose3D trains and tests on.

    The right one where both show alike, as in the published code; None where the mask shows none that is
    labelled.

    Raises:
        ValueError: if the sample has no mask.
    """
    if sample.parts is None:
        raise ValueError(f"sample {sample.key} has no mask")
    count = np.bincount(sample.parts.ravel(), minlength=256)
    shown = {side: int(count[first : first + PARTS].sum()) for side, first in FIRST_PART.items()}
    side = "left" if shown["left"] > shown["right"] else "right"
    return next((hand for hand in sample.hands if hand.side == side and shown[side]), None)


def decoded_depth(channels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W) metres of a (H, W, 3) RGB depth picture; NaN where it is at the end of the code's reach."""
    code = channels[..., 0].astype(np.uint16) * np.uint16(256) + channels[..., 1]
    known = (code > 0) & (code < FARTHEST)
    return np.where(known, code * (DEPTH_REACH_M / FARTHEST), np.nan).astype(np.float32)


def encoded_depth(depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, W, 3) RGB depth picture of (H, W) metres; what is unknown or beyond 5 m is as far as it goes."""
    code = np.round(depth.astype(np.float64) * (FARTHEST / DEPTH_REACH_M))
    steps = np.where((code >= 1) & (code < FARTHEST), code, FARTHEST).astype(np.uint16)
    return np.stack([steps >> 8, steps & 255, np.zeros_like(steps)], axis=-1).astype(np.uint8)


def _hand(side: str, pixels: NDArray[np.float64], points: NDArray[np.float64]) -> HandLabel:
    rhd = order("rhd")
    xy = rhd.to_hand(pixels[:, :2])
    return HandLabel(
        side,
        xy,
        rhd.to_hand(points),
        visible=rhd.to_hand(pixels[:, 2] == 1, axis=-1),
        box=tight_box(xy),
    )
