"""Pictures of the board stacked into arrays of one shape, so that all are worked on at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.sightings import Sightings

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]

_THINNEST = 0.02  # width to length of a patch of corners below which its pose is not looked for


@dataclass(frozen=True, eq=False)
class BoardViews:
    """V views of up to M corners each.

    Attributes:
        points: (V, M, 2) corners on the board, metres, about the board's middle; 0 where there is none.
        pixels: (V, M, 2) where they are seen; 0 where there is none.
        valid: (V, M) which there are.
        rows: (V, M) their rows of the sightings; -1 where there is none.
        camera: (V,) number of the camera.
        moment: (V,) number of the moment.
        blur_px: (V,) width of the edges; NaN where not measured.
        middle: (3,) the board's middle in its own frame.
    """

    points: Array
    pixels: Array
    valid: Mask
    rows: Integers
    camera: Integers
    moment: Integers
    blur_px: Array
    middle: Array

    @classmethod
    def of(cls, sightings: Sightings, cameras: Sequence[int], least: int = 4) -> BoardViews:
        """The views of some cameras with at least so many corners that do not lie on a line."""
        board = sightings.board.points
        middle = (board.min(axis=0) + board.max(axis=0)) / 2
        rows = np.flatnonzero(np.isin(sightings.camera, np.asarray(cameras)))
        key = sightings.moment[rows].astype(np.int64) * len(sightings.cameras) + sightings.camera[rows]
        keys, starts, counts = np.unique(key, return_index=True, return_counts=True)
        views, widest = len(keys), int(counts.max(initial=1))
        place = np.arange(len(rows)) - np.repeat(starts, counts)
        view = np.repeat(np.arange(views), counts)
        points, pixels = np.zeros((views, widest, 2)), np.zeros((views, widest, 2))
        valid, table = np.zeros((views, widest), dtype=bool), np.full((views, widest), -1, dtype=np.int64)
        points[view, place] = (board[sightings.corner[rows]] - middle)[:, :2]
        pixels[view, place] = sightings.pixels[rows]
        valid[view, place] = True
        table[view, place] = rows
        camera, moment = keys % len(sightings.cameras), keys // len(sightings.cameras)
        stacked = cls(points, pixels, valid, table, camera, moment, sightings.blur_px[moment, camera], middle)
        return stacked.take((counts >= least) & (_thinness(points, valid) > _THINNEST))

    def __len__(self) -> int:
        return len(self.points)

    def take(self, index: NDArray[np.generic]) -> BoardViews:
        """Some of the views, by number or mask."""
        kept = {f.name: getattr(self, f.name)[index] for f in fields(self) if f.name != "middle"}
        return BoardViews(**kept, middle=self.middle)


def _thinness(points: Array, valid: Mask) -> Array:
    """(V,) width to length of each patch of corners, as standard deviations."""
    weight = valid / np.maximum(valid.sum(axis=1, keepdims=True), 1)
    away = (points - (points * weight[..., None]).sum(axis=1, keepdims=True)) * valid[..., None]
    spread = np.linalg.eigvalsh(np.swapaxes(away, -1, -2) @ away)
    return np.asarray(np.sqrt(np.maximum(spread[:, 0], 0.0) / np.maximum(spread[:, 1], 1e-300)))
