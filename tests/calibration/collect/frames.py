"""Tiny recordings of a bright rectangle, which stands for a board: what is collected, not how it is found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.calibration.boards.board import Board, Corners
from handloom.video import VideoWriter

SIZE = (96, 64)
Image = NDArray[np.uint8]


class Lamp(Board):
    """A bright rectangle whose four corners are its points."""

    spec = "lamp"
    square_m = 0.1
    points = np.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.1, 0.1, 0.0], [0.0, 0.1, 0.0]])

    def find(self, image: Image) -> Corners:
        rows, columns = np.nonzero(image.mean(axis=-1) > 128)
        if not len(rows):
            return Corners(np.zeros(0, np.int32), np.zeros((0, 2)))
        left, top, right, bottom = columns.min(), rows.min(), columns.max(), rows.max()
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=np.float64)
        return Corners(np.arange(4, dtype=np.int32), corners, blur_px=1.0)


def lit(place: int | None, size: tuple[int, int] = SIZE) -> Image:
    """(H, W, 3) picture with the lamp at one of 20 columns and 4 rows, or without it."""
    image = np.full((size[1], size[0], 3), 30, np.uint8)
    if place is not None:
        row, column = divmod(place, 20)
        image[12 * row + 4 : 12 * row + 20, 4 * column : 4 * column + 16] = 230
    return image


def film(path: Path, places: Sequence[int | None], fps: float = 30.0, size: tuple[int, int] = SIZE) -> Path:
    """A video that shows the lamp at these places, one per frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, fps, quality=10) as writer:
        for place in places:
            writer.write(lit(place, size))
    return path


def photograph(path: Path, place: int | None, size: tuple[int, int] = SIZE) -> Path:
    """A picture of the lamp."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), lit(place, size))
    return path
