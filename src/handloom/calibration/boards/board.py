"""What the rest of the calibration needs of a board: points with numbers, and a way to find them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Corners:
    """Corners of one board found in one picture.

    Attributes:
        ids: (N,) numbers of the board's points, rising, none twice.
        pixels: (N, 2) where they are, to a fraction of a pixel.
        blur_px: width of the edges at the corners, standard deviation in pixels; NaN where not measured.
    """

    ids: NDArray[np.int32]
    pixels: Array
    blur_px: float = float("nan")

    def __len__(self) -> int:
        return len(self.ids)


NO_CORNERS = Corners(np.zeros(0, np.int32), np.zeros((0, 2)))


class Board(ABC):
    """A flat calibration target.

    The frame of the board has its origin at point 0, x along the rows and y down the columns as printed,
    and z away from the viewer, into the paper.
    """

    @property
    @abstractmethod
    def spec(self) -> str:
        """The text that :func:`parse_board` makes this board of, complete and canonical."""

    @property
    @abstractmethod
    def points(self) -> Array:
        """(P, 3) points in metres, z = 0."""

    @property
    @abstractmethod
    def square_m(self) -> float:
        """Side of a square (of a marker, where there are only markers), metres."""

    @property
    def half_turn(self) -> NDArray[np.int32] | None:
        """(P,) the number every point gets when the board is turned by 180° and that cannot be seen in the
        picture; None where it can be."""
        return None

    @abstractmethod
    def find(self, image: NDArray[np.uint8]) -> Corners:
        """The board's corners in a picture.

        Args:
            image: (H, W) or (H, W, 3) RGB.

        Returns:
            The corners, possibly none.
        """

    @cached_property
    def pairs(self) -> NDArray[np.int32]:
        """(E, 2) numbers of points that are one square apart: the distances a result can be checked by."""
        distances = np.linalg.norm(self.points[:, None] - self.points[None], axis=-1)
        first, second = np.nonzero(np.triu(np.abs(distances - self.square_m) < 1e-6 * self.square_m))
        return np.stack([first, second], axis=-1).astype(np.int32)
