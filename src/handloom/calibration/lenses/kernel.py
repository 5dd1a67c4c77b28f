"""A board before a lens: pixels and normal equations, compiled.

The parameters of a lens are those of :mod:`handloom.calibration.lenses.models`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from handloom.calibration.lens_kernel import brown_conrady, kannala_brandt
from handloom.calibration.lenses.models import ASPECT, COEFFICIENTS, CX, CY, FOCAL, PARAMETERS

Array = NDArray[np.float64]

_NEAREST = 1e-6  # depth in metres below which a point counts as behind the camera
_POSE = 6


@njit(cache=True, nogil=True)
def project(lens, fisheye, R, t, points):  # type: ignore[no-untyped-def]
    """(V, M, 2) pixels of a board's corners; NaN behind the camera.

    Args:
        lens: (V, 12) parameters.
        fisheye: whether the lens is Kannala and Brandt's.
        R: (V, 3, 3) and t: (V, 3) poses of the board in the camera's frame.
        points: (V, M, 2) corners on the board, metres.
    """
    pixels = np.full(points.shape, np.nan)
    jacobian, by_coefficient = np.empty((2, 2)), np.empty((2, 8))
    for v in range(points.shape[0]):
        fx = np.exp(lens[v, FOCAL] + lens[v, ASPECT] / 2.0)
        fy = np.exp(lens[v, FOCAL] - lens[v, ASPECT] / 2.0)
        for m in range(points.shape[1]):
            X, Y = points[v, m, 0], points[v, m, 1]
            z = R[v, 2, 0] * X + R[v, 2, 1] * Y + t[v, 2]
            if not z > _NEAREST:
                continue
            x = (R[v, 0, 0] * X + R[v, 0, 1] * Y + t[v, 0]) / z
            y = (R[v, 1, 0] * X + R[v, 1, 1] * Y + t[v, 1]) / z
            if fisheye:
                xd, yd = kannala_brandt(x, y, lens[v, COEFFICIENTS:], jacobian, by_coefficient)
            else:
                xd, yd = brown_conrady(x, y, lens[v, COEFFICIENTS:], jacobian, by_coefficient)
            pixels[v, m, 0] = fx * xd + lens[v, CX]
            pixels[v, m, 1] = fy * yd + lens[v, CY]
    return pixels


@njit(cache=True, nogil=True)
def normal_equations(lens, fisheye, free, R, t, points, seen, weights):  # type: ignore[no-untyped-def]
    """Normal equations of every view by its pose and the free parameters of the lens.

    Args:
        lens, fisheye, R, t, points: as in :func:`project`.
        free: (P,) numbers of the lens's parameters that are sought.
        seen: (V, M, 2) pixels.
        weights: (V, M) of the squared residuals.

    Returns:
        (V, 6 + P, 6 + P) and (V, 6 + P); a pose's motion is a turn about the board's middle, then a shift.
    """
    views, size = points.shape[0], _POSE + len(free)
    N, g = np.zeros((views, size, size)), np.zeros((views, size))
    jacobian, by_coefficient = np.empty((2, 2)), np.empty((2, 8))
    by_lens, J = np.zeros((2, PARAMETERS)), np.empty((2, size))
    by_lens[0, CX] = by_lens[1, CY] = 1.0
    for v in range(views):
        fx = np.exp(lens[v, FOCAL] + lens[v, ASPECT] / 2.0)
        fy = np.exp(lens[v, FOCAL] - lens[v, ASPECT] / 2.0)
        for m in range(points.shape[1]):
            w = weights[v, m]
            if w == 0.0:
                continue
            X, Y = points[v, m, 0], points[v, m, 1]
            a0 = R[v, 0, 0] * X + R[v, 0, 1] * Y
            a1 = R[v, 1, 0] * X + R[v, 1, 1] * Y
            a2 = R[v, 2, 0] * X + R[v, 2, 1] * Y
            z = a2 + t[v, 2]
            if not z > _NEAREST:
                continue
            x, y = (a0 + t[v, 0]) / z, (a1 + t[v, 1]) / z
            if fisheye:
                xd, yd = kannala_brandt(x, y, lens[v, COEFFICIENTS:], jacobian, by_coefficient)
            else:
                xd, yd = brown_conrady(x, y, lens[v, COEFFICIENTS:], jacobian, by_coefficient)
            residual_x = seen[v, m, 0] - fx * xd - lens[v, CX]
            residual_y = seen[v, m, 1] - fy * yd - lens[v, CY]
            if not (np.isfinite(residual_x) and np.isfinite(residual_y)):
                continue
            by_lens[0, FOCAL], by_lens[1, FOCAL] = fx * xd, fy * yd
            by_lens[0, ASPECT], by_lens[1, ASPECT] = fx * xd / 2.0, -fy * yd / 2.0
            for i in range(8):
                by_lens[0, COEFFICIENTS + i] = fx * by_coefficient[0, i]
                by_lens[1, COEFFICIENTS + i] = fy * by_coefficient[1, i]
            for row in range(2):
                f = fx if row == 0 else fy
                jx, jy = f * jacobian[row, 0] / z, f * jacobian[row, 1] / z
                jz = -(jx * x + jy * y)
                J[row, 0], J[row, 1], J[row, 2] = a1 * jz - a2 * jy, a2 * jx - a0 * jz, a0 * jy - a1 * jx
                J[row, 3], J[row, 4], J[row, 5] = jx, jy, jz
                for p in range(len(free)):
                    J[row, _POSE + p] = by_lens[row, free[p]]
            for i in range(size):
                wx, wy = w * J[0, i], w * J[1, i]
                g[v, i] += wx * residual_x + wy * residual_y
                for j in range(i + 1):
                    N[v, i, j] += wx * J[0, j] + wy * J[1, j]
        for i in range(size):
            for j in range(i):
                N[v, j, i] = N[v, i, j]
    return N, g
