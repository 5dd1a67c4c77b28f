"""FreiHAND (Zimmermann et al. 2019): one right hand per picture, 224 × 224, mesh and MANO parameters.

``{split}_K.json``, ``_xyz.json``, ``_mano.json``, ``_verts.json``, ``_scale.json`` hold one entry per unique
sample; pictures are ``{split}/rgb/%08d.jpg``, masks ``{split}/mask/%08d.jpg``. The training pictures come in
four versions of the same samples (other backgrounds); their numbers are those of the first plus 32,560 each.

Traps: the 61 numbers of ``mano`` are pose 48, shape 10, the middle knuckle's pixel 2 and a scale 1, not a
translation; the pose counts from MANO's mean pose; tips are vertices 744, 320, 443, 555, 672.
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
from handloom.datasets.files import AGAIN, numbers, read_image, read_json, reading, require, tight_box
from handloom.datasets.json_rows import JsonRows
from handloom.datasets.pictures import picture_size
from handloom.datasets.sample import FIRST_PART, HandLabel, ManoParameters, Sample
from handloom.errors import DataSetError
from handloom.skeleton import HAND

Array = NDArray[np.float64]

SPLITS = ("training", "evaluation")
VERSIONS = ("gs", "hom", "sample", "auto")
"""Green screen, and three ways of composing another background."""
UNIQUE_SAMPLES = 32_560
"""By so much the numbers of the pictures of one version differ from those of the version before."""


class FreiHand:
    """Reader of FreiHAND.

    The 2D keypoints are the 3D ones projected: the set has no labels of its own in the picture. A mask says
    hand or not; all of the hand is given the palm's number. ``mano.translation`` is NaN: it depends on
    MANO's own file.

    Args:
        path: the folder that holds ``training_K.json`` or ``evaluation_K.json``.
        split: ``"training"`` (by default where it is there) or ``"evaluation"``.
        versions: of the training pictures, one after another; the evaluation has the first only.
        vertices: whether meshes are read where the set has them; two thirds of a millisecond each.

    Raises:
        DataSetError: if a file is missing or malformed.
    """

    name = "freihand"

    def __init__(
        self,
        path: str | Path,
        split: str | None = None,
        *,
        versions: str | Sequence[str] = "gs",
        vertices: bool = True,
    ) -> None:
        self.folder = Path(path)
        self.split = split or next((s for s in SPLITS if (self.folder / f"{s}_K.json").exists()), SPLITS[0])
        self.versions = (versions,) if isinstance(versions, str) else tuple(versions)
        if self.split not in SPLITS or not self.versions or set(self.versions) - set(VERSIONS):
            raise DataSetError(
                f"FreiHAND has no split {self.split!r} with versions {', '.join(self.versions)}.",
                f"Splits are {' and '.join(SPLITS)}, versions {', '.join(VERSIONS)}.",
            )
        if self.split == "evaluation" and self.versions != ("gs",):
            raise DataSetError("FreiHAND's evaluation has one version only.", "Leave out the versions.")
        K = self._list("K", "The intrinsics")
        self._count = len(K)
        with reading(self._file("K"), "The intrinsics"):
            self._K = numbers(K, (self._count, 3, 3), "the list")
        xyz = self._list("xyz", "The joints") if self._has("xyz") else None
        self._xyz = np.full((self._count, len(HAND), 3), np.nan)
        if xyz is not None:
            with reading(self._file("xyz"), "The joints"):
                self._xyz = numbers(xyz, self._xyz.shape, "the list")
        elif self.split == "training":
            require(self._file("xyz"), "The joints")
        self._scale = self._list("scale", "The scales") if self._has("scale") else None
        self._mano = self._list("mano", "MANO's parameters") if self._has("mano") else None
        self._vertices = None
        if vertices and self._has("verts"):
            self._vertices = JsonRows(self._file("verts"), "The meshes", 3, self._count)
        homogeneous = self._xyz @ np.swapaxes(self._K, 1, 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            self._xy = homogeneous[..., :2] / homogeneous[..., 2:]
        self.lacks = self._missing(xyz is not None)

    def __len__(self) -> int:
        return self._count * len(self.versions)

    @cached_property
    def keys(self) -> Sequence[str]:
        """``split/number of the picture``."""
        return [self._place(index)[1] for index in range(len(self))]

    def labels(self, index: int) -> Sample:
        """See :class:`~handloom.datasets.sample.DataSet`."""
        number, key, version = self._place(index)
        with reading(self._file("K"), f"The intrinsics {number} in"):
            camera = Camera("camera", self._image_size, self._K[number], np.zeros(4), np.eye(4))
        vertices = None if self._vertices is None else self._vertices[number]
        xy, xyz = self._xy[number].copy(), self._xyz[number].copy()
        hand = HandLabel("right", xy, xyz, None, tight_box(xy), vertices, mano=self._mano_of(number))
        conditions: dict[str, str | float] = {"version": version}
        if self._scale is not None:
            conditions["scale_m"] = float(np.ravel(self._scale[number])[0])
        return Sample(key, None, camera, (hand,), conditions=conditions)

    def __getitem__(self, index: int) -> Sample:
        """See :class:`~handloom.datasets.sample.DataSet`."""
        labels = self.labels(index)
        number, key, _ = self._place(index)
        image = read_image(self.folder / self._picture("rgb", key))
        mask = self.folder / self._picture("mask", f"{self.split}/{number:08d}")
        parts = None
        if mask.exists():
            # JPEG leaves traces of the edges; half-way is the edge.
            hand = read_image(mask, cv2.IMREAD_GRAYSCALE) > 127
            parts = hand.astype(np.uint8) * np.uint8(FIRST_PART["right"])
        return Sample(key, image, labels.camera, labels.hands, parts, conditions=labels.conditions)

    def _place(self, index: int) -> tuple[int, str, str]:
        """Number of the unique sample, key of the picture, version."""
        if not 0 <= index < len(self):
            raise IndexError(f"the set has {len(self)} samples, asked for {index}")
        version, number = divmod(index, self._count)
        name = self.versions[version]
        picture = number + max(UNIQUE_SAMPLES, self._count) * VERSIONS.index(name)
        return number, f"{self.split}/{picture:08d}", name

    @staticmethod
    def _picture(kind: str, key: str) -> str:
        split, number = key.split("/")
        return f"{split}/{kind}/{number}.jpg"

    @cached_property
    def _image_size(self) -> tuple[int, int] | None:
        return picture_size(self.folder / self._picture("rgb", self._place(0)[1])) if self._count else None

    def _mano_of(self, number: int) -> ManoParameters | None:
        if self._mano is None:
            return None
        with reading(self._file("mano"), f"The parameters {number} in"):
            values = numbers(self._mano[number], (61,), "the list")
        return ManoParameters(values[:48], values[48:58], np.full(3, np.nan), flat_hand_mean=False)

    def _missing(self, labelled: bool) -> tuple[str, ...]:
        lacks = ["visible", "finger parts", "depth", "normals", "faces", "parameters", "moment", "frame"]
        lacks += [] if labelled else ["xy", "xyz"]
        lacks += ["mano.translation"] if self._mano is not None else ["mano"]
        lacks += [] if self._vertices is not None else ["vertices"]
        lacks += [] if (self.folder / self.split / "mask").is_dir() else ["parts"]
        return tuple(lacks)

    def _has(self, what: str) -> bool:
        return self._file(what).exists()

    def _file(self, what: str) -> Path:
        return self.folder / f"{self.split}_{what}.json"

    def _list(self, what: str, name: str) -> list[Any]:
        content = read_json(self._file(what), name)
        expected = getattr(self, "_count", None)
        if not isinstance(content, list) or (expected is not None and len(content) != expected):
            held = f"{len(content)} entries" if isinstance(content, list) else "no list"
            raise DataSetError(
                f"{name} {self._file(what)} hold {held}, where {expected or 'a list'} are needed.", AGAIN
            )
        return content
