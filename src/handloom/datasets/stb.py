"""STB (Zhang et al. 2017): a left hand before a stereo camera (BB) and a depth camera (SK), 640 × 480.

``labels/{sequence}_{BB,SK}.mat`` hold ``handPara`` (3, 21, 1500); pictures are ``{sequence}/BB_left_%d.png``,
``BB_right_%d.png`` and ``SK_color_%d.png``, also below ``images``. Twelve sequences: six backgrounds,
counting and at random.

Traps: millimetres; the little finger first; point 0 is the palm's centre, not the wrist; labels are in the
frame of the left BB camera and of the SK *depth* camera, so that the right and the colour picture need them
moved; the published rotation and translation take the colour camera's points to the depth camera's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.datasets.files import AGAIN, read_image, require, tight_box
from handloom.datasets.orders import order
from handloom.datasets.sample import HandLabel, Sample
from handloom.errors import DataSetError

Array = NDArray[np.float64]

BACKGROUNDS = {"evaluation": ("B1",), "training": ("B2", "B3", "B4", "B5", "B6")}
"""The division of ColorHandPose3D. The same person is in both."""
MOTIONS = ("Counting", "Random")
VIEWS = {"left": "BB", "right": "BB", "color": "SK"}
"""Views that have labels, and the rig whose labels they are."""

_SIZE = (640, 480)
_K_BB = np.array([[822.79041, 0.0, 318.47345], [0.0, 822.79041, 250.31296], [0.0, 0.0, 1.0]])
_K_COLOR = np.array([[607.92271, 0.0, 314.78337], [0.0, 607.88192, 236.42484], [0.0, 0.0, 1.0]])
_BASELINE_MM = 120.054
_DEPTH_FROM_COLOR = (np.array([0.00531, -0.01196, 0.00301]), np.array([-24.0381, -0.4563, -1.2326]))
"""Rotation vector, and translation in millimetres."""


class Stb:
    """Reader of STB.

    The 2D keypoints are the 3D ones projected. ``T_camera_world`` takes the frame of the labels into the
    picture's camera.

    Args:
        path: the folder that holds ``labels``.
        split: ``"training"`` or ``"evaluation"``; all sequences that are there by default.
        views: of ``"left"``, ``"right"``, ``"color"``, one after another for every moment; by default both
            of the stereo camera, or the colour view where only that one is labelled.

    Raises:
        DataSetError: if a file is missing or malformed.
    """

    name = "stb"
    lacks = (
        "wrist", "visible", "parts", "depth", "normals", "vertices", "faces", "mano", "parameters",
    )  # fmt: skip

    def __init__(
        self, path: str | Path, split: str | None = None, *, views: str | Sequence[str] | None = None
    ) -> None:
        self.folder = Path(path)
        if split is not None and split not in BACKGROUNDS:
            raise DataSetError(f"STB has no split {split!r}.", f"Splits are {' and '.join(BACKGROUNDS)}.")
        if views is None:
            stereo = next(self.folder.glob("labels/*_BB.mat"), None) is not None
            views = ("left", "right") if stereo else ("color",)
        self.views = (views,) if isinstance(views, str) else tuple(views)
        if not self.views or set(self.views) - set(VIEWS):
            raise DataSetError(
                f"STB has no views {', '.join(self.views)}.", f"Views with labels are {', '.join(VIEWS)}."
            )
        chosen = [split] if split else list(BACKGROUNDS)
        wanted = sorted(b + motion for name in chosen for b in BACKGROUNDS[name] for motion in MOTIONS)
        self._points: dict[tuple[str, str], Array] = {}
        rigs = sorted({VIEWS[view] for view in self.views})
        for sequence in wanted:
            for rig in rigs:
                file = self.folder / "labels" / f"{sequence}_{rig}.mat"
                # A split is complete or it is not that split; without one, what is there is read.
                if split is not None or file.exists():
                    self._points[sequence, rig] = _read_labels(file)
        self._cameras = {view: _camera(view) for view in self.views}
        self._index = [
            (sequence, number, view)
            for sequence in wanted
            for number in range(max((len(self._of(sequence, rig)) for rig in rigs), default=0))
            for view in self.views
            if number < len(self._of(sequence, VIEWS[view]))
        ]
        if not self._index:
            raise DataSetError(
                f"{self.folder}/labels has no label file of {' or '.join(rigs)}.",
                f"Give the folder that holds labels/{wanted[0]}_{rigs[0]}.mat.",
            )

    def __len__(self) -> int:
        return len(self._index)

    @cached_property
    def keys(self) -> Sequence[str]:
        """``sequence/name of the picture``."""
        return [self._key(*place) for place in self._index]

    def labels(self, index: int) -> Sample:
        """See :class:`~handloom.datasets.sample.DataSet`."""
        sequence, number, view = self._index[index]
        camera = self._cameras[view]
        points = order("stb").to_hand(1e-3 * self._of(sequence, VIEWS[view])[number])
        xy = camera.project(points)
        T = camera.T_camera_world
        hand = HandLabel("left", xy, points @ T[:3, :3].T + T[:3, 3], box=tight_box(xy), root="palm")
        return Sample(
            self._key(sequence, number, view), None, camera, (hand,),
            moment=f"{sequence}/{number}", frame=(f"{sequence}/{view}", number),
            conditions={"sequence": sequence, "background": sequence[:2]},
        )  # fmt: skip

    def __getitem__(self, index: int) -> Sample:
        """See :class:`~handloom.datasets.sample.DataSet`."""
        labels = self.labels(index)
        plain = self.folder / f"{labels.key}.png"
        path = plain if plain.exists() else self.folder / "images" / f"{labels.key}.png"
        return Sample(
            labels.key, read_image(path if path.exists() else plain), labels.camera, labels.hands,
            moment=labels.moment, frame=labels.frame, conditions=labels.conditions,
        )  # fmt: skip

    def _of(self, sequence: str, rig: str) -> Array:
        """(N, 21, 3) labels of a sequence, in millimetres; none where it is not there."""
        return self._points.get((sequence, rig), np.empty((0, 21, 3)))

    @staticmethod
    def _key(sequence: str, number: int, view: str) -> str:
        return f"{sequence}/{VIEWS[view]}_{view}_{number}"


def _camera(view: str) -> Camera:
    T = np.eye(4)
    if view == "right":
        T[0, 3] = -1e-3 * _BASELINE_MM
    elif view == "color":
        rotation, translation = cv2.Rodrigues(_DEPTH_FROM_COLOR[0])[0], 1e-3 * _DEPTH_FROM_COLOR[1]
        T[:3, :3], T[:3, 3] = rotation.T, -rotation.T @ translation
    return Camera(view, _SIZE, _K_COLOR if view == "color" else _K_BB, np.zeros(4), T)


def _read_labels(file: Path) -> Array:
    """(N, 21, 3) points of a label file, in its unit and order."""
    from scipy.io import loadmat

    require(file, "The label file")
    try:
        points = loadmat(file)["handPara"]
    except KeyError as error:
        raise DataSetError(f"The label file {file} has no variable handPara.", AGAIN) from error
    # A damaged file may fail anywhere in the reader.
    except Exception as error:
        raise DataSetError(f"The label file {file} is damaged or no MATLAB file: {error}.", AGAIN) from error
    if points.ndim != 3 or points.shape[:2] != (3, 21):
        shape = " × ".join(map(str, points.shape))
        raise DataSetError(f"handPara in {file} is {shape}, not 3 × 21 × pictures.", AGAIN)
    return np.asarray(np.transpose(points, (2, 1, 0)), dtype=np.float64)
