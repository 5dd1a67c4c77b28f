"""Which pictures of unsynchronised cameras belong to the same time, before their poses are known.

As soon as two views are out of step, what they see fits no epipolar geometry: among all offsets up to two
seconds the one of least epipolar distance is searched for. For longer ones the speed of what moves proposes
offsets, as it rises and falls at the same moments in all views; alone it would not do, for it repeats itself
and is off by a frame where something moves towards a camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.selfcalibration.epipolar import relative_poses
from handloom.calibration.selfcalibration.tracks import KeypointTracks, smoothed
from handloom.cameras import Camera
from handloom.errors import CalibrationError
from handloom.video.synchronisation import motion_offset

Array = NDArray[np.float64]

LONGEST_S = 30.0
"""Largest offset between two cameras that is looked for; at most half of the recording."""

EVERYWHERE_S, EVERY_S = 2.0, 0.15
"""So far from zero every offset is tried, in such steps."""

RIVALS = 8
"""So many peaks of the correlation of motion are tried besides."""

SAMPLES = 60
"""Minimal samples with which an offset is tested."""

LEAST_MATCHES = 60
FEW = 800

CLEARLY = 0.75
"""The best offset must have less than this much of the usual distance."""


def coarse_offsets(tracks: KeypointTracks, cameras: Sequence[Camera]) -> Array:
    """(C,) seconds on the first camera's clock at which every camera's shows 0, to about a frame.

    Every camera is compared with those already on the clock that share most joints with it.

    Raises:
        CalibrationError: if a camera shares too little motion with the others.
    """
    rays = tracks.rays(cameras)
    focal = np.array([np.sqrt(camera.K[0, 0] * camera.K[1, 1]) for camera in cameras])
    sigma = tracks.sigma_px() / focal[:, None, None]
    count = len(rays)
    seen = np.asarray(np.isfinite(rays).all(axis=-1))
    alike = np.zeros((count, count))
    for a, b in combinations(range(count), 2):
        alike[a, b] = alike[b, a] = np.minimum(seen[a].sum(axis=0), seen[b].sum(axis=0)).sum()
    offsets = {0: 0.0}
    while len(offsets) < count:
        todo = [(alike[a, b], -a, -b) for a in offsets for b in range(count) if b not in offsets]
        most, a, b = max(todo)
        a, b = -a, -b
        lag = _between(rays[a], rays[b], sigma[a], sigma[b], tracks.fps) if most else None
        if lag is None:
            raise CalibrationError(
                f"When {tracks.cameras[b]} started cannot be told from what it shares with"
                f" {tracks.cameras[a]}: what they see fits together equally well or badly at many offsets.",
                "Record a quick movement that all cameras see, or give the offsets.",
            )
        offsets[b] = offsets[a] + lag / tracks.fps
    return np.array([offsets[c] for c in range(count)])


def _between(a: Array, b: Array, sigma_a: Array, sigma_b: Array, fps: float) -> float | None:
    """Frames on a's clock at which b's shows 0."""
    at = np.arange(len(a), dtype=np.float64)
    here = smoothed(a, at)[0]
    tried: dict[float, float] = {}
    longest = min(LONGEST_S * fps, len(a) / 2)

    def cost(lag: float) -> float:
        lag = round(2 * lag) / 2
        if lag not in tried:
            tried[lag] = _cost(here, b, sigma_a, sigma_b, lag) if abs(lag) <= longest else np.inf
        return tried[lag]

    step = max(2.0 ** np.floor(np.log2(EVERY_S * fps)), 1.0)
    reach = int(min(EVERYWHERE_S * fps, longest) / step)
    starts = [step * k for k in range(-reach, reach + 1)] + _peaks(here, b, fps, longest / fps)
    best = min(starts, key=lambda lag: (cost(lag), abs(lag)))
    usual = float(np.median([cost(lag) for lag in starts if np.isfinite(cost(lag))] or [0.0]))
    while step > 0.5:
        step /= 2
        best = min((best, best - step, best + step), key=lambda lag: (cost(lag), abs(lag)))
    return round(2 * best) / 2 if cost(best) < CLEARLY * usual else None


def _peaks(here: Array, b: Array, fps: float, longest_s: float) -> list[float]:
    """Offsets in frames at which the motions in two views are most alike."""
    there = smoothed(b, np.arange(len(b), dtype=np.float64))[0]
    motion = motion_offset(here, there, (fps, fps), longest_s)
    unlike = np.where(np.isfinite(motion.residual), motion.residual, np.inf)
    lower = np.r_[np.inf, unlike[:-1]], np.r_[unlike[1:], np.inf]
    peaks = np.flatnonzero(np.isfinite(unlike) & (unlike <= lower[0]) & (unlike < lower[1]))
    lags = motion.candidates_s[peaks[np.argsort(unlike[peaks], kind="stable")]] * fps
    apart: list[float] = []
    for lag in lags.tolist():
        if all(abs(lag - other) > 3 for other in apart) and len(apart) < RIVALS:
            apart.append(lag)
    return apart


def _cost(here: Array, b: Array, sigma_a: Array, sigma_b: Array, lag: float) -> float:
    """Mean truncated epipolar distance of what moves, at an offset."""
    there = smoothed(b, np.arange(len(here), dtype=np.float64) - lag)[0]
    t, j = np.nonzero(np.isfinite(here[..., 0]) & np.isfinite(there[..., 0]) & np.isfinite(sigma_a + sigma_b))
    if len(t) < LEAST_MATCHES:
        return float("inf")
    rows = np.unique(np.linspace(0, len(t) - 1, FEW).astype(int))
    t, j = t[rows], j[rows]
    # Smoothing has taken most of the noise away.
    poses = relative_poses(here[t, j], there[t, j], sigma_a[t, j] / 2, sigma_b[t, j] / 2, SAMPLES, 1)
    return poses[0].cost if poses else float("inf")
