"""Compiled loop of the direct linear transform (algorithms.md §7.1).

A view that sees the homogeneous point X at (u, v) gives two rows, ``P₀ − u·P₂`` and ``P₁ − v·P₂``, of a
matrix A; the answer is A's right singular vector of the smallest singular value. Everything here works on the
triangular factor of A, ``AᵀA = L D Lᵀ`` with L unit lower triangular: it comes either from a Cholesky
factorisation of the normal matrix, which is fast, or from a Givens QR of A itself, which does not square the
condition number. Inverse iteration on that factor then converges to the singular vector with the ratio
(σ₄/σ₃)², in two or three steps for any usable point.

The loops hold no lock and allocate nothing per point, so that threads can share the points among them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]

# These relaxations leave NaN and infinity alone: missing observations are NaN.
compiled: Any = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})

PULL_TO_CENTROID = 1e-3
"""Weight that keeps the scene's origin near the cameras where their axes are parallel and meet nowhere."""

MAX_STEPS = 60
STEP_TOLERANCE = 1e-11


@compiled
def condition(P: Array) -> tuple[Array, Array, Array, float]:
    """Cameras in units in which image positions, rotation and translation are all about 1.

    Image: principal point and focal lengths are divided out, as Hartley's normalisation does with the data.
    World: the origin moves to where the optical axes (nearly) meet, at a distance of about 1 to the cameras.

    Args:
        P: (C, 3, 4) projection matrices.

    Returns:
        Conditioned matrices (C, 3, 4); (C, 4) factors and shifts that take image positions along,
        ``u·i₀ − i₁`` and ``v·i₂ − i₃``; the new origin (3,) and the length unit in the old world.
    """
    views = P.shape[0]
    rows = np.empty((views, 3, 4))
    image = np.empty((views, 4))
    centers = np.empty((views, 3))
    for c in range(views):
        scale = 1.0 / np.sqrt(P[c, 2, 0] ** 2 + P[c, 2, 1] ** 2 + P[c, 2, 2] ** 2)
        for k in range(4):
            rows[c, 2, k] = P[c, 2, k] * scale
        for i in range(2):
            shift = 0.0
            for k in range(3):
                shift += P[c, i, k] * scale * rows[c, 2, k]
            focal = 0.0
            for k in range(4):
                rows[c, i, k] = P[c, i, k] * scale - shift * rows[c, 2, k]
                focal += rows[c, i, k] ** 2 if k < 3 else 0.0
            focal = np.sqrt(focal)
            for k in range(4):
                rows[c, i, k] /= focal
            image[c, 2 * i] = 1.0 / focal
            image[c, 2 * i + 1] = shift / focal
        centers[c] = _solve3(rows[c, :, :3], -rows[c, :, 3])

    middle = np.zeros(3)
    for c in range(views):
        middle += centers[c] / views
    normal = PULL_TO_CENTROID * views * np.eye(3)
    right = PULL_TO_CENTROID * views * middle
    for c in range(views):
        for i in range(3):
            for k in range(3):
                across = (1.0 if i == k else 0.0) - rows[c, 2, i] * rows[c, 2, k]
                normal[i, k] += across
                right[i] += across * centers[c, k]
    origin = _solve3(normal, right)

    unit = 0.0
    for c in range(views):
        for k in range(3):
            unit += (centers[c, k] - origin[k]) ** 2 / views
    unit = np.sqrt(unit) if unit > 0.0 else 1.0
    for c in range(views):
        for i in range(3):
            for k in range(3):
                rows[c, i, 3] += rows[c, i, k] * origin[k]
            rows[c, i, 3] /= unit
    return rows, image, origin, unit


@compiled
def triangulate_fast(
    xy: Array, weights: Array, conditioned: tuple, start: int, stop: int, out: Array
) -> None:
    """Points ``start`` to ``stop`` by way of the normal matrix.

    Args:
        xy: (C, N, 2) image positions.
        weights: (C, N), or (0, 0) where every view counts the same.
        conditioned: the cameras as :func:`condition` gives them.
        start: first point.
        stop: one past the last point.
        out: (N, 3) world points, written.
    """
    rows, image, origin, unit = conditioned
    weighted = weights.shape[0] > 0
    for n in range(start, stop):
        m00 = m01 = m02 = m03 = m11 = m12 = m13 = m22 = m23 = m33 = 0.0
        used = 0
        for c in range(xy.shape[0]):
            u = xy[c, n, 0] * image[c, 0] - image[c, 1]
            v = xy[c, n, 1] * image[c, 2] - image[c, 3]
            w = weights[c, n] if weighted else 1.0
            if not (w > 0.0 and np.isfinite(u + v)):
                continue
            used += 1
            w *= w
            r0, r1, r2, r3 = rows[c, 2, 0], rows[c, 2, 1], rows[c, 2, 2], rows[c, 2, 3]
            a0, a1 = rows[c, 0, 0] - u * r0, rows[c, 0, 1] - u * r1
            a2, a3 = rows[c, 0, 2] - u * r2, rows[c, 0, 3] - u * r3
            b0, b1 = rows[c, 1, 0] - v * r0, rows[c, 1, 1] - v * r1
            b2, b3 = rows[c, 1, 2] - v * r2, rows[c, 1, 3] - v * r3
            m00 += w * (a0 * a0 + b0 * b0)
            m01 += w * (a0 * a1 + b0 * b1)
            m02 += w * (a0 * a2 + b0 * b2)
            m03 += w * (a0 * a3 + b0 * b3)
            m11 += w * (a1 * a1 + b1 * b1)
            m12 += w * (a1 * a2 + b1 * b2)
            m13 += w * (a1 * a3 + b1 * b3)
            m22 += w * (a2 * a2 + b2 * b2)
            m23 += w * (a2 * a3 + b2 * b3)
            m33 += w * (a3 * a3 + b3 * b3)
        i0 = 1.0 / m00
        l10, l20, l30 = m01 * i0, m02 * i0, m03 * i0
        d1 = m11 - l10 * m01
        t21, t31 = m12 - l10 * m02, m13 - l10 * m03
        i1 = 1.0 / d1
        l21, l31 = t21 * i1, t31 * i1
        d2 = m22 - l20 * m02 - l21 * t21
        t32 = m23 - l20 * m03 - l21 * t31
        l32 = t32 / d2
        d3 = m33 - l30 * m03 - l31 * t31 - l32 * t32
        noise = 1e-15 * (m00 + m11 + m22 + m33)
        x, y, z = np.nan, np.nan, np.nan
        if used >= 2:
            x, y, z = _null_point(l10, l20, l30, l21, l31, l32, m00, d1, d2, d3, noise)
        out[n, 0] = origin[0] + unit * x
        out[n, 1] = origin[1] + unit * y
        out[n, 2] = origin[2] + unit * z


@compiled
def triangulate_exact(
    xy: Array, weights: Array, conditioned: tuple, start: int, stop: int, out: Array
) -> None:
    """As :func:`triangulate_fast`, by way of a QR factorisation of the 2C×4 matrix itself."""
    rows, image, origin, unit = conditioned
    weighted = weights.shape[0] > 0
    R = np.empty((4, 4))
    row = np.empty(4)
    for n in range(start, stop):
        R[:] = 0.0
        used = 0
        for c in range(xy.shape[0]):
            w = weights[c, n] if weighted else 1.0
            if not (w > 0.0 and np.isfinite(xy[c, n, 0] + xy[c, n, 1])):
                continue
            used += 1
            for i in range(2):
                value = xy[c, n, i] * image[c, 2 * i] - image[c, 2 * i + 1]
                for k in range(4):
                    row[k] = w * (rows[c, i, k] - value * rows[c, 2, k])
                _rotate_in(R, row)
        noise = 1e-30 * (R * R).sum()
        x, y, z = np.nan, np.nan, np.nan
        if used >= 2:
            x, y, z = _null_point(
                R[0, 1] / R[0, 0], R[0, 2] / R[0, 0], R[0, 3] / R[0, 0],
                R[1, 2] / R[1, 1], R[1, 3] / R[1, 1], R[2, 3] / R[2, 2],
                R[0, 0] ** 2, R[1, 1] ** 2, R[2, 2] ** 2, R[3, 3] ** 2, noise,
            )  # fmt: skip
        out[n, 0] = origin[0] + unit * x
        out[n, 1] = origin[1] + unit * y
        out[n, 2] = origin[2] + unit * z


@compiled
def _null_point(
    l10: float, l20: float, l30: float, l21: float, l31: float, l32: float,
    d0: float, d1: float, d2: float, d3: float, noise: float,
) -> tuple[float, float, float]:  # fmt: skip
    """Smallest eigenvector of L D Lᵀ, its last coordinate 1; NaN where the rays do not fix a finite point."""
    if not (d2 > 10.0 * noise and d1 > 10.0 * noise):
        return np.nan, np.nan, np.nan
    # The solution of Lᵀx = e₃ is the least-squares point with its last coordinate held at 1.
    z = -l32
    y = -l31 - l21 * z
    x = -l30 - l10 * y - l20 * z
    if d3 <= noise:
        return x, y, z
    i0, i1, i2, i3 = 1.0 / d0, 1.0 / d1, 1.0 / d2, 1.0 / d3
    for _ in range(MAX_STEPS):
        f1 = y - l10 * x
        f2 = z - l20 * x - l21 * f1
        f3 = 1.0 - l30 * x - l31 * f1 - l32 * f2
        e3 = f3 * i3
        e2 = f2 * i2 - l32 * e3
        e1 = f1 * i1 - l21 * e2 - l31 * e3
        e0 = x * i0 - l10 * e1 - l20 * e2 - l30 * e3
        scale = 1.0 / e3
        e0, e1, e2 = e0 * scale, e1 * scale, e2 * scale
        change = (e0 - x) ** 2 + (e1 - y) ** 2 + (e2 - z) ** 2
        x, y, z = e0, e1, e2
        if change <= STEP_TOLERANCE**2 * (1.0 + x * x + y * y + z * z):
            break
    return x, y, z


@compiled
def _rotate_in(R: Array, row: Array) -> None:
    """Givens rotations that take one more row into the triangular factor R (4, 4)."""
    for i in range(4):
        if row[i] == 0.0:
            continue
        length = np.hypot(R[i, i], row[i])
        cosine, sine = R[i, i] / length, row[i] / length
        for k in range(i, 4):
            above = R[i, k]
            R[i, k] = cosine * above + sine * row[k]
            row[k] = cosine * row[k] - sine * above


@compiled
def _solve3(M: Array, b: Array) -> Array:
    """Solution of M x = b for a 3×3 matrix by Cramer's rule."""
    c0 = M[1, 1] * M[2, 2] - M[1, 2] * M[2, 1]
    c1 = M[1, 2] * M[2, 0] - M[1, 0] * M[2, 2]
    c2 = M[1, 0] * M[2, 1] - M[1, 1] * M[2, 0]
    determinant = M[0, 0] * c0 + M[0, 1] * c1 + M[0, 2] * c2
    x = np.empty(3)
    x[0] = c0 * b[0] + (M[0, 2] * M[2, 1] - M[0, 1] * M[2, 2]) * b[1]
    x[0] += (M[0, 1] * M[1, 2] - M[0, 2] * M[1, 1]) * b[2]
    x[1] = c1 * b[0] + (M[0, 0] * M[2, 2] - M[0, 2] * M[2, 0]) * b[1]
    x[1] += (M[0, 2] * M[1, 0] - M[0, 0] * M[1, 2]) * b[2]
    x[2] = c2 * b[0] + (M[0, 1] * M[2, 0] - M[0, 0] * M[2, 1]) * b[1]
    x[2] += (M[0, 0] * M[1, 1] - M[0, 1] * M[1, 0]) * b[2]
    return x / determinant
