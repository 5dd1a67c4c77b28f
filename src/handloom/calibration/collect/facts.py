"""What is known of recordings besides the corners: what a diagnosis needs to tell why there are so few."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.sightings import Sightings

Image = NDArray[np.uint8]
_EXAMPLES = 4


@dataclass(frozen=True, eq=False)
class CameraFacts:
    """What was noticed about the recordings of one camera.

    Attributes:
        name: of the camera.
        places: files and folders of its recordings, those for the lens alone last.
        image_size: (width, height) of its pictures.
        fps: mean rate of its video; None for pictures.
        frame_count: pictures in its video (an estimate where the end was not reached), or picture files.
        searched: pictures in which the board was looked for.
        found: pictures in which it was found.
        dropped: pictures missing from its video, as the gaps between timestamps tell.
        damage: what could not be read, a sentence each.
        other_sizes: how many of its pictures were passed over because they have another size, by size.
        examples: up to four pictures, spread over the recording, in which nothing was found; only where that
            was so in nine of ten or more.
    """

    name: str
    places: tuple[str, ...]
    image_size: tuple[int, int]
    fps: float | None
    frame_count: int | None
    searched: int
    found: int
    dropped: int = 0
    damage: tuple[str, ...] = ()
    other_sizes: dict[tuple[int, int], int] = field(default_factory=dict)
    examples: tuple[Image, ...] = ()


@dataclass(frozen=True, eq=False)
class Facts:
    """What was noticed about all recordings.

    Attributes:
        cameras: one per camera of the sightings, in their order.
        fps: ticks a second of the clock on which the videos were paired; None without videos.
        ticks: length of that clock; 0 without videos.
        ticks_searched: how many of the ticks were searched.
        notes: how folders were read and what was left out.
    """

    cameras: tuple[CameraFacts, ...]
    fps: float | None = None
    ticks: int = 0
    ticks_searched: int = 0
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> CameraFacts:
        return next(camera for camera in self.cameras if camera.name == name)


@dataclass(frozen=True, eq=False)
class Collected:
    """Sightings of a board, and what was noticed on the way."""

    sightings: Sightings
    facts: Facts


class Examples:
    """A few of many pictures, spread evenly however many come; the same ones every time."""

    def __init__(self) -> None:
        self._kept: list[Image] = []
        self._count = 0
        self._every = 1

    def offer(self, image: Image) -> None:
        """Look at the next picture."""
        if self._count % self._every == 0:
            self._kept.append(image)
            if len(self._kept) > _EXAMPLES:
                self._kept = self._kept[::2]
                self._every *= 2
        self._count += 1

    @property
    def kept(self) -> tuple[Image, ...]:
        """At most four of the pictures offered."""
        return tuple(self._kept)
