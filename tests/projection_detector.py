"""A detector that knows the truth: it reads projections of a synthetic scene, with the faults asked for.

Pictures carry only the number of their view and of their frame; everything else the detector looks up. So
trackers run as they are, on errors chosen by the test, and the scene can be as long as wanted.

>>> stage = Stage(arc_rig(), (Actor(hand_motion(times_s), "right"),))
>>> pool = DetectorPool(stage.detector, workers=1)
>>> Tracker(pool, stage.rig, 3, 1).step(stage.pictures(0))
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import CameraRig
from handloom.detection import Reading, Region
from handloom.skeleton import HAND, Skeleton

Array = NDArray[np.float64]
Image = NDArray[np.uint8]
Spans = dict[int, range]
"""View → frames in which something is the matter there."""

SURE = 0.95


@dataclass(frozen=True, eq=False)
class Actor:
    """One hand or body of a scene.

    Attributes:
        truth: (T, J, 3) world positions.
        side: ``"left"``, ``"right"`` or ``"none"``.
        hidden: where and when it cannot be seen.
        mirrored: where and when its left and right joints are read the wrong way round.
    """

    truth: Array
    side: str
    hidden: Spans = field(default_factory=dict)
    mirrored: Spans = field(default_factory=dict)


@dataclass(eq=False)
class Stage:
    """Cameras, actors, and what the detector gets wrong.

    Attributes:
        rig: the cameras.
        actors: who is there.
        skeleton: the joints of every actor.
        noise_px: standard deviation of a keypoint.
        mislabelled: share of readings whose handedness is wrong.
        displaced: view → frames in which it shows everything 40 % of a region's side away.
        finds, reads: how often each view was searched and read.
    """

    rig: CameraRig
    actors: tuple[Actor, ...]
    skeleton: Skeleton = HAND
    noise_px: float = 1.0
    mislabelled: float = 0.0
    displaced: Spans = field(default_factory=dict)
    finds: Counter[int] = field(default_factory=Counter)
    reads: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        truth = np.stack([actor.truth for actor in self.actors])
        self.xy = self.rig.project(truth)
        """(C, A, T, J, 2) where everything is in the pictures."""

    def picture(self, view: int, frame: int) -> Image:
        """A picture that names itself."""
        width, height = self.rig[view].image_size or (0, 0)
        image = np.zeros((height, width, 3), np.uint8)
        image[0, 0] = (view, frame >> 8, frame & 255)
        return image

    def pictures(self, frame: int) -> list[Image | None]:
        """One per view."""
        return [self.picture(view, frame) for view in range(len(self.rig))]

    def detector(self) -> ProjectionDetector:
        """What a pool makes for each worker."""
        return ProjectionDetector(self)

    def nearest(self, view: int, frame: int, xy: Array) -> int:
        """Number of the actor whose projection is nearest to (J, 2) pixels."""
        return int(np.argmin(np.linalg.norm(self.xy[view, :, frame] - xy, axis=-1).mean(axis=-1)))


class ProjectionDetector:
    """Reads the noisy projection of the actor nearest to a region; deterministic, whatever the order."""

    presence_threshold = 0.5
    noise = 0.012

    def __init__(self, stage: Stage) -> None:
        self.skeleton = stage.skeleton
        self._stage = stage

    def find(self, image: Image) -> list[Region]:
        """Regions of everything visible."""
        view, frame = _name(image)
        self._stage.finds[view] += 1
        return [self.region_of(xy) for _, xy in self._visible(view, frame)]

    def read(self, image: Image, region: Region) -> Reading:
        """The nearest visible actor, with low presence where it is not inside of the region."""
        view, frame = _name(image)
        self._stage.reads[view] += 1
        candidates = [(self._apart(region, xy), number, xy) for number, xy in self._visible(view, frame)]
        apart, number, xy = min(candidates, default=(np.inf, -1, np.zeros((len(self.skeleton), 2))))
        if apart > 0.5:
            joints = len(self.skeleton)
            nothing = np.random.default_rng([7, view, frame]).normal(0, region.size / 6, (joints, 2))
            return Reading(nothing + np.array([region.x, region.y]), np.full(joints, 0.05), 0.05, 0.5, region)
        random = np.random.default_rng([view, frame, number])
        noisy = xy + random.normal(0.0, self._stage.noise_px, xy.shape)
        return Reading(noisy, np.full(len(xy), SURE), SURE, self._right(number, random), region)

    def region_of(self, xy: Array) -> Region:
        """A square half as large again as the box around the joints."""
        low, high = xy.min(axis=0), xy.max(axis=0)
        x, y = (low + high) / 2
        return Region(float(x), float(y), 1.5 * float((high - low).max()))

    def _visible(self, view: int, frame: int) -> list[tuple[int, Array]]:
        seen = []
        for number, actor in enumerate(self._stage.actors):
            xy = self._stage.xy[view, number, frame]
            if frame in actor.hidden.get(view, ()) or not np.isfinite(xy).all():
                continue
            if frame in actor.mirrored.get(view, ()):
                xy = xy[list(self.skeleton.mirror)]
            if frame in self._stage.displaced.get(view, ()):
                xy = xy + 0.4 * self.region_of(xy).size
            seen.append((number, xy))
        return seen

    def _apart(self, region: Region, xy: Array) -> float:
        centre = self.region_of(xy)
        return float(np.hypot(centre.x - region.x, centre.y - region.y)) / region.size

    def _right(self, number: int, random: np.random.Generator) -> float:
        side = self._stage.actors[number].side
        if side == "none":
            return 0.5
        wrong = random.random() < self._stage.mislabelled
        return SURE if (side == "right") != wrong else 1 - SURE


def _name(image: Image) -> tuple[int, int]:
    view, high, low = (int(value) for value in image[0, 0])
    return view, high << 8 | low
