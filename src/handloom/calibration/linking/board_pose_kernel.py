"""Compiled pose of a flat board in one view, with corners that are grossly wrong and the twin solution.

A robust homography gives two poses in closed form: seen from afar, a board and its mirror image in depth look
nearly the same, so both are kept. Levenberg–Marquardt then minimises the reprojection errors with Tukey's
weights, their scale taken from the data.

Image positions are those of an ideal lens; ``scale`` takes their differences to pixels, so that errors are
pixels whatever the lens does. The board's points are centred on the board, which decouples turning from
moving. A step of a pose is (ρ, φ) in the board's frame: R ← R exp(φ), t ← t + R ρ.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.linking.plane_kernel import (
    RAYLEIGH_MEDIAN,
    SMALLEST_SIGMA_PX,
    plane_rotations,
    robust_homography,
)
from handloom.calibration.linking.pose_algebra import compiled, solve, turn

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

TUKEY = 4.685

_ROUNDS = 5
_STEPS = 6


@compiled
def find_poses(
    points: Array, ideal: Array, scale: Array, starts: NDArray[np.int64],
    R: Array, t: Array, sigma: Array, excess: Array, information: Array, inlier: Mask, facing: Mask,
) -> None:  # fmt: skip
    """Poses of the board in all views.

    Args:
        points: (N, 2) corners on the board, centred.
        ideal: (N, 2) where they are seen; NaN is ignored.
        scale: (N, 2, 2) pixels per ideal coordinate.
        starts: (V + 1,) first row of every view.
        R, t: (V, 2, 3, 3) and (V, 2, 3), written: the likelier pose first; NaN where there is none.
        sigma: (V, 2) standard deviation of the errors per axis, pixels, written.
        excess: (V, 2) by how much the sum of squared errors exceeds the better one's, pixels², written.
        information: (V, 2, 6, 6) normal matrix of the pose for errors of one pixel, written.
        inlier: (N,) corners that fit the likelier pose, written.
        facing: (V,) whether the board shows its front, written.
    """
    for v in range(len(starts) - 1):
        a, b = starts[v], starts[v + 1]
        R[v], t[v], sigma[v], excess[v], information[v] = np.nan, np.nan, np.nan, np.nan, np.nan
        facing[v] = False
        inlier[a:b] = False
        finite = np.empty(b - a, dtype=np.bool_)
        for i in range(b - a):
            finite[i] = np.isfinite(ideal[a + i].sum()) and np.isfinite(scale[a + i].sum())
        rows = np.flatnonzero(finite) + a
        n = len(rows)
        if n < 4:
            continue
        p, q, A = points[rows], ideal[rows], scale[rows]
        H = np.empty((3, 3))
        use = np.ones(n, dtype=np.bool_)
        if not robust_homography(p, q, A, use, H):
            continue
        guesses = np.empty((2, 3, 3))
        facing[v] = plane_rotations(H, guesses)
        for k in range(2):
            R[v, k] = guesses[k]
            if not _translation(p, q, use, R[v, k], t[v, k]):
                R[v, k] = np.nan
                continue
            sigma[v, k] = _refine(p, q, A, use, R[v, k], t[v, k])
        if not sigma[v, 0] <= sigma[v, 1]:
            if np.isnan(sigma[v, 1]):
                if np.isnan(sigma[v, 0]):
                    continue
            else:
                R[v], t[v], sigma[v] = R[v, ::-1].copy(), t[v, ::-1].copy(), sigma[v, ::-1].copy()
        limit = (TUKEY * sigma[v, 0]) ** 2
        lowest = 0.0
        for k in range(2):
            if np.isnan(sigma[v, k]):
                continue
            total = 0.0
            squares = squared_errors(p, q, A, R[v, k], t[v, k])
            for i in range(n):
                total += min(squares[i], limit)
                if k == 0:
                    inlier[rows[i]] = squares[i] <= limit
            if k == 0:
                lowest = total
            excess[v, k] = total - lowest
            weights = inlier[rows].astype(np.float64)
            gradient = np.empty(6)
            normal_equations(p, q, A, weights, R[v, k], t[v, k], information[v, k], gradient)


@compiled
def normal_equations(
    p: Array, q: Array, A: Array, weights: Array, R: Array, t: Array, H: Array, g: Array
) -> float:
    """Normal matrix (6, 6) and gradient (6,) of the weighted squared errors; returns their sum.

    Infinite where a corner that counts lies behind the camera.
    """
    H[:] = 0.0
    g[:] = 0.0
    total = 0.0
    J = np.empty((2, 6))
    for i in range(len(p)):
        w = weights[i]
        if w == 0.0:
            continue
        px, py = p[i, 0], p[i, 1]
        z = R[2, 0] * px + R[2, 1] * py + t[2]
        if z <= 0.0:
            return np.inf
        x = (R[0, 0] * px + R[0, 1] * py + t[0]) / z
        y = (R[1, 0] * px + R[1, 1] * py + t[1]) / z
        u, v = x - q[i, 0], y - q[i, 1]
        for row in range(2):
            ax, ay = A[i, row, 0] / z, A[i, row, 1] / z
            az = -(ax * x + ay * y)
            for k in range(3):
                J[row, k] = ax * R[0, k] + ay * R[1, k] + az * R[2, k]
            J[row, 3] = J[row, 2] * py
            J[row, 4] = -J[row, 2] * px
            J[row, 5] = J[row, 1] * px - J[row, 0] * py
            error = A[i, row, 0] * u + A[i, row, 1] * v
            total += w * error * error
            for k in range(6):
                g[k] += w * J[row, k] * error
                for m in range(k + 1):
                    H[k, m] += w * J[row, k] * J[row, m]
    for k in range(6):
        for m in range(k):
            H[m, k] = H[k, m]
    return total


@compiled
def squared_errors(p: Array, q: Array, A: Array, R: Array, t: Array) -> Array:
    """(n,) squared errors in pixels; infinite behind the camera."""
    squares = np.empty(len(p))
    for i in range(len(p)):
        z = R[2, 0] * p[i, 0] + R[2, 1] * p[i, 1] + t[2]
        if z <= 0.0:
            squares[i] = np.inf
            continue
        u = (R[0, 0] * p[i, 0] + R[0, 1] * p[i, 1] + t[0]) / z - q[i, 0]
        v = (R[1, 0] * p[i, 0] + R[1, 1] * p[i, 1] + t[1]) / z - q[i, 1]
        squares[i] = (A[i, 0, 0] * u + A[i, 0, 1] * v) ** 2 + (A[i, 1, 0] * u + A[i, 1, 1] * v) ** 2
    return squares


@compiled
def _translation(p: Array, q: Array, use: Mask, R: Array, t: Array) -> bool:
    """Translation that belongs to a rotation, by linear least squares; False if it lies behind the camera."""
    M = np.zeros((3, 3))
    t[:] = 0.0
    row = np.zeros(3)
    for i in range(len(p)):
        if not use[i]:
            continue
        depth = R[2, 0] * p[i, 0] + R[2, 1] * p[i, 1]
        for axis in range(2):
            row[0], row[1], row[2] = 1.0 - axis, 1.0 * axis, -q[i, axis]
            right = q[i, axis] * depth - R[axis, 0] * p[i, 0] - R[axis, 1] * p[i, 1]
            for k in range(3):
                t[k] += row[k] * right
                for m in range(3):
                    M[k, m] += row[k] * row[m]
    return solve(M, t) and t[2] > 0.0


@compiled
def _refine(p: Array, q: Array, A: Array, use: Mask, R: Array, t: Array) -> float:
    """Pose of least robust reprojection error, in place; returns the errors' standard deviation per axis."""
    n = len(p)
    weights = use.astype(np.float64)
    H, g = np.empty((6, 6)), np.empty(6)
    sigma = np.nan
    for _ in range(_ROUNDS):
        damping = 1e-6
        total = normal_equations(p, q, A, weights, R, t, H, g)
        if total == np.inf:
            return np.nan
        for _ in range(_STEPS):
            M = H.copy()
            for k in range(6):
                M[k, k] *= 1.0 + damping
            step = -g
            if not solve(M, step):
                return np.nan
            newR, newt = R.copy(), t.copy()
            for i in range(3):
                newt[i] += R[i, 0] * step[0] + R[i, 1] * step[1] + R[i, 2] * step[2]
            turn(newR, step[3], step[4], step[5])
            newH, newg = np.empty((6, 6)), np.empty(6)
            lower = normal_equations(p, q, A, weights, newR, newt, newH, newg)
            if lower > total:
                damping = max(damping, 1e-4) * 10.0
                continue
            gain = total - lower
            R[:], t[:], H, g, total = newR, newt, newH, newg, lower
            damping *= 0.1
            if gain <= 1e-4 * total + 1e-16:
                break
        squares = squared_errors(p, q, A, R, t)
        previous = sigma
        shrink = 1.0 + 3.0 / max(n - 3.0, 1.0)
        sigma = max(shrink * np.sqrt(np.median(squares)) / RAYLEIGH_MEDIAN, SMALLEST_SIGMA_PX)
        for i in range(n):
            ratio = squares[i] / (TUKEY * sigma) ** 2
            weights[i] = (1.0 - ratio) ** 2 if ratio < 1.0 else 0.0
        if abs(sigma - previous) <= 1e-3 * sigma:
            break
    return sigma
