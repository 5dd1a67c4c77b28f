"""What is gathered while recordings are searched, and the sightings it makes in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from handloom.calibration.boards.board import Board, Corners
from handloom.calibration.collect.facts import CameraFacts, Collected, Examples, Facts
from handloom.calibration.collect.film import WatchedVideo
from handloom.calibration.collect.search import Searched
from handloom.calibration.sightings import Sightings
from handloom.errors import CalibrationError

Size = tuple[int, int]

_FEW = 0.1  # of the pictures show the board: then some that do not are kept for the diagnosis


@dataclass
class CameraLog:
    """What is gathered about a camera while the search runs."""

    places: list[str] = field(default_factory=list)
    videos: list[WatchedVideo] = field(default_factory=list)
    pictures: int = 0
    searched: int = 0
    found: int = 0
    size: Size | None = None
    sizes: Counter[Size] = field(default_factory=Counter)
    damage: list[str] = field(default_factory=list)
    examples: Examples = field(default_factory=Examples)


@dataclass(eq=False)
class Moment:
    """What each camera saw at a moment, and in a picture of which size."""

    time_s: float
    views: dict[int, tuple[Corners, Size]] = field(default_factory=dict)


class Gathering:
    """Collects moments and what is worth knowing about each camera.

    Args:
        names: of the cameras, in natural order.

    Attributes:
        logs: one per camera.
        moments: all moments so far.
        clock: ticks a second of the common clock of the videos, its length, and how many were searched.
        notes: decisions worth telling.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.logs = [CameraLog() for _ in names]
        self.moments: list[Moment] = []
        self.clock: tuple[float | None, int, int] = (None, 0, 0)
        self.notes: list[str] = []
        self._names = list(names)

    def take(self, entry: Searched, camera: int) -> tuple[Corners, Size] | None:
        """Take a note of a picture that was searched; returns its view of the board, if it has one."""
        log = self.logs[camera]
        if entry.image is None:
            log.damage.append(entry.damage)
            return None
        size = (entry.image.shape[1], entry.image.shape[0])
        log.searched += 1
        log.sizes[size] += 1
        if not len(entry.corners):
            log.examples.offer(entry.image)
            return None
        log.found += 1
        return entry.corners, size

    def settle_sizes(self) -> None:
        """Take the size of the pictures so far for the camera's; those for its lens may have another."""
        for log in self.logs:
            if log.videos:
                log.size = log.videos[0].image_size
            elif log.sizes:
                log.size = max(log.sizes, key=lambda size: (log.sizes[size], size))

    def result(self, board: Board) -> Collected:
        """Sightings and facts of everything that was searched.

        Raises:
            CalibrationError: if not one picture of a camera could be read.
        """
        sizes = [self._size(number) for number in range(len(self._names))]
        rows: list[tuple[int, int, Corners]] = []
        times: list[float] = []
        for moment in self.moments:
            views = [(c, corners) for c, (corners, size) in moment.views.items() if size == sizes[c]]
            rows += [(camera, len(times), corners) for camera, corners in views]
            if views:
                times.append(moment.time_s)
        blur = np.full((len(times), len(self._names)), np.nan)
        for camera, number, corners in rows:
            blur[number, camera] = corners.blur_px
        lengths = [len(corners) for _, _, corners in rows]
        sightings = Sightings.build(
            board,
            tuple(self._names),
            np.array(sizes),
            np.array(times),
            np.repeat([camera for camera, _, _ in rows], lengths),
            np.repeat([number for _, number, _ in rows], lengths),
            np.concatenate([np.zeros(0, np.int32), *(corners.ids for _, _, corners in rows)]),
            np.concatenate([np.zeros((0, 2)), *(corners.pixels for _, _, corners in rows)]),
            blur,
        )
        facts = tuple(self._facts(number, size) for number, size in enumerate(sizes))
        fps, ticks, searched = self.clock
        return Collected(sightings, Facts(facts, fps, ticks, searched, tuple(self.notes)))

    def _size(self, number: int) -> tuple[int, int]:
        log = self.logs[number]
        if log.size is None and log.sizes:
            log.size = max(log.sizes, key=lambda size: (log.sizes[size], size))
        if log.size is None:
            raise CalibrationError(
                f"None of the pictures of camera {self._names[number]} can be read: {log.damage[0]}",
                "Record or copy them again.",
            )
        return log.size

    def _facts(self, number: int, size: tuple[int, int]) -> CameraFacts:
        log = self.logs[number]
        own = log.videos[0] if log.videos else None
        return CameraFacts(
            name=self._names[number],
            places=tuple(log.places),
            image_size=size,
            fps=own.fps if own else None,
            frame_count=own.count if own else log.pictures,
            searched=log.searched,
            found=log.found,
            dropped=own.dropped if own else 0,
            damage=tuple(log.damage),
            other_sizes={other: count for other, count in sorted(log.sizes.items()) if other != size},
            examples=log.examples.kept if log.found < _FEW * log.searched or not log.found else (),
        )
