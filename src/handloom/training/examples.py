"""What is cut from labelled samples to train on: one hand with its surroundings, or a whole picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.datasets.orders import wrist_of
from handloom.datasets.sample import FIRST_PART, PARTS, DataSet, HandLabel, Sample
from handloom.errors import DataSetError
from handloom.skeleton import HAND

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

NOTHING, PERSON, LEFT, RIGHT = range(4)
"""Values of :attr:`Example.regions`: background, a person's arm or body, a left hand, a right hand."""

SIDES = ("unknown", "left", "right")

_PROBED = 20


@dataclass(frozen=True, eq=False)
class Example:
    """One hand, or all hands of a picture, at about the resolution that is trained on.

    Attributes:
        image: (h, w, 3) uint8 RGB; None where only labels are asked for.
        regions: (h, w) uint8, see :data:`PERSON`; None where the data set has no masks.
        xy: (21, 2) pixels of ``image``, NaN where not labelled.
        xyz: (21, 3) metres in the camera's axes, NaN where not labelled.
        visible: (21,) not hidden, as far as the data set says.
        K: (3, 3) intrinsics of ``image``, NaN where not known.
        side: ``"left"``, ``"right"`` or ``"unknown"``.
        scale: pixels of ``image`` in a pixel of the recorded picture.
    """

    image: Image | None
    regions: Image | None
    xy: Array
    xyz: Array
    visible: NDArray[np.bool_]
    K: Array
    side: str
    scale: float = 1.0


@dataclass(frozen=True)
class Cut:
    """Which examples are cut from a sample.

    Attributes:
        of: ``"hand"``: one for every labelled hand; ``"picture"``: one for the sample.
        size: side of the network's crop, pixels. A hand is kept at such a resolution that it fills the
            crop, a picture so that its shorter side does; nothing is enlarged. 0: labels only.
        margin: side of what is kept around a hand, relative to the box of its keypoints.
        needs: labels without which there is no example, of ``"xy"``, ``"xyz"``, ``"K"``, ``"regions"``
            and ``"side"``.
    """

    of: str
    size: int
    margin: float = 2.0
    needs: tuple[str, ...] = ("xy",)


LABEL_NAMES = {
    "xy": "joints in the picture (xy)",
    "xyz": "joints in space (xyz)",
    "K": "the camera's intrinsics",
    "regions": "masks of the hands (parts)",
    "side": "left or right",
}


def examples_of(sample: Sample, cut: Cut) -> list[Example]:
    """Examples of a sample; hands that lack a label that is needed are left out."""
    if cut.of == "picture":
        example = _picture(sample, cut)
        return [] if missing_labels(example, cut.needs) else [example]
    hands = [_hand(sample, hand, cut) for hand in sample.hands if _shown(sample, hand)]
    return [hand for hand in hands if not missing_labels(hand, cut.needs)]


def missing_labels(example: Example, needs: Sequence[str]) -> list[str]:
    """Which of the labels needed an example does not have."""
    there = {
        "xy": bool(np.isfinite(example.xy).any()),
        "xyz": bool(np.isfinite(example.xyz).all()),
        "K": bool(np.isfinite(example.K).all()),
        "regions": example.regions is not None,
        "side": example.side != "unknown",
    }
    return [name for name in needs if not there[name]]


def require_labels(dataset: DataSet, cut: Cut, what: str) -> None:
    """Look at some samples, spread over the set, and see that there is something to learn from.

    Args:
        what: the network, for the message.

    Raises:
        DataSetError: naming the labels that no sample has.
    """
    count = len(dataset)
    if not count:
        raise DataSetError(
            f"The data set ({dataset.name}) has no samples.", "Give one, or a split, that has."
        )
    lacking: set[str] = set(cut.needs)
    hands = 0
    for index in sorted({round(k * (count - 1) / (_PROBED - 1)) for k in range(_PROBED)}):
        sample = dataset[index] if "regions" in cut.needs else dataset.labels(index)
        labels_only = Cut(cut.of, 0, cut.margin, ())
        for example in examples_of(sample, labels_only):
            hands += 1
            missing = set(missing_labels(example, cut.needs))
            if not missing:
                return
            lacking &= missing
    if not hands:
        raise DataSetError(
            f"None of {min(count, _PROBED)} samples looked at in the data set ({dataset.name}) shows a hand "
            "with labels.",
            "Look at it with `handloom datasets show`.",
        )
    names = ", ".join(LABEL_NAMES[name] for name in cut.needs if name in lacking) or "all of " + ", ".join(
        LABEL_NAMES[name] for name in cut.needs
    )
    raise DataSetError(
        f"The data set ({dataset.name}) does not label {names}; {what} cannot be trained on it.",
        "Give a data set that does; docs/datasets.md has a table of what each layout holds.",
    )


def _shown(sample: Sample, hand: HandLabel) -> bool:
    """Whether enough of a hand is in the picture to be learnt from: half of its joints."""
    xy = hand.xy
    if not np.isfinite(xy).any():
        return bool(np.isfinite(hand.xyz).any())
    size = _size_of(sample)
    if size is None:
        return True
    with np.errstate(invalid="ignore"):
        inside = ((xy >= 0) & (xy <= np.array(size) - 1)).all(axis=-1)
    return int(inside.sum()) >= len(HAND) // 2


def _size_of(sample: Sample) -> tuple[int, int] | None:
    """(width, height)."""
    if sample.image is not None:
        return sample.image.shape[1], sample.image.shape[0]
    return None if sample.camera is None else sample.camera.image_size


def _hand(sample: Sample, hand: HandLabel, cut: Cut) -> Example:
    xy, xyz = np.array(hand.xy, np.float64), np.array(hand.xyz, np.float64)
    visible = np.array(np.isfinite(xy).all(axis=-1) if hand.visible is None else hand.visible, bool)
    if hand.root == "palm":
        xy, xyz = wrist_of(xy), wrist_of(xyz)
    whole = Example(
        None,
        None,
        xy,
        xyz,
        visible,
        np.full((3, 3), np.nan) if sample.camera is None else np.array(sample.camera.K),
        hand.side,
    )
    if not cut.size or sample.image is None:
        return Example(None, _regions(sample), whole.xy, whole.xyz, whole.visible, whole.K, whole.side)
    known = xy[np.isfinite(xy).all(axis=-1)]
    low, high = known.min(axis=0), known.max(axis=0)
    extent = max(float((high - low).max()), 1.0)
    half = 0.5 * cut.margin * extent
    centre = 0.5 * (low + high)
    box = np.concatenate([centre - half, centre + half])
    return _windowed(sample, whole, box, min(1.0, cut.size / extent))


def _picture(sample: Sample, cut: Cut) -> Example:
    unknown = np.full((len(HAND), 3), np.nan)
    whole = Example(
        None,
        None,
        unknown[:, :2],
        unknown,
        np.zeros(len(HAND), bool),
        np.full((3, 3), np.nan) if sample.camera is None else np.array(sample.camera.K),
        "unknown",
    )
    if not cut.size or sample.image is None:
        return Example(None, _regions(sample), whole.xy, whole.xyz, whole.visible, whole.K, whole.side)
    height, width = sample.image.shape[:2]
    return _windowed(
        sample, whole, np.array([0.0, 0.0, width, height]), min(1.0, cut.size / min(height, width))
    )


def _windowed(sample: Sample, whole: Example, box: Array, scale: float) -> Example:
    """The part of a picture in a box (left, top, right, bottom), made smaller by ``scale``."""
    assert sample.image is not None
    height, width = sample.image.shape[:2]
    left, top = max(int(np.floor(box[0])), 0), max(int(np.floor(box[1])), 0)
    right, bottom = min(int(np.ceil(box[2])), width), min(int(np.ceil(box[3])), height)
    image = sample.image[top:bottom, left:right]
    regions = _regions(sample)
    if regions is not None:
        regions = regions[top:bottom, left:right]
    size = max(round((right - left) * scale), 1), max(round((bottom - top) * scale), 1)
    sx, sy = size[0] / (right - left), size[1] / (bottom - top)
    if scale < 1.0:
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        if regions is not None:
            regions = np.asarray(cv2.resize(regions, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
    # Pixel centres are whole numbers: a resized picture's corner lies at -0.5 again.
    moved = np.array([[sx, 0, sx * (0.5 - left) - 0.5], [0, sy, sy * (0.5 - top) - 0.5], [0, 0, 1]])
    xy = whole.xy @ moved[:2, :2].T + moved[:2, 2]
    return Example(
        np.ascontiguousarray(image),
        None if regions is None else np.ascontiguousarray(regions),
        xy,
        whole.xyz,
        whole.visible,
        moved @ whole.K,
        whole.side,
        scale,
    )


def _regions(sample: Sample) -> Image | None:
    return None if sample.parts is None else _REGION_OF_PART[sample.parts]


def _region_of_part() -> Image:
    table = np.zeros(256, np.uint8)
    table[PERSON] = PERSON
    for side, region in (("left", LEFT), ("right", RIGHT)):
        table[FIRST_PART[side] : FIRST_PART[side] + PARTS] = region
    return table


_REGION_OF_PART = _region_of_part()
