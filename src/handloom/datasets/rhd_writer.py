"""Writing RHD's layout: at most one left and one right hand in each sample."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from handloom.datasets.maps import map_as_png
from handloom.datasets.orders import order
from handloom.datasets.pictures import as_png, save
from handloom.datasets.rhd import SIDES, SPLITS, TO_RHD, encoded_depth
from handloom.datasets.sample import Sample
from handloom.datasets.writer import PartWriter
from handloom.errors import DataSetError

_PROTOCOL = 2  # the one of Python 2, which the set's own scripts run in


class RhdWriter(PartWriter):
    """Writer of RHD's layout. A hand that a sample does not have is 0 throughout and not visible.

    A joint without a flag of visibility counts as visible. Meshes, parameters, normals and what else the
    layout has no place for are left out.

    Args:
        folder: of the set.
        split: ``"training"`` or ``"evaluation"``.
    """

    layout = "rhd"

    def __init__(self, folder: Path, split: str = "training") -> None:
        if split not in SPLITS:
            raise DataSetError(f"RHD has no split {split!r}.", f"Splits are {' and '.join(SPLITS)}.")
        super().__init__(folder, split)

    @property
    def main_file(self) -> str:
        """The annotations."""
        return f"{self.split}/anno_{self.split}.pickle"

    def add(self, stage: Path, index: int, sample: Sample) -> dict[str, Any]:
        """See :class:`~handloom.datasets.writer.PartWriter`."""
        sides = [hand.side for hand in sample.hands]
        whole = all(np.isfinite(hand.xyz).all() and np.isfinite(hand.xy).all() for hand in sample.hands)
        if set(sides) - set(SIDES) or len(set(sides)) != len(sides):
            raise DataSetError(
                f"Sample {sample.key} cannot be written as RHD, its hands are: {', '.join(sides)}.",
                "RHD has at most one left and one right hand per picture: choose such samples.",
            )
        if sample.image is None or sample.camera is None or not whole:
            raise DataSetError(
                f"Sample {sample.key} cannot be written as RHD: it needs a picture, K and all joints.",
                "Leave the sample out, or choose another layout.",
            )
        name = f"{index:05d}.png"
        save(stage / self.split / "color" / name, as_png(sample.image))
        if sample.parts is not None:
            save(stage / self.split / "mask" / name, map_as_png(TO_RHD[sample.parts]))
        if sample.depth is not None:
            save(stage / self.split / "depth" / name, map_as_png(encoded_depth(sample.depth)))
        pixels, points = np.zeros((2, 21, 3)), np.zeros((2, 21, 3))
        rhd = order("rhd")
        for hand in sample.hands:
            h = SIDES.index(hand.side)
            seen = np.ones(21, dtype=np.bool_) if hand.visible is None else hand.visible
            pixels[h] = rhd.from_hand(np.column_stack([hand.xy, seen]))
            points[h] = rhd.from_hand(hand.xyz)
        return {
            "number": index,
            "uv_vis": pixels.reshape(42, 3).tolist(),
            "xyz": points.reshape(42, 3).tolist(),
            "K": sample.camera.K.tolist(),
        }

    def join(self, stage: Path, records: Iterator[dict[str, Any]]) -> None:
        """See :class:`~handloom.datasets.writer.PartWriter`."""
        content = {
            record["number"]: {name: np.array(record[name]) for name in ("uv_vis", "xyz", "K")}
            for record in records
        }
        save(stage / self.main_file, pickle.dumps(content, _PROTOCOL))
