"""Cameras and points in space from all keypoints at once, every joint with the noise it turns out to have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.adjustment.bundle import BundleOptions, adjust_points
from handloom.calibration.selfcalibration.tracks import KeypointTracks
from handloom.cameras import Camera
from handloom.errors import CalibrationError
from handloom.reconstruction import triangulate

Array = NDArray[np.float64]

MOST_POINTS = 24_000
"""Points in space that take part: of longer recordings, frames evenly chosen."""

ROUNDS = 3
"""Times the noise of the joints is estimated."""

LEAST_SAMPLES = 30
"""Keypoints from which the noise of a joint is estimated."""

_MEDIAN_LENGTH = 1.1774


@dataclass(frozen=True, eq=False)
class Adjustment:
    """Cameras and points that explain the keypoints.

    Attributes:
        poses: (C, 4, 4) from the first camera's frame; the mean distance of the others from it is one.
        points: (T, J, 3) in that frame; NaN where fewer than two cameras see a joint.
        residuals: (C, T, J, 2) seen minus projected, pixels.
        used: (C, T, J) keypoints that are no outliers and belong to a point.
        noise_px: (C, T, J) standard deviation of every keypoint as estimated from the residuals.
    """

    poses: Array
    points: Array
    residuals: Array
    used: NDArray[np.bool_]
    noise_px: Array


def adjust(tracks: KeypointTracks, cameras: Sequence[Camera], poses: Array) -> Adjustment:
    """Bundle adjustment with free points over the whole recording.

    The noise of every joint is estimated from its residuals (variance components, as in photogrammetry): a
    network is less sure of a hip than of a wrist, and the rig should not lean on hips.

    Args:
        tracks: what was seen, on one clock.
        cameras: (C) with their lenses; their poses are ignored.
        poses: (C, 4, 4) to start from.

    Raises:
        CalibrationError: if too few points are seen by two cameras.
    """
    rays = tracks.rays(cameras)
    focal = np.array([np.sqrt(camera.K[0, 0] * camera.K[1, 1]) for camera in cameras])
    noise = tracks.sigma_px()
    shared = (np.isfinite(rays[..., 0]).sum(axis=0) >= 2).sum(axis=1)
    frames = np.flatnonzero(shared)
    every = max(1, -(-int(shared.sum()) // MOST_POINTS))
    chosen = frames[::every]
    posed = _posed(cameras, poses)
    for _ in range(ROUNDS):
        start = triangulate(rays[:, chosen], _poses(posed), noise[:, chosen] / focal[:, None, None]).points
        c, t, j = np.nonzero(np.isfinite(rays[:, chosen][..., 0]) & np.isfinite(start[None, ..., 0]))
        if len(c) < 100:
            raise CalibrationError(
                f"Only {len(c)} keypoints belong to points that two cameras see: too few to adjust a rig to.",
                "Record somebody who moves where at least two cameras see them.",
            )
        result = adjust_points(
            posed,
            c,
            t * start.shape[1] + j,
            tracks.xy[:, chosen][c, t, j],
            start.reshape(-1, 3),
            BundleOptions(),
            noise[:, chosen][c, t, j],
        )
        posed = _normalised([camera for camera in result.cameras if camera is not None])
        noise = noise * _relative_noise(result.residuals, noise[:, chosen][c, t, j], j, tracks.xy.shape[2])
    return described(tracks, posed, noise)


def described(tracks: KeypointTracks, cameras: Sequence[Camera], noise_px: Array) -> Adjustment:
    """All frames as posed cameras see them: points, residuals and outliers."""
    rays = tracks.rays(cameras)
    focal = np.array([np.sqrt(camera.K[0, 0] * camera.K[1, 1]) for camera in cameras])
    fit = triangulate(rays, _poses(cameras), noise_px / focal[:, None, None], outlier_sigmas=4.0)
    projected = np.stack([camera.project(fit.points) for camera in cameras])
    residuals = np.where(np.isfinite(rays), tracks.xy - projected, np.nan)
    with np.errstate(invalid="ignore"):
        near = np.linalg.norm(residuals, axis=-1) <= 4.0 * noise_px
    used = fit.inliers & near & np.isfinite(fit.points[..., 0])
    return Adjustment(_poses(cameras), fit.points, residuals, used, noise_px)


def _relative_noise(residuals: Array, noise: Array, joint: NDArray[np.int64], joints: int) -> Array:
    """(J,) robust spread of every joint's residuals in units of the noise it was given."""
    length = np.hypot(*residuals.T) / noise
    usual = float(np.nanmedian(length))
    spread = np.full(joints, usual)
    for number in range(joints):
        own = length[(joint == number) & np.isfinite(length)]
        if len(own) >= LEAST_SAMPLES:
            spread[number] = np.median(own)
    # No joint may pull the rig over to itself.
    return np.asarray(np.clip(spread, usual / 3, usual * 3) / _MEDIAN_LENGTH)


def _posed(cameras: Sequence[Camera], poses: Array) -> list[Camera]:
    return [replace(camera, T_camera_world=T) for camera, T in zip(cameras, poses, strict=True)]


def _poses(cameras: Sequence[Camera]) -> Array:
    return np.stack([camera.T_camera_world for camera in cameras])


def _normalised(cameras: Sequence[Camera]) -> list[Camera]:
    poses = _poses(cameras) @ np.linalg.inv(cameras[0].T_camera_world)
    poses[0] = np.eye(4)
    poses[:, :3, 3] /= np.linalg.norm(poses[1:, :3, 3], axis=1).mean()
    return _posed(cameras, poses)
