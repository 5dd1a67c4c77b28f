"""What a board looks like on paper: outlines of its dark areas, and pictures of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.boards.board import Array, Board


@dataclass(frozen=True, eq=False)
class Pattern:
    """The print of a board.

    Attributes:
        width: of the printed area, metres.
        height: of the printed area, metres.
        loops: (V, 2) closed outlines in metres from the upper left corner, all sides along x or y. What an
            odd number of them encloses is dark; with ``inverted``, light on a dark ground.
        origin: (2,) where point 0 of the board lies, metres.
        inverted: light on dark.
    """

    width: float
    height: float
    loops: tuple[Array, ...]
    origin: Array
    inverted: bool = False

    def draw(self, px_per_m: float, margin_m: float = 0.0) -> NDArray[np.uint8]:
        """(H, W) picture, every pixel as light as the share of it that is light.

        Args:
            px_per_m: pixels per metre.
            margin_m: ground around the printed area.
        """
        width, height = (round((side + 2 * margin_m) * px_per_m) for side in (self.width, self.height))
        # what lies to the right of each upright edge, summed with signs, is what lies inside
        edges = np.zeros((height, width + 2))
        row = np.arange(height)
        for loop in self.loops:
            at = (loop + margin_m) * px_per_m
            for (x, y), (x_next, y_next) in zip(at, np.roll(at, -1, axis=0), strict=True):
                if x != x_next or y == y_next:
                    continue
                top, bottom = min(y, y_next), max(y, y_next)
                share = np.clip(np.minimum(row + 1, bottom) - np.maximum(row, top), 0.0, 1.0)
                share *= 1.0 if y_next < y else -1.0
                column = min(max(int(np.floor(x)), 0), width)
                part = np.clip(x - column, 0.0, 1.0)
                edges[:, column] += share * (1 - part)
                edges[:, column + 1] += share * part
        inside = np.clip(np.cumsum(edges, axis=1)[:, :width], 0.0, 1.0)
        light = inside if self.inverted else 1.0 - inside
        return np.round(255.0 * light).astype(np.uint8)


class PrintedBoard(Board):
    """A board that knows how to be drawn."""

    @property
    @abstractmethod
    def pattern(self) -> Pattern:
        """What it looks like on paper."""

    def draw(self, px_per_m: float, margin_m: float | None = None) -> NDArray[np.uint8]:
        """(H, W) picture of the board as printed, seen from straight ahead.

        A point of the board at x, y metres lies at ``([x, y] + pattern.origin + margin_m) * px_per_m - 0.5``
        pixels.

        Args:
            px_per_m: pixels per metre.
            margin_m: paper around the board; one square if None.
        """
        return self.pattern.draw(px_per_m, self.square_m if margin_m is None else margin_m)

    @cached_property
    def size_m(self) -> tuple[float, float]:
        """Width and height of the printed area, metres."""
        return self.pattern.width, self.pattern.height


def square(x: float, y: float, side: float) -> Array:
    """(4, 2) outline of a square from its upper left corner, clockwise as seen."""
    return np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]])


def outlines(cells: NDArray[np.bool_], x: float, y: float, side: float) -> Iterable[Array]:
    """(V, 2) outlines of the dark cells of a marker: dark is always to the right of the way, holes included.

    Args:
        cells: (B, B) true where dark.
        x: left side of the marker.
        y: upper side of the marker.
        side: of the marker.
    """
    steps: dict[tuple[int, int], list[tuple[int, int]]] = {}
    dark = np.pad(cells, 1)
    for r, c in np.argwhere(cells):
        # a side is part of the outline where the cell beyond is light
        if not dark[r, c + 1]:
            steps.setdefault((c, r), []).append((c + 1, r))
        if not dark[r + 1, c + 2]:
            steps.setdefault((c + 1, r), []).append((c + 1, r + 1))
        if not dark[r + 2, c + 1]:
            steps.setdefault((c + 1, r + 1), []).append((c, r + 1))
        if not dark[r + 1, c]:
            steps.setdefault((c, r + 1), []).append((c, r))
    while steps:
        start = min(steps)
        loop = [start]
        while True:
            here = loop[-1]
            following = steps[here].pop()
            if not steps[here]:
                del steps[here]
            if following == start:
                break
            loop.append(following)
        corners = np.array(loop, dtype=np.float64)
        turns = np.any(np.roll(corners, 1, axis=0) + np.roll(corners, -1, axis=0) != 2 * corners, axis=1)
        yield np.array([x, y]) + corners[turns] * side / len(cells)
