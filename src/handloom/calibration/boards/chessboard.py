"""The chessboard: its inner corners, numbered by the colours of its squares."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.calibration.boards.board import Array, Board, Corners
from handloom.calibration.boards.lengths import length_text
from handloom.calibration.boards.picture import bilinear, grey


@dataclass(frozen=True)
class Chessboard(Board):
    """A chessboard.

    Attributes:
        columns: inner corners in a row.
        rows: inner corners in a column.
        square: side of a square, metres.
    """

    columns: int
    rows: int
    square: float

    @property
    def spec(self) -> str:
        return f"chessboard:{self.columns}x{self.rows}:{length_text(self.square)}"

    @property
    def square_m(self) -> float:
        return self.square

    @property
    def points(self) -> Array:
        y, x = np.mgrid[: self.rows, : self.columns]
        return np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=-1) * self.square

    @property
    def half_turn(self) -> NDArray[np.int32] | None:
        if (self.columns + self.rows) % 2:
            return None
        return np.arange(self.columns * self.rows - 1, -1, -1, dtype=np.int32)

    def find(self, image: NDArray[np.uint8]) -> Corners:
        picture = grey(image)
        size = (self.columns, self.rows)
        flags = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_EXHAUSTIVE | cv2.CALIB_CB_ACCURACY
        found, corners = cv2.findChessboardCornersSB(picture, size, flags=flags)
        if not found:
            return Corners(np.zeros(0, np.int32), np.zeros((0, 2)))
        grid = corners.reshape(self.rows, self.columns, 2).astype(np.float64)
        grid = _numbered(grid, picture)
        return Corners(np.arange(self.rows * self.columns, dtype=np.int32), grid.reshape(-1, 2))


def _numbered(grid: Array, picture: NDArray[np.uint8]) -> Array:
    """The same corners in the board's order."""
    across, down = grid[0, -1] - grid[0, 0], grid[-1, 0] - grid[0, 0]
    if across[0] * down[1] - across[1] * down[0] < 0:
        grid = grid[:, ::-1]
    quarter_turns = (0, 1, 2, 3) if grid.shape[0] == grid.shape[1] else (0, 2)
    turned = [np.rot90(grid, k) for k in quarter_turns]
    dark = [_first_is_dark(t, picture) for t in turned]
    if any(dark):
        turned = [t for t, is_dark in zip(turned, dark, strict=True) if is_dark]
    return max(turned, key=lambda t: float((t[0, -1] - t[0, 0])[0]))


def _first_is_dark(grid: Array, picture: NDArray[np.uint8]) -> bool:
    """Whether the square between the first corners of the first two rows is one of the dark ones."""
    middles = (grid[1:, 1:] + grid[1:, :-1] + grid[:-1, 1:] + grid[:-1, :-1]) / 4
    shades = bilinear(picture, middles)
    row, column = np.indices(shades.shape)
    even = (row + column) % 2 == 0
    return bool(shades[even].mean() < shades[~even].mean())
