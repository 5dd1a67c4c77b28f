"""What the rest of handloom asks of a 2D detector.

A detector works top-down: it *finds* regions in a whole picture, and *reads* keypoints inside a region.
Finding is costly and needed only for something new; reading is what happens in every frame, in a region that
comes from the last frame or from the projected 3D prediction. A bottom-up detector joins by returning from
``find`` one region per instance and by reading the instance nearest to the region it is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from handloom.detection.regions import Region
from handloom.skeleton import Skeleton

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reading:
    """The keypoints read in one region of one picture.

    Attributes:
        xy: (J, 2) pixels of the picture.
        confidence: (J,) in [0, 1].
        presence: probability in [0, 1] that the region holds what was looked for.
        right: probability in [0, 1] that it is the person's right one; 0.5 where sides mean nothing.
        region: where it was read.
        world: (J, 3) the network's own guess of the joints in space, metres around a point inside the hand,
            in the axes of a camera that looks straight at the region (+X right, +Y down, +Z forward); None
            where the network makes none. Its size is an average hand's and says nothing of this one.
        features: (F,) float32 what the network read all this from; None where it was not asked for.
    """

    xy: Array
    confidence: Array
    presence: float
    right: float
    region: Region
    world: Array | None = None
    features: NDArray[np.float32] | None = None


class Detector(Protocol):
    """Finds and reads one kind of thing. Not shared between threads: each worker makes its own."""

    skeleton: Skeleton
    presence_threshold: float
    noise: float
    """Standard deviation of a keypoint as a fraction of the region's side."""

    def find(self, image: NDArray[np.uint8]) -> list[Region]:
        """Search a whole (height, width, 3) RGB picture; regions to read, most certain first."""

    def read(self, image: NDArray[np.uint8], region: Region) -> Reading:
        """Read the keypoints inside a region of a (height, width, 3) RGB picture."""

    def region_of(self, xy: Array) -> Region:
        """The region to read next time for a thing whose keypoints are at (J, 2) pixels, all finite."""
