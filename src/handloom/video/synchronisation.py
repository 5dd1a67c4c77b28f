"""The constant time offset between two recordings of one scene, from what moves in both.

Two stages that fail in different scenes. The speed of the keypoints rises and falls at the same moments in
every view: their correlation needs no calibration, but blurs for motion towards a camera and repeats for
periodic motion. With calibrated cameras the epipolar constraint tells: a point that moves leaves its epipolar
line as soon as the views are out of step; it is silent for motion along that line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from handloom.cameras import Camera

Array = NDArray[np.float64]
_FINE_STEP = 0.1  # frames
_BASIN = 4.0  # frames around the best offset that belong to it and are no rivals
_LEAST_OVERLAP = 0.25  # of the samples of the shorter track


@dataclass(frozen=True, eq=False)
class Offset:
    """Time offset of a view against a reference view.

    Attributes:
        seconds: time on the reference's clock at which this view's clock shows 0, as
            :func:`handloom.video.synchronised` takes it.
        frames: the same in frames of the reference.
        confidence: in [0, 1]; below about 0.3 the scene does not tell.
        candidates_s: (N,) offsets tried, in seconds.
        residual: (N,) what is least at the best offset: the median distance to the epipolar line in units of
            the focal length, or one minus the correlation of motion; NaN where too little overlaps.
    """

    seconds: float
    frames: float
    confidence: float
    candidates_s: Array
    residual: Array


def estimate_offset(
    reference: ArrayLike,
    other: ArrayLike,
    fps: tuple[float, float],
    cameras: tuple[Camera, Camera] | None = None,
    max_offset_s: float = 2.0,
) -> Offset:
    """Estimate when ``other`` began, on the clock of ``reference``.

    Args:
        reference: (T, J, 2) pixels of the same joints in the reference view; NaN where missing.
        other: (U, J, 2) pixels in the other view.
        fps: frames a second of both.
        cameras: calibration of both; without it only the motion is compared.
        max_offset_s: largest offset that is looked for.

    Returns:
        The estimate of the stage that is more certain; both are to a fraction of a frame.

    Raises:
        ValueError: for shapes that do not fit or rates that are not positive.
    """
    motion = motion_offset(reference, other, fps, max_offset_s)
    if cameras is None:
        return motion
    T_other_reference = cameras[1].T_camera_world @ np.linalg.inv(cameras[0].T_camera_world)
    epipolar = epipolar_offset(
        cameras[0].undistort(reference), cameras[1].undistort(other), T_other_reference, fps, max_offset_s
    )
    return max(epipolar, motion, key=lambda offset: offset.confidence)


def motion_offset(
    reference: ArrayLike, other: ArrayLike, fps: tuple[float, float], max_offset_s: float = 2.0
) -> Offset:
    """Offset at which the speeds of the joints correlate best.

    Args and result as in :func:`estimate_offset`; the coordinates may be pixels or normalised.
    """
    a, b = _tracks(reference, other, fps)
    frames, ratio = np.arange(len(a), dtype=np.float64), fps[1] / fps[0]
    speed_a, speed_b = _speed(a), _speed(b)
    enough = _LEAST_OVERLAP * min(np.isfinite(speed_a).sum(), np.isfinite(speed_b).sum())

    def unlikeness(lag: float) -> float:
        shifted = _sample(speed_b, (frames - lag) * ratio)
        both = np.isfinite(speed_a) & np.isfinite(shifted)
        count = both.sum(axis=0)
        if count.sum() < max(enough, 8):
            return np.nan
        # Joint by joint, so that a joint which is always fast says no more than one which is slow.
        weights = np.maximum(count, 1)
        from_mean_a = np.where(both, speed_a - np.where(both, speed_a, 0).sum(axis=0) / weights, 0)
        from_mean_b = np.where(both, shifted - np.where(both, shifted, 0).sum(axis=0) / weights, 0)
        norm = np.sqrt((from_mean_a**2).sum() * (from_mean_b**2).sum())
        return 1.0 - float((from_mean_a * from_mean_b).sum() / norm) if norm > 0 else 1.0

    lags, residual = _scan(unlikeness, max_offset_s * fps[0])
    best, rival = _best_and_rival(lags, residual)
    if best is None:
        return _unknown(lags, residual, fps[0])
    lag, lags, residual = _refine(unlikeness, lags, residual, lags[best])
    peak, other_peak = 1.0 - np.nanmin(residual), max(1.0 - rival, 0.0)
    confidence = np.clip(peak, 0, 1) * np.clip(1.0 - other_peak / max(peak, 1e-9), 0, 1) ** 0.5
    return Offset(lag / fps[0], lag, float(confidence), lags / fps[0], residual)


def epipolar_offset(
    reference: ArrayLike,
    other: ArrayLike,
    T_other_reference: ArrayLike,
    fps: tuple[float, float],
    max_offset_s: float = 2.0,
) -> Offset:
    """Offset at which the views fit their epipolar geometry best.

    The residual is the median Sampson distance (Hartley & Zisserman, *Multiple View Geometry*, 11.4.3) over
    the faster half of the observations: those that stand still say nothing.

    Args:
        reference: (T, J, 2) normalised image coordinates of the ideal lens; NaN where missing.
        other: (U, J, 2) the same for the other view.
        T_other_reference: (4, 4) transform from the reference camera's frame to the other's.
        fps: frames a second of both.
        max_offset_s: largest offset that is looked for.
    """
    a, b = _tracks(reference, other, fps)
    frames, ratio = np.arange(len(a), dtype=np.float64), fps[1] / fps[0]
    transform = np.asarray(T_other_reference, dtype=np.float64)
    essential = _cross_matrix(transform[:3, 3]) @ transform[:3, :3]
    speed = _speed(a)
    known = np.isfinite(speed) & np.isfinite(a).all(axis=-1)
    informative = known & (speed >= (np.median(speed[known]) if known.any() else 0.0))
    enough = _LEAST_OVERLAP * informative.sum()

    def misfit(lag: float) -> float:
        shifted = _sample(b, (frames - lag) * ratio)
        both = informative & np.isfinite(shifted).all(axis=-1)
        if both.sum() < max(enough, 8):
            return np.nan
        return float(np.median(_sampson(a[both], shifted[both], essential)))

    lags, residual = _scan(misfit, max_offset_s * fps[0])
    best, rival = _best_and_rival(lags, residual)
    if best is None:
        return _unknown(lags, residual, fps[0])
    lag, lags, residual = _refine(misfit, lags, residual, lags[best])
    confidence = np.clip(1.0 - np.nanmin(residual) / rival, 0, 1) if rival > 0 else 0.0
    return Offset(lag / fps[0], lag, float(confidence), lags / fps[0], residual)


def _tracks(reference: ArrayLike, other: ArrayLike, fps: Sequence[float]) -> tuple[Array, Array]:
    a, b = np.asarray(reference, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if a.ndim != 3 or b.ndim != 3 or a.shape[1:] != b.shape[1:] or a.shape[2] != 2:
        raise ValueError(f"tracks must be (T, J, 2) of the same joints, got {a.shape} and {b.shape}")
    if not all(rate > 0 for rate in fps):
        raise ValueError(f"frame rates must be positive, got {fps}")
    return a, b


def _speed(track: Array) -> Array:
    """(T, J) speed per frame by central differences; NaN at the ends and beside gaps."""
    speed = np.full(track.shape[:2], np.nan)
    speed[1:-1] = np.linalg.norm(track[2:] - track[:-2], axis=-1) / 2
    return speed


def _sample(values: Array, position: Array) -> Array:
    """(N, ...) cubic (Catmull–Rom) interpolation at fractional frames; NaN beside gaps and past the ends."""
    whole = np.floor(position).astype(np.int64)
    t = (position - whole).reshape(-1, *[1] * (values.ndim - 1))
    padded = np.concatenate([np.full((1, *values.shape[1:]), np.nan), values])

    # Index 0 of ``padded`` is a missing frame, and stands for every frame there is not.
    steps = [np.where((whole + k >= 0) & (whole + k < len(values)), whole + k + 1, 0) for k in (-1, 0, 1, 2)]
    p0, p1, p2, p3 = (padded[step] for step in steps)
    cubic = p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
    return np.where(t == 0, p1, cubic)


def _sampson(a: Array, b: Array, essential: Array) -> Array:
    """(N,) distance of correspondences (N, 2) from fitting bᵀ E a = 0, to first order."""
    ones = np.ones((len(a), 1))
    a, b = np.hstack([a, ones]), np.hstack([b, ones])
    line_b, line_a = a @ essential.T, b @ essential
    numerator = np.abs((b * line_b).sum(axis=-1))
    return numerator / np.sqrt((line_b[:, :2] ** 2).sum(axis=-1) + (line_a[:, :2] ** 2).sum(axis=-1))


def _cross_matrix(v: Array) -> Array:
    return np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])


def _scan(cost: Callable[[float], float], limit: float) -> tuple[Array, Array]:
    """The cost at every whole frame up to a limit on both sides."""
    lags = np.arange(-np.floor(limit), np.floor(limit) + 1)
    return lags, np.array([cost(lag) for lag in lags])


def _best_and_rival(lags: Array, residual: Array) -> tuple[int | None, float]:
    """Index of the least cost, and the least cost outside of its basin; None where nothing tells."""
    if not np.isfinite(residual).any():
        return None, np.nan
    best = int(np.nanargmin(residual))
    others = residual[np.abs(lags - lags[best]) > _BASIN]
    if not np.isfinite(others).any():
        return None, np.nan
    return best, float(np.nanmin(others))


def _refine(
    cost: Callable[[float], float], lags: Array, residual: Array, lag: float
) -> tuple[float, Array, Array]:
    """Bottom of a parabola through the costs within 1.5 frames of ``lag``; and the curve with the new costs.

    A parabola over three frames does not follow the small dips half-way between frames, where interpolation
    averages noise away.
    """
    near = lag + np.arange(-1.5, 1.5 + _FINE_STEP / 2, _FINE_STEP)
    costs = np.array([cost(candidate) for candidate in near])
    known = np.isfinite(costs)
    bottom = lag
    if known.sum() >= 5:
        # The square of a distance that grows linearly on both sides of its root is a parabola.
        curvature, slope, _ = np.polyfit(near[known] - lag, costs[known] ** 2, 2)
        if curvature > 0:
            bottom = lag + float(np.clip(-slope / (2 * curvature), -1.5, 1.5))
    order = np.argsort(np.concatenate([lags, near]), kind="stable")
    return bottom, np.concatenate([lags, near])[order], np.concatenate([residual, costs])[order]


def _unknown(lags: Array, residual: Array, fps: float) -> Offset:
    return Offset(0.0, 0.0, 0.0, lags / fps, residual)
