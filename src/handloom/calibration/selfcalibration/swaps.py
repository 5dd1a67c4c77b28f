"""Left and right taken for each other in a picture: told by what the other cameras see, and put right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.selfcalibration.tracks import KeypointTracks
from handloom.cameras import Camera
from handloom.reconstruction import triangulate

Array = NDArray[np.float64]

GAIN = 0.5
"""Swapped, the keypoints must come at least this much closer to what the other cameras see."""

LEAST_JOINTS = 6
"""Joints that two cameras must see in a frame for it to be judged."""


def righted(
    tracks: KeypointTracks, cameras: Sequence[Camera], poses: Array
) -> tuple[KeypointTracks, NDArray[np.int64]]:
    """Tracks with left and right of every picture as the other cameras have it.

    Where two cameras disagree it cannot be said which is wrong, nor does it matter: one is made to agree.

    Args:
        tracks: what was seen, on one clock.
        cameras: (C) with their lenses.
        poses: (C, 4, 4) into every camera's frame.

    Returns:
        The tracks, and (C,) in how many pictures a subject was swapped.
    """
    counts = np.zeros(len(cameras), dtype=np.int64)
    focal = np.array([np.sqrt(camera.K[0, 0] * camera.K[1, 1]) for camera in cameras])
    for joints, counterparts in tracks.swaps:
        for _ in cameras:
            rays = tracks.rays(cameras)[:, :, joints]
            sigma = tracks.sigma_px()[:, :, joints] / focal[:, None, None]
            swapped = rays[:, :, np.searchsorted(joints, counterparts)]
            plain = _distance(rays, sigma, poses)
            gains = np.full(rays.shape[:2], np.inf)
            for c in range(len(cameras)):
                trial = np.concatenate([rays[:c], swapped[c : c + 1], rays[c + 1 :]])
                here = np.isfinite(rays[c]).all(axis=-1).any(axis=-1)
                gains[c, here] = (_distance(trial, sigma, poses) / plain)[here]
            gains = np.where(np.isfinite(gains), gains, np.inf)
            # Of several cameras that could be wrong it is the one whose exchange settles most.
            wrong = gains.argmin(axis=0)
            clear = gains.min(axis=0) < GAIN
            if not clear.any():
                break
            for c in range(len(cameras)):
                frames = clear & (wrong == c)
                counts[c] += int(frames.sum())
                tracks = _swapped(tracks, c, frames, joints, counterparts)
    return tracks, counts


def _distance(rays: Array, sigma: Array, poses: Array) -> Array:
    """(T,) median over the joints of how far the worst camera misses what all of them see together."""
    fit = triangulate(rays, poses, sigma, outlier_sigmas=1e6)
    residual = np.where(np.isfinite(fit.residual), fit.residual, 0.0).max(axis=0)
    several = np.isfinite(rays[..., 0]).sum(axis=0) >= 2
    # Lines of sight that meet behind a camera fit nothing.
    worst = np.where(np.isfinite(fit.points[..., 0]), residual, 1.0)
    result = np.full(rays.shape[1], np.nan)
    for t in np.flatnonzero(several.sum(axis=1) >= LEAST_JOINTS):
        result[t] = np.median(worst[t, several[t]])
    return np.maximum(result, 1e-9)


def _swapped(
    tracks: KeypointTracks,
    camera: int,
    frames: NDArray[np.bool_],
    joints: NDArray[np.int64],
    counterparts: NDArray[np.int64],
) -> KeypointTracks:
    xy, confidence = tracks.xy.copy(), tracks.confidence.copy()
    where = np.ix_(frames, joints)
    source = np.ix_(frames, counterparts)
    xy[camera][where] = tracks.xy[camera][source]
    confidence[camera][where] = tracks.confidence[camera][source]
    return replace(tracks, xy=xy, confidence=confidence)
