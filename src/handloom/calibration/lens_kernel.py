"""Lens distortion of one point with its derivatives, compiled: what the solvers of a calibration are made of.

The models are those of :mod:`handloom.cameras.lens`, which has their inverses and limits.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def brown_conrady(x, y, k, jacobian, by_coefficient):  # type: ignore[no-untyped-def]
    """Distorted coordinates of an ideal point (x, y) for OpenCV's eight coefficients k1 k2 p1 p2 k3 k4 k5 k6.

    Fills in ``jacobian`` (2, 2) by the point and ``by_coefficient`` (2, 8).
    """
    u = x * x + y * y
    above = 1.0 + u * (k[0] + u * (k[1] + u * k[4]))
    below = 1.0 + u * (k[5] + u * (k[6] + u * k[7]))
    factor = above / below
    slope = (k[0] + u * (2.0 * k[1] + 3.0 * u * k[4])) - factor * (k[5] + u * (2.0 * k[6] + 3.0 * u * k[7]))
    slope *= 2.0 / below
    p1, p2 = k[2], k[3]
    jacobian[0, 0] = factor + x * x * slope + 2.0 * p1 * y + 6.0 * p2 * x
    jacobian[0, 1] = x * y * slope + 2.0 * p1 * x + 2.0 * p2 * y
    jacobian[1, 0] = jacobian[0, 1]
    jacobian[1, 1] = factor + y * y * slope + 6.0 * p1 * y + 2.0 * p2 * x
    power = u / below
    for above_index, below_index in ((0, 5), (1, 6), (4, 7)):
        by_coefficient[0, above_index] = x * power
        by_coefficient[1, above_index] = y * power
        by_coefficient[0, below_index] = -x * power * factor
        by_coefficient[1, below_index] = -y * power * factor
        power *= u
    by_coefficient[0, 2] = 2.0 * x * y
    by_coefficient[1, 2] = u + 2.0 * y * y
    by_coefficient[0, 3] = u + 2.0 * x * x
    by_coefficient[1, 3] = 2.0 * x * y
    return (
        x * factor + 2.0 * p1 * x * y + p2 * (u + 2.0 * x * x),
        y * factor + p1 * (u + 2.0 * y * y) + 2.0 * p2 * x * y,
    )


@njit(cache=True, nogil=True)
def kannala_brandt(x, y, k, jacobian, by_coefficient):  # type: ignore[no-untyped-def]
    """The same for OpenCV's fisheye, whose four coefficients come first among the eight."""
    u = x * x + y * y
    r = np.sqrt(u)
    by_coefficient[:] = 0.0
    if r < 1e-9:
        jacobian[0, 0] = jacobian[1, 1] = 1.0
        jacobian[0, 1] = jacobian[1, 0] = 0.0
        return x, y
    angle = np.arctan(r)
    a = angle * angle
    drawn = angle * (1.0 + a * (k[0] + a * (k[1] + a * (k[2] + a * k[3]))))
    slope = 1.0 + a * (3.0 * k[0] + a * (5.0 * k[1] + a * (7.0 * k[2] + a * 9.0 * k[3])))
    scale = drawn / r
    change = (slope / (1.0 + u) - scale) / u
    jacobian[0, 0] = scale + x * x * change
    jacobian[0, 1] = jacobian[1, 0] = x * y * change
    jacobian[1, 1] = scale + y * y * change
    power = angle * a / r
    for i in range(4):
        by_coefficient[0, i] = x * power
        by_coefficient[1, i] = y * power
        power *= a
    return x * scale, y * scale
