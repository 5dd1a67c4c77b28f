"""Do these views see the same hand? Agreement of readings across views, relative to their size.

Distances are given as a fraction of the region's side, so that one tolerance serves a hand that fills the
picture and one far away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import CameraRig
from handloom.detection import Reading
from handloom.reconstruction.triangulation import triangulate
from handloom.skeleton import Skeleton

Array = NDArray[np.float64]

TOLERANCE = 0.05
"""Median distance, in region sides, up to which views agree: several times a landmark network's noise."""

OPPOSITE_SIDES = 0.02
"""Cost, in region sides, of pairing a confident left hand with a confident right one."""

SIZES_M = {"hand": (0.04, 0.16), "body": (0.2, 0.9)}
"""Plausible wrist–middle-knuckle and shoulder–hip distances."""

SPANS = {"hand": ("wrist", "middle_mcp"), "body": ("left_shoulder", "left_hip")}


@dataclass(frozen=True, eq=False)
class Agreement:
    """What several readings say together.

    Attributes:
        points: (J, 3) triangulated joints; NaN where they could not be.
        distance: view → median distance of its reading to the reprojected points, in region sides.
    """

    points: Array
    distance: dict[int, float]

    @property
    def worst(self) -> float:
        """The largest distance of any view; infinite without a single triangulated joint."""
        return max(self.distance.values(), default=np.inf)


class Judge:
    """Compares readings of one kind of thing over the views of a rig.

    Args:
        rig: the cameras; ``views`` index into it.
        skeleton: the joints of a reading.
        noise: standard deviation of a keypoint in region sides.
    """

    def __init__(self, rig: CameraRig, skeleton: Skeleton, noise: float) -> None:
        self._rig = rig
        self._skeleton = skeleton
        self._noise = noise
        self._focal = np.array([np.sqrt(camera.K[0, 0] * camera.K[1, 1]) for camera in rig])
        self._poses = np.stack([camera.T_camera_world for camera in rig])
        self._span = [skeleton.index(joint) for joint in SPANS[skeleton.name]]

    def __call__(self, readings: Mapping[int, Reading]) -> Agreement:
        """Triangulate readings of at least two views robustly and compare each with the result."""
        views = list(readings)
        xy = np.stack([self._rig[view].undistort(readings[view].xy) for view in views])
        sizes = np.array([readings[view].region.size for view in views])
        confidence = np.stack([readings[view].confidence for view in views])
        sigma = (self._noise * sizes / self._focal[views])[:, None] / np.clip(confidence, 0.1, 1.0)
        result = triangulate(xy, self._poses[views], sigma)
        offsets = result.residual * self._focal[views][:, None] / sizes[:, None]
        distance = {}
        for row, view in enumerate(views):
            known = np.isfinite(offsets[row])
            distance[view] = float(np.median(offsets[row][known])) if known.any() else np.inf
        return Agreement(result.points, distance)

    def to_prediction(self, reading: Reading, predicted: Array) -> float:
        """Median distance of a reading to predicted (J, 2) pixels, in region sides."""
        offsets = np.linalg.norm(reading.xy - predicted, axis=1)
        known = np.isfinite(offsets)
        return float(np.median(offsets[known])) / reading.region.size if known.any() else np.inf

    def plausible(self, points: Array) -> bool:
        """Whether (J, 3) points have the size of what they should be; always, if the rig is not metric."""
        if self._rig.unit != "m":
            return True
        low, high = SIZES_M[self._skeleton.name]
        span = np.linalg.norm(points[self._span[0]] - points[self._span[1]])
        return bool(low <= span <= high)


def side_conflict(a: float, b: float) -> float:
    """Cost of two right-hand probabilities contradicting each other, in region sides."""
    return OPPOSITE_SIDES * max(0.0, abs(a - b) - 0.5) * 2
