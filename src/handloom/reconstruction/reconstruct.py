"""2D observations of one track in, smooth 3D keypoints with covariance out, stretch by stretch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import CameraRig
from handloom.keypoints import Keypoints3D
from handloom.reconstruction.anatomy import anatomy_of
from handloom.reconstruction.bones import BoneLengths, BoneSampler
from handloom.reconstruction.trajectory import Evidence, MotionModel, Workspace, smooth
from handloom.reconstruction.triangulation import Triangulation, triangulate
from handloom.skeleton import Skeleton

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_CONFIDENCE = 0.2
"""Observations less certain than this are kept in the tables but not triangulated."""

MARGIN_S = 1.0
"""Frames this far outside a window still steady its ends; the smoother forgets much faster."""


@dataclass(frozen=True)
class ReconstructionOptions:
    """How 3D keypoints are made from 2D ones.

    Attributes:
        smooth: solve for the most probable motion; otherwise every frame is triangulated for itself.
        fill_s: gaps up to this long are filled; longer ones stay missing.
    """

    smooth: bool = True
    fill_s: float = 0.25


@dataclass(frozen=True, eq=False)
class Sightings:
    """What all views saw of one track in consecutive frames.

    Attributes:
        xy: (C, T, J, 2) pixels, NaN where missing.
        confidence: (C, T, J) in [0, 1].
        sigma_px: (C, T) standard deviation of a keypoint, NaN where missing.
    """

    xy: Array
    confidence: Array
    sigma_px: Array

    def frames(self, start: int, stop: int) -> Sightings:
        """The same for a range of frames."""
        return Sightings(self.xy[:, start:stop], self.confidence[:, start:stop], self.sigma_px[:, start:stop])


@dataclass(frozen=True, eq=False)
class Solution:
    """3D keypoints and the observations they rest on.

    Attributes:
        keypoints: (T, J) points.
        used: (C, T, J) observations that went into them.
    """

    keypoints: Keypoints3D
    used: Mask

    @classmethod
    def concatenated(cls, parts: Sequence[Solution]) -> Solution:
        """Consecutive stretches in a row."""
        points = [part.keypoints for part in parts]
        keypoints = Keypoints3D(
            points[0].skeleton,
            np.concatenate([p.xyz for p in points]),
            np.concatenate([p.covariance for p in points]),
            np.concatenate([p.views_used for p in points]),
            np.concatenate([p.reprojection_px for p in points]),
            points[0].unit,
        )
        return cls(keypoints, np.concatenate([part.used for part in parts], axis=1))


class Reconstructor:
    """Turns sightings of one track into 3D keypoints.

    Two passes over a recording: :meth:`learn` sees every stretch once, then :meth:`solve` is called for each.

    Args:
        rig: one camera per view.
        skeleton: the track's joints.
        fps: frames per second of the common timeline.
        options: see :class:`ReconstructionOptions`.
    """

    def __init__(
        self, rig: CameraRig, skeleton: Skeleton, fps: float, options: ReconstructionOptions | None = None
    ) -> None:
        self.rig = rig
        self.skeleton = skeleton
        self._options = options or ReconstructionOptions()
        self._fps = fps
        self._anatomy = anatomy_of(skeleton)
        self._sampler = BoneSampler(self._anatomy)
        self._workspace = Workspace()
        self._poses = np.stack([camera.T_camera_world for camera in rig])
        self._focal = np.array([np.sqrt(camera.K[0, 0] * camera.K[1, 1]) for camera in rig])
        self._longest_gap = round(self._options.fill_s * fps)

    @property
    def margin(self) -> int:
        """Frames to add on either side of a window for :meth:`solve`."""
        return max(round(MARGIN_S * self._fps), self._longest_gap + 2) if self._options.smooth else 0

    def learn(self, sightings: Sightings) -> None:
        """Take bone lengths from a stretch of the recording."""
        _, _, raw = self.triangulate(sightings)
        self._sampler.add(raw.points, raw.covariance)

    def bones(self) -> BoneLengths:
        """The bone lengths learned so far."""
        return self._sampler.estimate(metric=self.rig.unit == "m")

    def solve(self, sightings: Sightings) -> Solution:
        """3D keypoints of a stretch of frames.

        A joint that fewer than two views see is missing, unless it is missing so briefly that motion before
        and after fill the gap; then ``views_used`` says 0 and the covariance grows with the distance to
        either end.
        """
        rays, sigma, raw = self.triangulate(sightings)
        points, covariance = raw.points, raw.covariance
        if self._options.smooth:
            points, covariance = self._smooth(rays, sigma, raw)
        return self.solution(points, sightings, raw, covariance)

    def solution(
        self, points: Array, sightings: Sightings, raw: Triangulation, covariance: Array | None = None
    ) -> Solution:
        """Wrap up (T, J, 3) points with what they rest on; by default with the triangulation's covariance."""
        used = raw.inliers & np.isfinite(raw.points[..., 0])
        keypoints = Keypoints3D(
            self.skeleton,
            points,
            raw.covariance if covariance is None else covariance,
            used.sum(axis=0),
            self._reprojection_px(points, sightings.xy, used),
            self.rig.unit,
        )
        return Solution(keypoints, used)

    def motion_model(self) -> MotionModel:
        """What the solver may assume about this subject."""
        bones = self.bones()
        joints = len(self.skeleton)
        acceleration = self._anatomy.acceleration_mps2 / self._fps**2 / bones.unit_m
        return MotionModel(
            pairs=self._anatomy.pairs,
            lengths=bones.lengths,
            length_sigma=bones.lengths * self._anatomy.stiffness,
            acceleration=np.full(joints, acceleration),
            chains=self._anatomy.chains,
        )

    def triangulate(self, sightings: Sightings) -> tuple[Array, Array, Triangulation]:
        """Undistorted rays (C, T, J, 2), their standard deviations (C, T, J), the points of each frame."""
        rays = np.stack([c.undistort(xy) for c, xy in zip(self.rig, sightings.xy, strict=True)])
        certain = np.where(sightings.confidence >= LEAST_CONFIDENCE, sightings.confidence, np.nan)
        sigma = sightings.sigma_px[..., None] / self._focal[:, None, None] / certain
        return rays, sigma, triangulate(rays, self._poses, sigma)

    def _smooth(self, rays: Array, sigma: Array, raw: Triangulation) -> tuple[Array, Array]:
        model = self.motion_model()
        # What one view alone sees is no point, but it steadies the filling of a gap.
        seen = np.isfinite(rays).all(axis=-1)
        use = np.where(seen.sum(axis=0) == 1, seen, raw.inliers & np.isfinite(raw.points[..., 0]))
        evidence = Evidence.of(self.rig, rays, sigma, use)
        points = np.full_like(raw.points, np.nan)
        covariance = np.full_like(raw.covariance, np.nan)
        for start, stop in _stretches(
            np.asarray(np.isfinite(raw.points[..., 0]).any(axis=1)), self._longest_gap
        ):
            initial, spread, known = _bridge(
                raw.points[start:stop], raw.covariance[start:stop], self._longest_gap, model.acceleration
            )
            solved = smooth(initial, evidence.frames(start, stop), model, workspace=self._workspace)
            points[start:stop] = np.where(known[..., None], solved, np.nan)
            covariance[start:stop] = np.where(known[..., None, None], spread, np.nan)
        return points, covariance

    def _reprojection_px(self, points: Array, xy: Array, used: Mask) -> Array:
        square = ((self.rig.project(points) - xy) ** 2).sum(axis=-1)
        counted = used & np.isfinite(square)
        total = np.where(counted, square, 0.0).sum(axis=0)
        count = counted.sum(axis=0)
        return np.sqrt(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def _stretches(present: Mask, longest_gap: int) -> list[tuple[int, int]]:
    """Ranges of frames in which no gap is longer than ``longest_gap``."""
    frames = np.flatnonzero(present)
    if not len(frames):
        return []
    breaks = np.flatnonzero(np.diff(frames) > longest_gap + 1)
    starts = frames[np.concatenate([[0], breaks + 1])]
    stops = frames[np.concatenate([breaks, [len(frames) - 1]])] + 1
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def _bridge(
    points: Array, covariance: Array, longest_gap: int, acceleration: Array
) -> tuple[Array, Array, Mask]:
    """Interpolate what is missing between frames.

    Args:
        points: (T, J, 3); NaN where missing.
        covariance: (T, J, 3, 3).
        longest_gap: frames a gap may have to count as known.
        acceleration: (J,) standard deviation of second differences.

    Returns:
        Finite (T, J, 3) points, their covariance, and (T, J) whether they are seen or in a gap short enough.
    """
    filled, spread = points.copy(), covariance.copy()
    known = np.isfinite(points[..., 0])
    centre = np.nanmean(points.reshape(-1, 3), axis=0)
    for joint in range(points.shape[1]):
        seen = np.flatnonzero(known[:, joint])
        missing = np.flatnonzero(~known[:, joint])
        if not len(missing):
            continue
        if not len(seen):
            filled[:, joint], spread[:, joint] = centre, np.nan
            continue
        for axis in range(3):
            filled[missing, joint, axis] = np.interp(missing, seen, points[seen, joint, axis])
        after = np.searchsorted(seen, missing)
        inside = (after > 0) & (after < len(seen))
        before, after = seen[np.maximum(after - 1, 0)], seen[np.minimum(after, len(seen) - 1)]
        short = inside & (after - before - 1 <= longest_gap)
        known[missing[short], joint] = True
        # A free motion between two known points strays furthest, and by this much, in the middle.
        stray = acceleration[joint] * (missing - before) * (after - missing) / 2
        share = ((missing - before) / np.maximum(after - before, 1))[:, None, None]
        ends = (1 - share) * covariance[before, joint] + share * covariance[after, joint]
        spread[missing, joint] = ends + stray[:, None, None] ** 2 * np.eye(3)
    return filled, spread, known
