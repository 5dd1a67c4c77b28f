"""Which hand, or person, of one view is which of another: told by what fits an epipolar geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.selfcalibration.epipolar import relative_poses
from handloom.calibration.selfcalibration.tracks import KeypointTracks
from handloom.cameras import Camera

Array = NDArray[np.float64]

SAMPLES = 100
"""Minimal samples with which a matching is tested."""

FEW = 1000
LEAST_MATCHES = 60

CLEARLY = 0.85
"""Another matching than the given one must have at most this much of its distance."""

MOST = 24
"""Matchings tried per camera."""


def matched_subjects(tracks: KeypointTracks, cameras: Sequence[Camera]) -> KeypointTracks:
    """Tracks whose subjects are the same in all views.

    Networks mistake a left hand for a right one, at times throughout a recording, and number people as they
    find them. Camera after camera, subjects are exchanged if that fits those already settled clearly better.

    Args:
        tracks: on one clock, roughly.
        cameras: (C) with their lenses.
    """
    subjects = len(tracks.subjects)
    if subjects < 2:
        return tracks
    focal = np.array([np.sqrt(camera.K[0, 0] * camera.K[1, 1]) for camera in cameras])
    settled = [0]
    while len(settled) < len(cameras):
        seen = np.asarray(tracks.sound.any(axis=2))
        shared = {
            (c, s): int((seen[c] & seen[s]).sum())
            for c in range(len(cameras))
            if c not in settled
            for s in settled
        }
        camera, partner = max(shared, key=lambda pair: (shared[pair], -pair[0], -pair[1]))
        rays, sigma = tracks.rays(cameras), tracks.sigma_px() / focal[:, None, None]
        order = tuple(range(subjects))
        usual = _cost(tracks, rays, sigma, partner, camera, order)
        best = (CLEARLY * usual, order)
        for other in list(permutations(range(subjects)))[1:MOST]:
            cost = _cost(tracks, rays, sigma, partner, camera, other)
            best = min(best, (cost, other))
        tracks = _reordered(tracks, camera, best[1])
        settled.append(camera)
    return tracks


def _cost(tracks: KeypointTracks, rays: Array, sigma: Array, a: int, b: int, order: tuple[int, ...]) -> float:
    """Mean truncated epipolar distance of two views with b's subjects in another order."""
    joints = np.concatenate([np.arange(tracks.spans[s][1].start, tracks.spans[s][1].stop) for s in order])
    there, noise = rays[b][:, joints], sigma[b][:, joints]
    t, j = np.nonzero(np.isfinite(rays[a][..., 0]) & np.isfinite(there[..., 0]))
    if len(t) < LEAST_MATCHES:
        return float("inf")
    rows = np.unique(np.linspace(0, len(t) - 1, FEW).astype(int))
    t, j = t[rows], j[rows]
    poses = relative_poses(rays[a][t, j], there[t, j], sigma[a][t, j], noise[t, j], SAMPLES, 1)
    return poses[0].cost if poses else float("inf")


def _reordered(tracks: KeypointTracks, camera: int, order: tuple[int, ...]) -> KeypointTracks:
    joints = np.concatenate([np.arange(tracks.spans[s][1].start, tracks.spans[s][1].stop) for s in order])
    xy, confidence = tracks.xy.copy(), tracks.confidence.copy()
    xy[camera], confidence[camera] = xy[camera][:, joints], confidence[camera][:, joints]
    return replace(tracks, xy=xy, confidence=confidence)
