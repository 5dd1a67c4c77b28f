"""Compiled loop of robust triangulation: which views agree on a point, where it is, how well that is known.

Observations are rays of ideal lenses: normalised image coordinates (x/z, y/z). For every point,

1. all views together are tried first; if each of them is explained well, none is suspect;
2. otherwise pairs of views propose points, the proposal with the smallest Geman–McClure cost over all views
   wins (algorithms.md §10.7 d), and the views it explains are kept;
3. Gauss–Newton with Levenberg's damping minimises the Huber cost of the reprojection residuals of the kept
   views, which are then judged anew, until they no longer change;
4. the covariance is (JᵀWJ)⁻¹ (§10.7 c, e), inflated where the residuals are larger than they should be.

The loop holds no lock and allocates nothing per point.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]

# These relaxations leave NaN and infinity alone: missing observations are NaN.
compiled: Any = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})

MAX_STEPS = 15
MAX_ROUNDS = 4
MAX_PAIRS = 64
"""Beyond eleven views a regular sample of pairs proposes; with a fifth of the views wrong, 40 are right."""

STEP_TOLERANCE = 1e-11
MIN_SINE_SQUARED = 1e-12
"""Rays closer to parallel than a microradian do not fix a point."""

PRIOR_STRENGTH = 4.0
"""Pseudo-observations behind the given sigmas: how slowly large residuals talk the covariance up."""


@compiled
def triangulate_robust(
    xy: Array, sigma: Array, T: Array, outlier: float, huber: float, start: int, stop: int,
    points: Array, covariance: Array, inliers: NDArray[np.bool_], residual: Array,
) -> None:  # fmt: skip
    """Points ``start`` to ``stop``.

    Args:
        xy: (C, N, 2) normalised image coordinates.
        sigma: (C, N) their standard deviations.
        T: (C, 4, 4) transforms from the world into the cameras.
        outlier: residual in sigmas from which a view is wrong.
        huber: residual in sigmas from which it counts linearly.
        start: first point.
        stop: one past the last point.
        points: (N, 3), written.
        covariance: (N, 3, 3), written.
        inliers: (C, N) views used, written.
        residual: (C, N) reprojection error of every view that observes the point, written.
    """
    views = xy.shape[0]
    centers = np.empty((views, 3))
    for c in range(views):
        for i in range(3):
            centers[c, i] = -(T[c, 0, i] * T[c, 0, 3] + T[c, 1, i] * T[c, 1, 3] + T[c, 2, i] * T[c, 2, 3])
    rays = np.empty((views, 3))
    seen = np.empty(views, dtype=np.int64)
    use = np.empty(views, dtype=np.bool_)
    errors = np.empty(views)
    best = np.empty(3)
    X = np.empty(3)
    H = np.empty(6)

    for n in range(start, stop):
        points[n] = np.nan
        covariance[n] = np.nan
        count = 0
        for c in range(views):
            inliers[c, n] = False
            residual[c, n] = np.nan
            use[c] = False
            x, y, s = xy[c, n, 0], xy[c, n, 1], sigma[c, n]
            if not (np.isfinite(x + y) and s > 0.0 and np.isfinite(s)):
                continue
            length = np.sqrt(x * x + y * y + 1.0)
            for i in range(3):
                rays[c, i] = (T[c, 0, i] * x + T[c, 1, i] * y + T[c, 2, i]) / length
            seen[count] = c
            use[c] = True
            count += 1
        if count < 2:
            continue

        agreed = _meeting_point(rays, centers, sigma, n, use, seen, count, X)
        if agreed:
            _refine(xy, sigma, T, n, use, seen, count, huber, X, H)
            _measure(xy, sigma, T, n, seen, count, X, errors)
            for k in range(count):
                agreed = agreed and errors[seen[k]] <= 0.5 * outlier
        if not agreed:
            i, j = _best_pair(rays, centers, xy, sigma, T, n, seen, count, outlier, X, best)
            if i < 0:
                continue
            X[:] = best
            _measure(xy, sigma, T, n, seen, count, X, errors)
            for k in range(count):
                use[seen[k]] = errors[seen[k]] <= outlier
            use[i] = True
            use[j] = True
            for left in range(MAX_ROUNDS, 0, -1):
                _refine(xy, sigma, T, n, use, seen, count, huber, X, H)
                _measure(xy, sigma, T, n, seen, count, X, errors)
                if left == 1 or not _judge(errors, outlier, seen, count, i, j, use):
                    break

        used, chi2, valid = 0, 0.0, True
        for k in range(count):
            c = seen[k]
            if use[c]:
                used += 1
                chi2 += errors[c] ** 2
                valid = valid and np.isfinite(errors[c])
        if not (valid and used >= 2):
            continue
        inflation = max(1.0, (chi2 + PRIOR_STRENGTH) / (2.0 * used - 3.0 + PRIOR_STRENGTH))
        if not _invert(H, inflation, covariance[n]):
            covariance[n] = np.nan
            continue
        points[n] = X
        for k in range(count):
            c = seen[k]
            inliers[c, n] = use[c]
            residual[c, n] = errors[c] * sigma[c, n] if np.isfinite(errors[c]) else np.nan


@compiled
def _meeting_point(
    rays: Array, centers: Array, sigma: Array, n: int, use: Array, seen: Array, count: int, X: Array
) -> bool:
    """Write the point nearest to the rays in use into X; False where they (nearly) are parallel."""
    h00 = h01 = h02 = h11 = h12 = h22 = 0.0
    g0 = g1 = g2 = 0.0
    total = 0.0
    for k in range(count):
        c = seen[k]
        w = (sigma[seen[0], n] / sigma[c, n]) ** 2
        if not use[c]:
            continue
        total += w
        d0, d1, d2 = rays[c, 0], rays[c, 1], rays[c, 2]
        along = d0 * centers[c, 0] + d1 * centers[c, 1] + d2 * centers[c, 2]
        h00 += w * (1.0 - d0 * d0)
        h01 -= w * d0 * d1
        h02 -= w * d0 * d2
        h11 += w * (1.0 - d1 * d1)
        h12 -= w * d1 * d2
        h22 += w * (1.0 - d2 * d2)
        g0 += w * (centers[c, 0] - along * d0)
        g1 += w * (centers[c, 1] - along * d1)
        g2 += w * (centers[c, 2] - along * d2)
    c0, c1, c2 = h11 * h22 - h12 * h12, h02 * h12 - h01 * h22, h01 * h12 - h02 * h11
    determinant = h00 * c0 + h01 * c1 + h02 * c2
    if not determinant > MIN_SINE_SQUARED * total**3:
        return False
    X[0] = (c0 * g0 + c1 * g1 + c2 * g2) / determinant
    X[1] = (c1 * g0 + (h00 * h22 - h02 * h02) * g1 + (h01 * h02 - h00 * h12) * g2) / determinant
    X[2] = (c2 * g0 + (h01 * h02 - h00 * h12) * g1 + (h00 * h11 - h01 * h01) * g2) / determinant
    return True


@compiled
def _best_pair(
    rays: Array, centers: Array, xy: Array, sigma: Array, T: Array, n: int, seen: Array, count: int,
    outlier: float, X: Array, best: Array,
) -> tuple[int, int]:  # fmt: skip
    """The pair whose point all views like best, the point into ``best``; (-1, -1) if none is in front."""
    pairs = count * (count - 1) // 2
    stride = max(1, -(-pairs // MAX_PAIRS))
    lowest, first, second = np.inf, -1, -1
    number = -1
    for i in range(count):
        for j in range(i + 1, count):
            number += 1
            if number % stride:
                continue
            if not _pair_point(rays, centers, sigma, n, seen[i], seen[j], X):
                continue
            cost = 0.0
            for k in range(count):
                e = _squared_error(xy, sigma, T, n, seen[k], X)
                bounded = e / (1.0 + e / outlier**2) if np.isfinite(e) else outlier**2
                if not np.isfinite(e) and k in (i, j):
                    bounded = np.inf
                cost += bounded
                if cost >= lowest:
                    break
            if cost < lowest:
                lowest, first, second = cost, seen[i], seen[j]
                best[:] = X
    return first, second


@compiled
def _pair_point(rays: Array, centers: Array, sigma: Array, n: int, i: int, j: int, X: Array) -> bool:
    """Write the point between two rays, nearer to the better known; False where parallel or behind."""
    b0, b1, b2 = centers[j, 0] - centers[i, 0], centers[j, 1] - centers[i, 1], centers[j, 2] - centers[i, 2]
    cosine = rays[i, 0] * rays[j, 0] + rays[i, 1] * rays[j, 1] + rays[i, 2] * rays[j, 2]
    sine_squared = 1.0 - cosine * cosine
    if not sine_squared > MIN_SINE_SQUARED:
        return False
    bi = b0 * rays[i, 0] + b1 * rays[i, 1] + b2 * rays[i, 2]
    bj = b0 * rays[j, 0] + b1 * rays[j, 1] + b2 * rays[j, 2]
    si = (bi - cosine * bj) / sine_squared
    sj = (cosine * bi - bj) / sine_squared
    if not (si > 0.0 and sj > 0.0):
        return False
    spread_i, spread_j = (sigma[i, n] * si) ** 2, (sigma[j, n] * sj) ** 2
    share = spread_j / (spread_i + spread_j)
    for k in range(3):
        on_i, on_j = centers[i, k] + si * rays[i, k], centers[j, k] + sj * rays[j, k]
        X[k] = share * on_i + (1.0 - share) * on_j
    return True


@compiled
def _squared_error(xy: Array, sigma: Array, T: Array, n: int, c: int, X: Array) -> float:
    """Squared reprojection error in sigmas; infinite behind the camera."""
    z = T[c, 2, 0] * X[0] + T[c, 2, 1] * X[1] + T[c, 2, 2] * X[2] + T[c, 2, 3]
    if not z > 0.0:
        return np.inf
    x = (T[c, 0, 0] * X[0] + T[c, 0, 1] * X[1] + T[c, 0, 2] * X[2] + T[c, 0, 3]) / z
    y = (T[c, 1, 0] * X[0] + T[c, 1, 1] * X[1] + T[c, 1, 2] * X[2] + T[c, 1, 3]) / z
    return ((x - xy[c, n, 0]) ** 2 + (y - xy[c, n, 1]) ** 2) / sigma[c, n] ** 2


@compiled
def _measure(
    xy: Array, sigma: Array, T: Array, n: int, seen: Array, count: int, X: Array, errors: Array
) -> None:
    """Reprojection errors of all views in sigmas."""
    for k in range(count):
        errors[seen[k]] = np.sqrt(_squared_error(xy, sigma, T, n, seen[k], X))


@compiled
def _judge(errors: Array, outlier: float, seen: Array, count: int, i: int, j: int, use: Array) -> bool:
    """Keep the views below the limit, and at least the pair (i, j); True if that changed anything."""
    below = 0
    for k in range(count):
        below += errors[seen[k]] <= outlier
    changed = False
    for k in range(count):
        c = seen[k]
        keep = errors[c] <= outlier if below >= 2 else c in (i, j)
        changed = changed or keep != use[c]
        use[c] = keep
    return changed


@compiled
def _cost(
    xy: Array, sigma: Array, T: Array, n: int, use: Array, seen: Array, count: int, huber: float, X: Array
) -> float:
    """Huber cost of the views in use; infinite if the point is behind one of them."""
    total = 0.0
    for k in range(count):
        if use[seen[k]]:
            e = _squared_error(xy, sigma, T, n, seen[k], X)
            total += e if e <= huber**2 else 2.0 * huber * np.sqrt(e) - huber**2
    return total


@compiled
def _refine(
    xy: Array, sigma: Array, T: Array, n: int, use: Array, seen: Array, count: int, huber: float,
    X: Array, H: Array,
) -> None:  # fmt: skip
    """Move X to the smallest Huber cost; leave JᵀWJ (upper triangle, W from the sigmas alone) in H."""
    used = 0
    for k in range(count):
        used += use[seen[k]]
    if used == 2:
        huber = np.inf  # two views share their disagreement; a linear cost would give it all to either
    damping = 1e-9
    cost = _cost(xy, sigma, T, n, use, seen, count, huber, X)
    trial = (0.0, 0.0, 0.0)
    for _ in range(MAX_STEPS):
        H[:] = 0.0
        h00 = h01 = h02 = h11 = h12 = h22 = 0.0
        g0 = g1 = g2 = 0.0
        for k in range(count):
            c = seen[k]
            if not use[c]:
                continue
            z = T[c, 2, 0] * X[0] + T[c, 2, 1] * X[1] + T[c, 2, 2] * X[2] + T[c, 2, 3]
            x = (T[c, 0, 0] * X[0] + T[c, 0, 1] * X[1] + T[c, 0, 2] * X[2] + T[c, 0, 3]) / z
            y = (T[c, 1, 0] * X[0] + T[c, 1, 1] * X[1] + T[c, 1, 2] * X[2] + T[c, 1, 3]) / z
            f = 1.0 / (sigma[c, n] * z)
            rx, ry = (x - xy[c, n, 0]) / sigma[c, n], (y - xy[c, n, 1]) / sigma[c, n]
            size = np.sqrt(rx * rx + ry * ry)
            w = 1.0 if size <= huber else huber / size
            a0, b0 = f * (T[c, 0, 0] - x * T[c, 2, 0]), f * (T[c, 1, 0] - y * T[c, 2, 0])
            a1, b1 = f * (T[c, 0, 1] - x * T[c, 2, 1]), f * (T[c, 1, 1] - y * T[c, 2, 1])
            a2, b2 = f * (T[c, 0, 2] - x * T[c, 2, 2]), f * (T[c, 1, 2] - y * T[c, 2, 2])
            s00, s01, s02 = a0 * a0 + b0 * b0, a0 * a1 + b0 * b1, a0 * a2 + b0 * b2
            s11, s12, s22 = a1 * a1 + b1 * b1, a1 * a2 + b1 * b2, a2 * a2 + b2 * b2
            h00, h01, h02 = h00 + w * s00, h01 + w * s01, h02 + w * s02
            h11, h12, h22 = h11 + w * s11, h12 + w * s12, h22 + w * s22
            g0 += w * (a0 * rx + b0 * ry)
            g1 += w * (a1 * rx + b1 * ry)
            g2 += w * (a2 * rx + b2 * ry)
            H[0], H[1], H[2] = H[0] + s00, H[1] + s01, H[2] + s02
            H[3], H[4], H[5] = H[3] + s11, H[4] + s12, H[5] + s22
        improved = False
        while damping < 1e6:
            trial = _step(h00, h01, h02, h11, h12, h22, g0, g1, g2, damping)
            X[0], X[1], X[2] = X[0] - trial[0], X[1] - trial[1], X[2] - trial[2]
            new = _cost(xy, sigma, T, n, use, seen, count, huber, X)
            if new <= cost or (not np.isfinite(cost)):
                cost, damping, improved = new, max(damping * 0.1, 1e-12), True
                break
            X[0], X[1], X[2] = X[0] + trial[0], X[1] + trial[1], X[2] + trial[2]
            if _small(trial, h00 + h11 + h22):
                break
            damping = max(damping * 30.0, 1e-4)
        if not improved or _small(trial, h00 + h11 + h22):
            break


@compiled
def _small(step: tuple[float, float, float], information: float) -> bool:
    """Whether a step is far below the standard deviation of the point."""
    return (step[0] ** 2 + step[1] ** 2 + step[2] ** 2) * information <= STEP_TOLERANCE


@compiled
def _step(
    h00: float, h01: float, h02: float, h11: float, h12: float, h22: float,
    g0: float, g1: float, g2: float, damping: float,
) -> tuple[float, float, float]:  # fmt: skip
    """Solution of (H + damping·diag H) x = g."""
    h00, h11, h22 = h00 * (1.0 + damping), h11 * (1.0 + damping), h22 * (1.0 + damping)
    l1, l2 = h01 / h00, h02 / h00
    d1 = h11 - l1 * h01
    t = h12 - l1 * h02
    l3 = t / d1
    d2 = h22 - l2 * h02 - l3 * t
    f1 = g1 - l1 * g0
    x2 = (g2 - l2 * g0 - l3 * f1) / d2
    x1 = f1 / d1 - l3 * x2
    return g0 / h00 - l1 * x1 - l2 * x2, x1, x2


@compiled
def _invert(H: Array, factor: float, out: Array) -> bool:
    """Write factor·H⁻¹ of the symmetric H (upper triangle) into ``out``; False if it is singular."""
    c00, c01 = H[3] * H[5] - H[4] * H[4], H[2] * H[4] - H[1] * H[5]
    c02, c11 = H[1] * H[4] - H[2] * H[3], H[0] * H[5] - H[2] * H[2]
    c12, c22 = H[1] * H[2] - H[0] * H[4], H[0] * H[3] - H[1] * H[1]
    determinant = H[0] * c00 + H[1] * c01 + H[2] * c02
    if not determinant > 0.0:
        return False
    scale = factor / determinant
    out[0, 0], out[1, 1], out[2, 2] = c00 * scale, c11 * scale, c22 * scale
    out[0, 1] = out[1, 0] = c01 * scale
    out[0, 2] = out[2, 0] = c02 * scale
    out[1, 2] = out[2, 1] = c12 * scale
    return True
