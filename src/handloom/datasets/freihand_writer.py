"""Writing FreiHAND's layout: one right hand in each sample."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handloom.datasets.freihand import SPLITS
from handloom.datasets.pictures import JPG_QUALITY, as_jpg, save
from handloom.datasets.sample import FIRST_PART, HandLabel, Sample
from handloom.datasets.writer import PartWriter
from handloom.errors import DataSetError
from handloom.skeleton import HAND

Array = NDArray[np.float64]

_MASK_QUALITY = 100
_ROOT, _AFTER_ROOT = HAND.index("middle_mcp"), HAND.index("middle_pip")


class FreiHandWriter(PartWriter):
    """Writer of FreiHAND's layout, in one version.

    Meshes, masks and MANO's parameters are written where all samples have them. Depth, visibility and what
    else the layout has no place for are left out.

    Args:
        folder: of the set.
        split: ``"training"`` or ``"evaluation"``.
        jpg_quality: of the pictures.
        vertices: whether meshes are written, to a tenth of a micrometre.
    """

    layout = "freihand"

    def __init__(
        self,
        folder: Path,
        split: str = "training",
        *,
        jpg_quality: int = JPG_QUALITY,
        vertices: bool = True,
    ) -> None:
        if split not in SPLITS:
            raise DataSetError(f"FreiHAND has no split {split!r}.", f"Splits are {' and '.join(SPLITS)}.")
        super().__init__(folder, split)
        self._quality, self._with_vertices = jpg_quality, vertices

    @property
    def main_file(self) -> str:
        """The intrinsics, which every reader asks for."""
        return f"{self.split}_K.json"

    def add(self, stage: Path, index: int, sample: Sample) -> dict[str, str]:
        """See :class:`~handloom.datasets.writer.PartWriter`; records are text that is only joined."""
        hand = _only_right_hand(sample)
        vertices = hand.vertices if self._with_vertices else None
        whole = all(np.isfinite(points).all() for points in (hand.xyz, vertices) if points is not None)
        if sample.image is None or sample.camera is None or not whole:
            raise DataSetError(
                f"Sample {sample.key} cannot be written as FreiHAND: it needs a picture, K and all joints.",
                "Leave the sample out, or choose another layout.",
            )
        save(stage / self.split / "rgb" / f"{index:08d}.jpg", as_jpg(sample.image, self._quality))
        if sample.parts is not None:
            mask = (sample.parts >= min(FIRST_PART.values())).astype(np.uint8) * np.uint8(255)
            save(stage / self.split / "mask" / f"{index:08d}.jpg", as_jpg(mask, _MASK_QUALITY))
        entries: dict[str, Any] = {
            "K": sample.camera.K.tolist(),
            "xyz": hand.xyz.tolist(),
            "scale": float(np.linalg.norm(hand.xyz[_AFTER_ROOT] - hand.xyz[_ROOT])),
        }
        if hand.mano is not None:
            entries["mano"] = [_mano(sample, hand)]
        record = {name: json.dumps(entry, allow_nan=False) for name, entry in entries.items()}
        if vertices is not None:
            record["verts"] = _rows(vertices)
        return record

    def join(self, stage: Path, records: Iterator[dict[str, str]]) -> None:
        """See :class:`~handloom.datasets.writer.PartWriter`."""
        with ExitStack() as stack:
            files: dict[str, Any] = {}
            for number, record in enumerate(records):
                if number == 0:
                    for key in record:
                        path = stage / f"{self.split}_{key}.json"
                        files[key] = stack.enter_context(path.open("w", encoding="utf-8"))
                if files.keys() != record.keys():
                    raise DataSetError(
                        f"Sample {number} has {', '.join(record)}, the first one {', '.join(files)}.",
                        "A FreiHAND set says the same of all its samples: write them with the same options.",
                    )
                for key, file in files.items():
                    file.write(("[" if number == 0 else ", ") + record[key])
            if not files:
                raise DataSetError("There is no sample to write.", "Ask for one at least.")
            for file in files.values():
                file.write("]")


def _only_right_hand(sample: Sample) -> HandLabel:
    if len(sample.hands) != 1 or sample.hands[0].side != "right":
        sides = ", ".join(hand.side for hand in sample.hands) or "none"
        raise DataSetError(
            f"Sample {sample.key} cannot be written as FreiHAND, its hands are: {sides}.",
            "FreiHAND has one right hand per picture: choose such samples, or another layout.",
        )
    return sample.hands[0]


def _mano(sample: Sample, hand: HandLabel) -> list[float]:
    """The 61 numbers: pose, shape, and the middle knuckle's pixel and scale by the mean focal length."""
    assert hand.mano is not None
    assert sample.camera is not None
    if hand.mano.flat_hand_mean:
        raise DataSetError(
            f"Sample {sample.key} counts MANO's pose from the flat hand, FreiHAND from the mean pose.",
            "Take hands_mean of MANO's file off the 45 numbers of the joints first.",
        )
    K, root = sample.camera.K, hand.xyz[_ROOT]
    scale = (K[0, 0] + K[1, 1]) / 2 / root[2]
    pixel = K[:2, 2] + scale * root[:2]
    return [*hand.mano.pose.tolist(), *hand.mano.shape.tolist(), *pixel.tolist(), float(scale)]


def _rows(vertices: Array) -> str:
    """(V, 3) numbers as JSON; in one step, as meshes are most of the text of a set."""
    rows = ", ".join(["[%.7f, %.7f, %.7f]"] * len(vertices))
    return f"[{rows}]" % tuple(vertices.ravel().tolist())
