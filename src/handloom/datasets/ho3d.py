"""HO-3D, version 2 and 3 (Hampali et al. 2020): a right hand with an object, before one of several cameras.

``train.txt`` and ``evaluation.txt`` name the pictures as ``sequence/number``; each has
``<split>/<sequence>/rgb/<number>.png`` (version 3: ``.jpg``), ``depth/<number>.png`` and
``meta/<number>.pkl``. The pickles are read without running them (:mod:`handloom.hand.restricted_pickle`).

Traps: the camera's axes are OpenGL's, with the hand at negative z. Joints are MANO's, then the tips of thumb,
index, middle, ring and little finger. MANO's pose is counted from the flat hand. The evaluation has the wrist
and a box only. Depth is coded in two channels of a PNG with three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.datasets.files import AGAIN, Array, numbers, read_bytes, read_image, reading, require, tight_box
from handloom.datasets.orders import order
from handloom.datasets.sample import HandLabel, ManoParameters, Sample
from handloom.errors import DataSetError
from handloom.hand.kinematics import rotation_from_vector, vector_from_rotation
from handloom.hand.restricted_pickle import read_pickle
from handloom.skeleton import HAND

SPLITS = ("train", "evaluation")
ORDER = order("ho3d")
SIZE = (640, 480)
FROM_OPENGL = np.diag([1.0, -1.0, -1.0])
DEPTH_M = 0.00012498664727900177
"""Metres of one step of the depth maps."""


class Ho3d:
    """HO-3D.

    ``xy`` are the joints in space, projected: the data set has no labels in the picture. Of the evaluation's
    hands only the wrist and the box are known.

    Args:
        path: folder that holds ``train.txt`` or ``evaluation.txt``.
        split: ``"train"`` or ``"evaluation"``; the first that is there without.

    Raises:
        DataSetError: if a file is missing or malformed.
    """

    name = "ho3d"

    def __init__(self, path: str | Path, split: str | None = None) -> None:
        self.folder = require(Path(path), "The data set")
        if split is None:
            split = next((name for name in SPLITS if (self.folder / f"{name}.txt").exists()), SPLITS[0])
        if split not in SPLITS:
            raise DataSetError(f"HO-3D has no split {split!r}.", f"Its splits are {', '.join(SPLITS)}.")
        self.split = split
        listed = self.folder / f"{split}.txt"
        lines = read_bytes(listed, "The list of pictures").decode("utf-8", "replace").split()
        for line in lines:
            if line.count("/") != 1 or ".." in line:
                raise DataSetError(f"{listed} names {line!r}, not a sequence and a number.", AGAIN)
        if not lines or len(set(lines)) < len(lines):
            raise DataSetError(f"{listed} names no picture, or one twice.", AGAIN)
        self._keys = lines
        evaluation = ("xyz but the wrist", "mano") if split == "evaluation" else ()
        self.lacks = (*evaluation, "visible", "parts", "normals", "vertices", "parameters", "moment")

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def keys(self) -> Sequence[str]:
        """``sequence/number``, as the list has them."""
        return self._keys

    def labels(self, index: int) -> Sample:
        """A picture's labels without the picture."""
        key = self._keys[index]
        path = self._file(index, "meta", ".pkl")
        require(path, "The annotation")
        content = read_pickle(path, "annotation of HO-3D", DataSetError, AGAIN)
        with reading(path, "The annotation"):
            if not isinstance(content, Mapping):
                raise TypeError("it holds no dictionary")
            camera = Camera(
                key.split("/")[0], SIZE, numbers(content["camMat"], (3, 3), "camMat"), np.zeros(4), np.eye(4)
            )
            joints = content["handJoints3D"]
            hands = () if joints is None else (self._hand(camera, content, joints),)
            sequence, number = key.split("/")
            frame = sequence, int(number)
            conditions: dict[str, str | float] = {"sequence": sequence}
            if content.get("objName") is not None:
                conditions["object"] = str(content["objName"])
        return Sample(key, None, camera, hands, frame=frame, conditions=conditions)

    def __getitem__(self, index: int) -> Sample:
        """A picture, its depth map where there is one, and its labels."""
        labels = self.labels(index)
        jpg = self._file(index, "rgb", ".jpg")
        image = read_image(jpg if jpg.exists() else self._file(index, "rgb", ".png"))
        depth_file = self._file(index, "depth", ".png")
        depth = decoded_depth(read_image(depth_file)) if depth_file.exists() else None
        return Sample(
            labels.key, image, labels.camera, labels.hands, depth=depth, frame=labels.frame,
            conditions=labels.conditions,
        )  # fmt: skip

    def _file(self, index: int, kind: str, suffix: str) -> Path:
        sequence, number = self._keys[index].split("/")
        return self.folder / self.split / sequence / kind / f"{number}{suffix}"

    def _hand(self, camera: Camera, content: Mapping[str, Any], joints: Any) -> HandLabel:
        given = np.array(joints, dtype=np.float64)
        if given.size == 3:
            # Absent joints of the evaluation stay NaN.
            xyz = np.full((len(HAND), 3), np.nan)
            xyz[HAND.index("wrist")] = FROM_OPENGL @ given.ravel()
        else:
            in_order = numbers(given, (len(ORDER), 3), "handJoints3D") @ FROM_OPENGL
            xyz = np.asarray(ORDER.to_hand(in_order), dtype=np.float64)
        xy = camera.project(xyz)
        box = content.get("handBoundingBox")
        edges = numbers(box, (4,), "handBoundingBox") if box is not None else None
        if edges is None and given.size > 3:
            edges = tight_box(xy)
        mano = None
        if given.size > 3 and content.get("handPose") is not None:
            mano = _mano(
                numbers(content["handPose"], (48,), "handPose"),
                numbers(content["handBeta"], (10,), "handBeta"),
                numbers(content["handTrans"], (3,), "handTrans"),
                wrist=numbers(given, (len(ORDER), 3), "handJoints3D")[0],
            )
        return HandLabel("right", xy, xyz, box=edges, mano=mano)


def _mano(pose: Array, shape: Array, translation: Array, *, wrist: Array) -> ManoParameters:
    """MANO's parameters in OpenCV's axes, from those in OpenGL's and the wrist there.

    MANO turns the hand about its wrist at rest, which is the posed wrist less the translation:
    F (R (v - j) + j + t) = F R (v - j) + j + t' with t' = F (j + t) - j.
    """
    turn = vector_from_rotation(FROM_OPENGL @ rotation_from_vector(pose[:3]))
    rest = wrist - translation
    return ManoParameters(np.concatenate([turn, pose[3:]]), shape, FROM_OPENGL @ wrist - rest)


def decoded_depth(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W) metres along the optical axis of a depth map, NaN where it has none.

    The data set's own scripts take red as the lower and green as the higher eight bits.

    Args:
        rgb: (H, W, 3) the PNG.
    """
    steps = rgb[..., 0].astype(np.float64) + 256.0 * rgb[..., 1]
    return np.where(steps > 0, steps * DEPTH_M, np.nan).astype(np.float32)
