"""The ChArUco board: a chessboard whose white squares carry numbered markers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.boards.board import NO_CORNERS, Array, Corners
from handloom.calibration.boards.detection import LIKE, Markers, consistent, find_markers, likeness
from handloom.calibration.boards.dictionaries import dictionary
from handloom.calibration.boards.layout import predict
from handloom.calibration.boards.lengths import length_text
from handloom.calibration.boards.pattern import Pattern, PrintedBoard, outlines, square
from handloom.calibration.boards.picture import Picture, grey
from handloom.calibration.boards.saddle import refine, saddle

_NEAR = 1.6  # squares; a corner is not looked for further than this from what was found
_CORNER_SCORE = 0.88
_FEWEST = 4
_CORNER_WEIGHT = 20.0  # of a refined corner against a marker's raw one


@dataclass(frozen=True)
class Charuco(PrintedBoard):
    """A ChArUco board; its points are the inner corners of the chessboard.

    Attributes:
        columns: squares in a row.
        rows: squares in a column.
        square: side of a square, metres.
        marker: side of a marker, metres.
        dictionary: canonical name of the markers' dictionary.
        legacy: pattern of OpenCV before 4.6, which begins with a white square where the rows are even.
        inverted: white on black.
        two_sided: the back shows the front as if the sheet were clear, so that both sides have the same
            corners.
    """

    columns: int
    rows: int
    square: float
    marker: float
    dictionary: str
    legacy: bool = False
    inverted: bool = False
    two_sided: bool = False

    @property
    def spec(self) -> str:
        text = f"charuco:{self.columns}x{self.rows}:{length_text(self.square)}"
        text += f":marker={length_text(self.marker)}:dict={self.dictionary}"
        return text + ":legacy" * self.legacy + ":inverted" * self.inverted + ":two-sided" * self.two_sided

    @property
    def square_m(self) -> float:
        return self.square

    @property
    def points(self) -> Array:
        return np.pad(self._corners, ((0, 0), (0, 1))) * self.square

    @property
    def pattern(self) -> Pattern:
        frame = self.square / 4 if self.inverted else 0.0  # the dark ground goes on around the board
        loops = [
            square(frame + column * self.square, frame + row * self.square, self.square)
            for row in range(self.rows)
            for column in range(self.columns)
            if (row + column + self._light_first) % 2 == 0
        ]
        for corners, cells in zip(self.marker_corners, self._cells, strict=True):
            x, y = frame + (corners[0] + 1) * self.square
            loops += outlines(cells == 0, x, y, self.marker)
        width, height = (n * self.square + 2 * frame for n in (self.columns, self.rows))
        return Pattern(width, height, tuple(loops), np.full(2, self.square + frame), self.inverted)

    def find(self, image: NDArray[np.uint8]) -> Corners:
        picture = grey(image)
        if self.inverted:
            picture = 255 - picture
        sides = (False, True) if self.two_sided else (False,)
        for effort in ("coarse", "fine"):
            for mirrored in sides:
                found = find_markers(
                    picture, self.dictionary, self.marker_count, effort=effort, mirrored=mirrored
                )
                corners = self._from_markers(picture, consistent(found, self.marker_corners))
                if len(corners):
                    return corners
        return NO_CORNERS

    @property
    def marker_count(self) -> int:
        """How many markers the board has."""
        return len(self.marker_corners)

    @cached_property
    def marker_corners(self) -> Array:
        """(M, 4, 2) corners of the markers from their upper left clockwise, in squares from point 0."""
        row, column = np.mgrid[: self.rows, : self.columns]
        light = (row + column + self._light_first) % 2 == 1
        middle = np.stack([column[light], row[light]], axis=-1) - 0.5
        side = self.marker / self.square / 2
        return middle[:, None] + side * np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])

    @property
    def _light_first(self) -> int:
        return int(self.legacy and self.rows % 2 == 0)

    @cached_property
    def _corners(self) -> Array:
        y, x = np.mgrid[: self.rows - 1, : self.columns - 1]
        return np.stack([x.ravel(), y.ravel()], axis=-1).astype(np.float64)

    @cached_property
    def _sign(self) -> Array:
        """(P,) 1 where the square to the lower right of the corner is light."""
        return np.where((self._corners.sum(axis=-1) + self._light_first) % 2 == 1, 1.0, -1.0)

    def _from_markers(self, picture: Picture, markers: Markers) -> Corners:
        if not len(markers):
            return NO_CORNERS
        known = self.marker_corners[markers.ids].reshape(-1, 2)
        pixels = markers.corners.reshape(-1, 2)
        weight = np.ones(len(known))
        count = len(self._corners)
        found, at, blur = np.zeros(count, bool), np.zeros((count, 2)), np.full(count, np.nan)
        clear = (1 - self.marker / self.square) / 2
        size = np.array(picture.shape[::-1])
        while True:
            # what has been found shows where the next ones are
            near = np.linalg.norm(self._corners[:, None] - known[None], axis=-1).min(axis=1) < _NEAR
            wanted = np.flatnonzero(near & ~found)
            expected, J = predict(known, pixels, weight, self._corners[wanted])
            inside = ((expected > 2) & (expected < size - 3)).all(axis=-1)
            wanted, expected, J = wanted[inside], expected[inside], J[inside]
            saddles = refine(picture, expected, J, saddle(self._sign[wanted]), clear)
            off = np.linalg.norm(saddles.pixels - expected, axis=-1)
            good = (saddles.score > _CORNER_SCORE) & (off < 0.25 * np.linalg.norm(J, axis=1).min(axis=-1))
            if not good.any():
                break
            new = wanted[good]
            found[new], at[new], blur[new] = True, saddles.pixels[good], saddles.blur_px[good]
            known = np.concatenate([known, self._corners[new]])
            pixels = np.concatenate([pixels, at[new]])
            weight = np.concatenate([weight, np.full(len(new), _CORNER_WEIGHT)])
        ids = np.flatnonzero(found)
        if len(ids) < _FEWEST or len(np.unique(ids // (self.columns - 1))) < 2:
            return NO_CORNERS
        if len(np.unique(ids % (self.columns - 1))) < 2 or not self._confirmed(picture, found, at):
            return NO_CORNERS
        return Corners(ids.astype(np.int32), at[ids], float(np.median(blur[ids])))

    def _confirmed(self, picture: Picture, found: NDArray[np.bool_], at: Array) -> bool:
        """Whether most markers among the corners are the board's: in a mirror, single ones are misread."""
        ids = np.flatnonzero(found)
        middle = self.marker_corners.mean(axis=1)
        beside = np.abs(self._corners[ids][None] - middle[:, None]).max(axis=-1) < 0.6
        visible = np.flatnonzero(beside.sum(axis=1) >= 2)
        if not len(visible):
            return False
        pixels, J = predict(self._corners[ids], at[ids], np.ones(len(ids)), middle[visible])
        like = likeness(picture, pixels, J * (self.marker / self.square), self._cells[visible])
        return int(np.sum(like > LIKE)) >= max(1, 0.5 * len(visible))

    @cached_property
    def _cells(self) -> NDArray[np.uint8]:
        """(M, B, B) the markers with their black border, 1 for white."""
        known = dictionary(self.dictionary)
        side = known.markerSize + 2
        markers = [known.generateImageMarker(i, side) for i in range(self.marker_count)]
        return (np.stack(markers) > 0).astype(np.uint8)
