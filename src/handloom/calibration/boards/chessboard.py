"""The chessboard: its inner corners, numbered by the colours of its squares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.calibration.boards.board import NO_CORNERS, Array, Corners
from handloom.calibration.boards.layout import predict
from handloom.calibration.boards.lengths import length_text
from handloom.calibration.boards.pattern import Pattern, PrintedBoard, square
from handloom.calibration.boards.picture import Picture, bilinear, grey, shrunk
from handloom.calibration.boards.saddle import refine, saddle

_CORNER_SCORE = 0.8
_BEYOND_SCORE = 0.9
_SHARE_NEEDED = 0.75
_STEEPEST_LIGHT = 0.7

_CLASSIC = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE
_SECTOR = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_EXHAUSTIVE


@dataclass(frozen=True)
class Chessboard(PrintedBoard):
    """A chessboard, found as a whole.

    The first point is the one with a dark square to its upper left, if there is such an order of the points.
    Where the board looks the same after half a turn (columns and rows both odd or both even) it is the order
    that is more upright in the picture; so it is among the quarter turns of a board with as many columns as
    rows, both even, which only serves for upright cameras.

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
        return np.pad(self._corners, ((0, 0), (0, 1))) * self.square

    @property
    def half_turn(self) -> NDArray[np.int32] | None:
        if (self.columns + self.rows) % 2:
            return None
        return np.arange(self.columns * self.rows - 1, -1, -1, dtype=np.int32)

    @property
    def pattern(self) -> Pattern:
        loops = [
            square(column * self.square, row * self.square, self.square)
            for row in range(self.rows + 1)
            for column in range(self.columns + 1)
            if (row + column) % 2 == 0
        ]
        width, height = (n * self.square + self.square for n in (self.columns, self.rows))
        return Pattern(width, height, tuple(loops), np.full(2, self.square))

    def find(self, image: NDArray[np.uint8], thorough: bool = True) -> Corners:
        picture = grey(image)
        for search in (_classic_small, _classic, _sectors_small) if thorough else (_classic_small, _classic):
            grid = search(picture, (self.columns, self.rows))
            if grid is not None:
                corners = self._settle(picture, grid)
                if len(corners):
                    return corners
        return NO_CORNERS

    @cached_property
    def _corners(self) -> Array:
        y, x = np.mgrid[: self.rows, : self.columns]
        return np.stack([x.ravel(), y.ravel()], axis=-1).astype(np.float64)

    def _settle(self, picture: Picture, grid: Array) -> Corners:
        """Number and refine the corners; none if they are not corners, or part of a larger board."""
        grid, dark_first = _numbered(grid, picture)
        rough, plan = grid.reshape(-1, 2), self._corners
        _, J = predict(plan, rough, np.ones(len(plan)), plan)
        # the square to the lower right of a corner has the colour of the one to its upper left
        sign = np.where(plan.sum(axis=-1) % 2 == 0, 1.0, -1.0) * (-1.0 if dark_first else 1.0)
        saddles = refine(picture, rough, J, saddle(sign))
        off = np.linalg.norm(saddles.pixels - rough, axis=-1)
        side = np.linalg.norm(J, axis=1).min(axis=-1)
        good = (saddles.score > _CORNER_SCORE) & (off < 0.3 * side)
        if good.mean() < _SHARE_NEEDED or self._goes_on(picture, saddles.pixels, good, dark_first):
            return NO_CORNERS
        ids = np.flatnonzero(good).astype(np.int32)
        return Corners(ids, saddles.pixels[good], float(np.median(saddles.blur_px[good])))

    def _goes_on(self, picture: Picture, pixels: Array, good: NDArray[np.bool_], dark_first: bool) -> bool:
        """Whether there is another row or column of corners: then this is part of a larger board."""
        along_x, along_y = np.arange(self.columns), np.arange(self.rows)
        weight = np.ones(int(good.sum()))
        for line in (
            [(-1, y) for y in along_y],
            [(self.columns, y) for y in along_y],
            [(x, -1) for x in along_x],
            [(x, self.rows) for x in along_x],
        ):
            beyond = np.array(line, dtype=np.float64)
            expected, J = predict(self._corners[good], pixels[good], weight, beyond)
            sign = np.where(beyond.sum(axis=-1) % 2 == 0, 1.0, -1.0) * (-1.0 if dark_first else 1.0)
            saddles = refine(picture, expected, J, saddle(sign))
            off = np.linalg.norm(saddles.pixels - expected, axis=-1)
            there = (
                (saddles.score > _BEYOND_SCORE)
                & (saddles.slant < _STEEPEST_LIGHT)
                & (off < 0.2 * np.linalg.norm(J, axis=1).min(axis=-1))
            )
            if there.mean() > 0.6:
                return True
        return False


_Search = Callable[[Picture, tuple[int, int]], Array | None]


def _classic(picture: Picture, size: tuple[int, int]) -> Array | None:
    return _grid(cv2.findChessboardCorners(picture, size, flags=_CLASSIC), size, 1)


def _classic_small(picture: Picture, size: tuple[int, int]) -> Array | None:
    small, shrink = shrunk(picture)
    return _grid(cv2.findChessboardCorners(small, size, flags=_CLASSIC), size, shrink) if shrink > 1 else None


def _sectors_small(picture: Picture, size: tuple[int, int]) -> Array | None:
    small, shrink = shrunk(picture)
    return _grid(cv2.findChessboardCornersSB(small, size, flags=_SECTOR), size, shrink)


def _grid(result: tuple[bool, cv2.typing.MatLike], size: tuple[int, int], shrink: int) -> Array | None:
    found, corners = result
    if not found:
        return None
    grid = np.asarray(corners, dtype=np.float64).reshape(size[1], size[0], 2)
    return (grid + 0.5) * shrink - 0.5


def _numbered(grid: Array, picture: Picture) -> tuple[Array, bool]:
    """The same corners in the board's order; whether the square to the upper left of the first is dark."""
    across, down = grid[0, -1] - grid[0, 0], grid[-1, 0] - grid[0, 0]
    if across[0] * down[1] - across[1] * down[0] < 0:
        grid = grid[:, ::-1]
    quarter_turns = (0, 1, 2, 3) if grid.shape[0] == grid.shape[1] else (0, 2)
    turned = [np.rot90(grid, k) for k in quarter_turns]
    dark = [_first_is_dark(t, picture) for t in turned]
    if any(dark):
        turned = [t for t, is_dark in zip(turned, dark, strict=True) if is_dark]
    return max(turned, key=lambda t: float((t[0, -1] - t[0, 0])[0])), any(dark)


def _first_is_dark(grid: Array, picture: Picture) -> bool:
    """Whether the square between the first corners of the first two rows is one of the dark ones."""
    middles = (grid[1:, 1:] + grid[1:, :-1] + grid[:-1, 1:] + grid[:-1, :-1]) / 4
    shades = bilinear(picture, middles)
    row, column = np.indices(shades.shape)
    even = (row + column) % 2 == 0
    return bool(shades[even].mean() < shades[~even].mean())
