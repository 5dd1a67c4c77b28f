"""Grids of markers without a chessboard: ArUco boards and Kalibr's AprilGrid."""

from __future__ import annotations

from abc import abstractmethod
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
from handloom.calibration.boards.saddle import outer, refine, saddle
from handloom.calibration.boards.tags import find_tags

_CORNER_SCORE = 0.8
_ARM = 0.42  # share of the gap between markers that edges are followed into
_CLOCKWISE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
_INWARD = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])


class MarkerGrid(PrintedBoard):
    """Markers in columns and rows; the points are their corners.

    Marker i has the points 4i to 4i + 3: its corners from the upper left clockwise, as the board is printed.
    """

    columns: int
    rows: int
    marker: float
    gap: float

    @property
    def square_m(self) -> float:
        return self.marker

    @property
    def points(self) -> Array:
        return np.pad(self._corners, ((0, 0), (0, 1))) * self.marker

    @property
    @abstractmethod
    def _family(self) -> str:
        """Name of the markers' dictionary."""

    @property
    @abstractmethod
    def _places(self) -> Array:
        """(M, 2) column and row of every marker as printed, the row from above."""

    @property
    @abstractmethod
    def _border(self) -> int:
        """Width of the markers' black border, cells."""

    def _search(self, picture: Picture) -> Markers:
        return find_markers(picture, self._family, len(self._places), border=self._border)

    @property
    @abstractmethod
    def _shape(self) -> Array:
        """(4, 3) what the corners of a marker look like."""

    @property
    def _unit(self) -> float:
        """What the fit of a corner takes for a square, in markers: it follows edges for 0.4 of that."""
        return min(1.0, self.gap / self.marker / _ARM)

    @cached_property
    def _corners(self) -> Array:
        """(4 M, 2) in markers, from point 0."""
        corners = self._places[:, None] * (1 + self.gap / self.marker) + _CLOCKWISE
        flat: Array = corners.reshape(-1, 2)
        return flat - flat[0]

    def find(self, image: NDArray[np.uint8]) -> Corners:
        picture = grey(image)
        layout = self._corners.reshape(-1, 4, 2)
        found = self._search(picture)
        # Printers of such boards disagree on which way up a marker is; where the others lie tells.
        turned = [consistent(Markers(found.ids, np.roll(found.corners, k, axis=1)), layout) for k in range(4)]
        return self._settle(picture, max(turned, key=len))

    def _settle(self, picture: Picture, markers: Markers) -> Corners:
        if not len(markers):
            return NO_CORNERS
        ids = (4 * markers.ids[:, None] + np.arange(4)).ravel()
        rough, plan = markers.corners.reshape(-1, 2), self._corners[ids]
        _, J = predict(plan, rough, np.ones(len(plan)), plan)
        cells = dictionary(self._family).markerSize + 2 * self._border
        clear = self._border / cells / self._unit
        found = refine(picture, rough, J * self._unit, self._shape[ids % 4], clear)
        off = np.linalg.norm(found.pixels - rough, axis=-1)
        good = (found.score > _CORNER_SCORE) & (off < 0.2 * np.linalg.norm(J, axis=1).min(axis=-1))
        if good.sum() < 6 or not self._confirmed(picture, ids[good], found.pixels[good]):
            return NO_CORNERS
        return Corners(ids[good].astype(np.int32), found.pixels[good], float(np.median(found.blur_px[good])))

    def _confirmed(self, picture: Picture, ids: NDArray[np.int32], pixels: Array) -> bool:
        """Whether most markers near those found are the board's: in a mirror, single ones are misread."""
        middles = self._corners.reshape(-1, 4, 2).mean(axis=1)
        near = np.linalg.norm(middles[:, None] - self._corners[ids], axis=-1).min(axis=1) < 2.0
        at, J = predict(self._corners[ids], pixels, np.ones(len(ids)), middles[near])
        reach = np.abs(J).sum(axis=-1) / 2
        inside = ((at > reach) & (at < np.array(picture.shape[::-1]) - 1 - reach)).all(axis=-1)
        numbers = np.flatnonzero(near)[inside]
        cells = np.stack([~self._printed(n) for n in numbers]).astype(np.uint8)
        like = likeness(picture, at[inside], J[inside], cells)
        return bool((like > LIKE).mean() >= 0.5)

    def _printed(self, number: int) -> NDArray[np.bool_]:
        """(B, B) the cells of a marker as it is printed, true where dark."""
        return self._marker_cells(number)

    def _marker_cells(self, number: int) -> NDArray[np.bool_]:
        border = self._border
        family = dictionary(self._family)
        side = family.markerSize + 2 * border
        return np.asarray(family.generateImageMarker(number, side, borderBits=border)) == 0


@dataclass(frozen=True)
class ArucoGrid(MarkerGrid):
    """ArUco markers on white, numbered row by row from the upper left as OpenCV's ``GridBoard`` does.

    Attributes:
        columns: markers in a row.
        rows: markers in a column.
        marker: side of a marker, metres.
        gap: between markers, metres.
        dictionary: canonical name of the dictionary.
    """

    columns: int
    rows: int
    marker: float
    gap: float
    dictionary: str

    @property
    def spec(self) -> str:
        return (
            f"aruco:{self.columns}x{self.rows}:{length_text(self.marker)}"
            f":gap={length_text(self.gap)}:dict={self.dictionary}"
        )

    @property
    def pattern(self) -> Pattern:
        pitch = self.marker + self.gap
        loops = [
            loop
            for number, (column, row) in enumerate(self._places)
            for loop in outlines(self._printed(number), column * pitch, row * pitch, self.marker)
        ]
        width, height = (n * pitch - self.gap for n in (self.columns, self.rows))
        return Pattern(width, height, tuple(loops), np.zeros(2))

    @property
    def _family(self) -> str:
        return self.dictionary

    @property
    def _border(self) -> int:
        return 1

    @property
    def _shape(self) -> Array:
        return outer(_INWARD[:, 0], _INWARD[:, 1])

    @property
    def _places(self) -> Array:
        y, x = np.mgrid[: self.rows, : self.columns]
        return np.stack([x.ravel(), y.ravel()], axis=-1).astype(np.float64)


@dataclass(frozen=True)
class AprilGrid(MarkerGrid):
    """Kalibr's AprilGrid: tag36h11 with black squares at the corners, numbered row by row from the lower
    left.

    The numbering, the border two cells wide and the way up of the tags are those of Kalibr's own prints, so
    that a board made by either serves the other. Because of the numbering point 0, the upper left corner of
    tag 0, lies at the lower left of the board, and most points have a negative y. Tags with a border of one
    cell are found as well.

    Attributes:
        columns: tags in a row.
        rows: tags in a column.
        marker: side of a tag with its black border, metres (Kalibr's ``tagSize``).
        gap: between tags, metres (``tagSize * tagSpacing``).
    """

    columns: int
    rows: int
    marker: float
    gap: float

    @property
    def spec(self) -> str:
        return f"aprilgrid:{self.columns}x{self.rows}:{length_text(self.marker)}:gap={length_text(self.gap)}"

    @property
    def pattern(self) -> Pattern:
        pitch = self.marker + self.gap
        loops = [
            square(column * pitch, row * pitch, self.gap)
            for row in range(self.rows + 1)
            for column in range(self.columns + 1)
        ]
        for number, (column, row) in enumerate(self._places):
            x, y = self.gap + column * pitch, self.gap + row * pitch
            loops += outlines(self._printed(number), x, y, self.marker)
        width, height = (n * pitch + self.gap for n in (self.columns, self.rows))
        origin = np.array([self.gap, self.gap + (self.rows - 1) * pitch])
        return Pattern(width, height, tuple(loops), origin)

    @property
    def _family(self) -> str:
        return "APRILTAG_36h11"

    @property
    def _border(self) -> int:
        return 2

    def _confirmed(self, picture: Picture, ids: NDArray[np.int32], pixels: Array) -> bool:
        return True  # tags are too far from one another to be misread

    def _printed(self, number: int) -> NDArray[np.bool_]:
        return np.rot90(self._marker_cells(number), 2)

    def _search(self, picture: Picture) -> Markers:
        return find_tags(picture, self._family, len(self._places), self._unit, self._shape)

    @property
    def _shape(self) -> Array:
        return saddle(-_INWARD[:, 0] * _INWARD[:, 1])

    @property
    def _places(self) -> Array:
        y, x = np.mgrid[: self.rows, : self.columns]
        return np.stack([x.ravel(), self.rows - 1 - y.ravel()], axis=-1).astype(np.float64)
