"""The ChArUco board: a chessboard whose white squares carry numbered markers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.calibration.boards.board import Array, Board, Corners
from handloom.calibration.boards.dictionaries import dictionary
from handloom.calibration.boards.lengths import length_text
from handloom.calibration.boards.picture import grey


@dataclass(frozen=True)
class Charuco(Board):
    """A ChArUco board; its points are the inner corners of the chessboard.

    Attributes:
        columns: squares in a row.
        rows: squares in a column.
        square: side of a square, metres.
        marker: side of a marker, metres.
        dictionary: canonical name of the markers' dictionary.
        legacy: pattern of OpenCV before 4.6, which begins with a white square where the rows are even.
        inverted: white on black.
    """

    columns: int
    rows: int
    square: float
    marker: float
    dictionary: str
    legacy: bool = False
    inverted: bool = False

    @property
    def spec(self) -> str:
        text = f"charuco:{self.columns}x{self.rows}:{length_text(self.square)}"
        text += f":marker={length_text(self.marker)}:dict={self.dictionary}"
        return text + ":legacy" * self.legacy + ":inverted" * self.inverted

    @property
    def square_m(self) -> float:
        return self.square

    @property
    def points(self) -> Array:
        y, x = np.mgrid[: self.rows - 1, : self.columns - 1]
        return np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=-1) * self.square

    def find(self, image: NDArray[np.uint8]) -> Corners:
        picture = grey(image)
        if self.inverted:
            picture = 255 - picture
        board = cv2.aruco.CharucoBoard(
            (self.columns, self.rows), self.square, self.marker, dictionary(self.dictionary)
        )
        board.setLegacyPattern(self.legacy)
        corners, ids, _, _ = cv2.aruco.CharucoDetector(board).detectBoard(picture)
        if ids is None or not len(ids):
            return Corners(np.zeros(0, np.int32), np.zeros((0, 2)))
        order = np.argsort(ids.ravel())
        return Corners(ids.ravel()[order].astype(np.int32), corners.reshape(-1, 2)[order].astype(np.float64))
