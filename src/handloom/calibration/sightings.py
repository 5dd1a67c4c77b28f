"""Which camera saw which corner of the board, when and where: all that a calibration is computed from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.calibration.boards.board import Board

Array = NDArray[np.float64]
Indices = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class View:
    """The board in one picture of one camera.

    Attributes:
        camera: number of the camera.
        moment: number of the moment.
        rows: the rows of the table that belong to it.
        ids: (N,) points of the board.
        pixels: (N, 2).
    """

    camera: int
    moment: int
    rows: slice
    ids: Indices
    pixels: Array


@dataclass(frozen=True, eq=False)
class Sightings:
    """Corners of a board seen by cameras: one row per corner, ordered by moment, camera and corner.

    A moment is an instant at which the board has one pose. Pictures that were taken for the lens of a single
    camera are moments that no other camera saw.

    Attributes:
        board: the board.
        cameras: names of the C cameras, in natural order whatever the order of the files.
        image_sizes: (C, 2) width and height, pixels.
        times_s: (T,) seconds of the moments on the recording's clock; NaN for pictures without a time.
        camera: (N,) number of the camera.
        moment: (N,) number of the moment.
        corner: (N,) number of the board's point.
        pixels: (N, 2).
        blur_px: (T, C) width of the edges in the picture of a moment; NaN where not seen or not measured.
    """

    board: Board
    cameras: tuple[str, ...]
    image_sizes: NDArray[np.int64]
    times_s: Array
    camera: Indices
    moment: Indices
    corner: Indices
    pixels: Array
    blur_px: Array

    @classmethod
    def build(
        cls,
        board: Board,
        cameras: tuple[str, ...],
        image_sizes: ArrayLike,
        times_s: ArrayLike,
        camera: ArrayLike,
        moment: ArrayLike,
        corner: ArrayLike,
        pixels: ArrayLike,
        blur_px: ArrayLike | None = None,
    ) -> Sightings:
        """Sightings of rows in any order; the cameras are put into the order of their names.

        Raises:
            ValueError: for rows that name a camera, moment or corner there is not, or come twice.
        """
        times = np.asarray(times_s, dtype=np.float64)
        order = sorted(range(len(cameras)), key=lambda i: natural_order(cameras[i]))
        rank = np.argsort(order)
        columns = [np.asarray(c, dtype=np.int32).ravel() for c in (camera, moment, corner)]
        xy = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
        for column, name, count in zip(
            columns,
            ("camera", "moment", "corner"),
            (len(cameras), len(times), len(board.points)),
            strict=True,
        ):
            if len(column) != len(xy):
                raise ValueError(f"{len(xy)} pixels but {len(column)} of {name}")
            if len(column) and (column.min() < 0 or column.max() >= count):
                raise ValueError(f"{name} numbers must be from 0 to {count - 1}")
        columns[0] = rank[columns[0]].astype(np.int32) if len(xy) else columns[0]
        sequence = np.lexsort((columns[2], columns[0], columns[1]))
        rows = np.stack(columns, axis=-1)[sequence]
        if (rows[1:] == rows[:-1]).all(axis=-1).any():
            raise ValueError("a corner is listed twice for one camera and moment")
        blur = np.full((len(times), len(cameras)), np.nan)
        if blur_px is not None:
            blur = np.asarray(blur_px, dtype=np.float64).reshape(len(times), len(cameras))[:, order]
        return cls(
            board=board,
            cameras=tuple(cameras[i] for i in order),
            image_sizes=np.asarray(image_sizes, dtype=np.int64).reshape(-1, 2)[order],
            times_s=times,
            camera=np.ascontiguousarray(rows[:, 0]),
            moment=np.ascontiguousarray(rows[:, 1]),
            corner=np.ascontiguousarray(rows[:, 2]),
            pixels=xy[sequence],
            blur_px=blur,
        )

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def object_points(self) -> Array:
        """(N, 3) the corners in the board's frame, metres."""
        return self.board.points[self.corner]

    @cached_property
    def views(self) -> tuple[View, ...]:
        """The board in every picture that shows it, by moment, then camera."""
        keys = self.moment.astype(np.int64) * len(self.cameras) + self.camera
        starts = np.flatnonzero(np.diff(keys, prepend=-1))
        ends = np.append(starts, len(keys))[1:]
        return tuple(
            View(int(self.camera[a]), int(self.moment[a]), slice(a, b), self.corner[a:b], self.pixels[a:b])
            for a, b in zip(starts.tolist(), ends.tolist(), strict=True)
        )

    def views_of(self, camera: int) -> Iterator[View]:
        """The board in the pictures of one camera."""
        return (view for view in self.views if view.camera == camera)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(T, C) how many corners a camera saw at a moment."""
        counts = np.zeros((len(self.times_s), len(self.cameras)), dtype=np.int64)
        np.add.at(counts, (self.moment, self.camera), 1)
        return counts

    def where(self, rows: ArrayLike) -> Sightings:
        """Those rows alone, by mask or number; cameras, moments and their numbers stay.

        Args:
            rows: (N,) mask or row numbers in rising order.
        """
        rows = np.asarray(rows)
        return replace(
            self,
            camera=self.camera[rows],
            moment=self.moment[rows],
            corner=self.corner[rows],
            pixels=self.pixels[rows],
        )

    def at_moments(self, moments: ArrayLike) -> Sightings:
        """The rows of some moments; the numbers of moments stay."""
        return self.where(np.isin(self.moment, np.asarray(moments)))

    def unpaired(self) -> Sightings:
        """Every view a moment of its own, as if no two pictures had been taken together."""
        sizes = [len(view.ids) for view in self.views]
        moments = np.array([view.moment for view in self.views], dtype=np.int64)
        cameras = np.array([view.camera for view in self.views], dtype=np.int64)
        blur = np.full((len(sizes), len(self.cameras)), np.nan)
        blur[np.arange(len(sizes)), cameras] = self.blur_px[moments, cameras]
        return replace(
            self,
            times_s=self.times_s[moments],
            moment=np.repeat(np.arange(len(sizes), dtype=np.int32), sizes),
            blur_px=blur,
        )

    def of_camera(self, camera: int) -> Sightings:
        """The rows of one camera; the numbers of cameras stay."""
        return self.where(self.camera == camera)


def natural_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sorting key by which ``cam2`` comes before ``cam10``."""
    parts = re.split(r"(\d+)", name.lower())
    return (*((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts), (0, 0, name))
