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
        for c in range(len(cameras)):
            rays = tracks.rays(cameras)[:, :, joints]
            sigma = tracks.sigma_px()[:, :, joints] / focal[:, None, None]
            swapped = rays[c][:, np.searchsorted(joints, counterparts)]
            gain = _distance(rays, rays[c], sigma, poses, c), _distance(rays, swapped, sigma, poses, c)
            with np.errstate(invalid="ignore"):
                wrong = gain[1] < GAIN * gain[0]
            counts[c] += int(wrong.sum())
            tracks = _swapped(tracks, c, wrong, joints, counterparts)
    return tracks, counts


def _distance(rays: Array, candidate: Array, sigma: Array, poses: Array, camera: int) -> Array:
    """(T,) median over the joints of how far cameras miss each other, given one camera's keypoints."""
    together = rays.copy()
    together[camera] = candidate
    others = [c for c in range(len(rays)) if c != camera and np.isfinite(rays[c]).any()]
    result = np.full(rays.shape[1], np.nan)
    if not others:
        return result
    views = sorted([camera, *others])
    fit = triangulate(together[views], poses[views], sigma[views], outlier_sigmas=1e6)
    residual = np.where(np.isfinite(fit.residual), fit.residual, 0.0)
    worst = residual.max(axis=0) / np.nanmedian(sigma)
    known = np.isfinite(fit.points).all(axis=-1) & np.isfinite(candidate).all(axis=-1)
    # Lines of sight that meet behind a camera fit nothing.
    worst = np.where(known, worst, np.where(np.isfinite(candidate).all(axis=-1), np.inf, np.nan))
    for t in np.flatnonzero(np.isfinite(candidate).all(axis=-1).sum(axis=1) >= 6):
        result[t] = np.nanmedian(worst[t])
    return result


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
