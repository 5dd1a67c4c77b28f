"""A board that nobody needs to find: for tests that begin with sightings."""

from __future__ import annotations

import numpy as np

from handloom.calibration.boards.board import Board, Corners


class PlainGrid(Board):
    """Corners in columns and rows, a square apart."""

    def __init__(self, columns: int = 8, rows: int = 6, square_m: float = 0.04) -> None:
        self._shape = (columns, rows)
        self._square_m = square_m

    @property
    def spec(self) -> str:
        columns, rows = self._shape
        return f"chessboard:{columns}x{rows}:{self._square_m * 1000:g}mm"

    @property
    def square_m(self) -> float:
        return self._square_m

    @property
    def points(self) -> np.ndarray:
        columns, rows = self._shape
        y, x = np.mgrid[0:rows, 0:columns] * self._square_m
        return np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=-1)

    def find(self, image: np.ndarray) -> Corners:
        raise AssertionError("scenes of this board have no pictures")
