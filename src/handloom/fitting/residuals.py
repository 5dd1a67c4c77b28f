"""What speaks for and against a posed hand: each residual as a small function that adds its own part.

Every function adds to the lower triangle of ``H`` = JᵀJ and to ``g`` = Jᵀr of a Gauss–Newton step and returns
its share of the cost ½ rᵀr. Residuals are whitened: one means one standard deviation, so that terms add up
without further weights. Columns are those of :mod:`handloom.hand.articulation`.

Whatever is said of a point in space (its triangulated place, its picture in any number of views, a mask it
should stay in) is first gathered as a (3, 3) information and a gradient of that point; the chain from points
to parameters is then walked once (:func:`add_points`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.hand.articulation import ANGLES, POSE, RIGID
from handloom.hand.kernel import compiled

Array = NDArray[np.float64]

_NEAREST = 1e-3  # metres or whatever the unit: what lies nearer to a camera's plane is not compared


@compiled
def huber(squared: float, knee: float) -> tuple[float, float]:
    """Cost and weight of a whitened squared residual: quadratic up to the knee, linear beyond."""
    if squared <= knee * knee:
        return 0.5 * squared, 1.0
    size = np.sqrt(squared)
    return knee * (size - 0.5 * knee), knee / size


@compiled
def point_residuals(
    placed: Array, target: Array, precision: Array, knee: float, information: Array, gradient: Array
) -> float:
    """3D keypoints, whitened by their covariance.

    Args:
        placed: (K, 3) points of the hand.
        target: (K, 3) where they were measured; not read where the precision is zero.
        precision: (K, 3, 3) inverse covariance, zero where missing.
        knee: residuals beyond so many standard deviations count linearly.
        information: (K, 3, 3), added to.
        gradient: (K, 3), added to.
    """
    cost = 0.0
    for k in range(len(placed)):
        W = precision[k]
        if W[0, 0] + W[1, 1] + W[2, 2] <= 0.0:
            continue
        x, y, z = placed[k, 0] - target[k, 0], placed[k, 1] - target[k, 1], placed[k, 2] - target[k, 2]
        wx = W[0, 0] * x + W[0, 1] * y + W[0, 2] * z
        wy = W[1, 0] * x + W[1, 1] * y + W[1, 2] * z
        wz = W[2, 0] * x + W[2, 1] * y + W[2, 2] * z
        share, weight = huber(x * wx + y * wy + z * wz, knee)
        cost += share
        gradient[k, 0] += weight * wx
        gradient[k, 1] += weight * wy
        gradient[k, 2] += weight * wz
        for i in range(3):
            for j in range(3):
                information[k, i, j] += weight * W[i, j]
    return cost


@compiled
def view_residuals(
    placed: Array,
    R: Array,
    t: Array,
    rays: Array,
    precision: Array,
    knee: float,
    information: Array,
    gradient: Array,
) -> float:
    """2D keypoints in one calibrated view.

    Args:
        placed: (K, 3) points of the hand in the world.
        R, t: (3, 3) and (3,) of the view's T_camera_world.
        rays: (K, 2) undistorted normalised image coordinates; not read where the precision is zero.
        precision: (K, 2) focal length over standard deviation in pixels, per axis; zero where missing.
        knee: residuals beyond so many standard deviations count linearly.
        information, gradient: (K, 3, 3) and (K, 3), added to.
    """
    cost = 0.0
    for k in range(len(placed)):
        if precision[k, 0] <= 0.0:
            continue
        X, Y, Z = placed[k, 0], placed[k, 1], placed[k, 2]
        qx = R[0, 0] * X + R[0, 1] * Y + R[0, 2] * Z + t[0]
        qy = R[1, 0] * X + R[1, 1] * Y + R[1, 2] * Z + t[1]
        qz = R[2, 0] * X + R[2, 1] * Y + R[2, 2] * Z + t[2]
        if not qz > _NEAREST:
            # Behind the camera nothing can be said but that this is worse than any place in front.
            cost += huber(1e8, knee)[0]
            continue
        x, y = qx / qz, qy / qz
        u, v = precision[k, 0] * (x - rays[k, 0]), precision[k, 1] * (y - rays[k, 1])
        share, weight = huber(u * u + v * v, knee)
        cost += share
        a, b = precision[k, 0] / qz, precision[k, 1] / qz
        for i in range(3):
            ui, vi = a * (R[0, i] - x * R[2, i]), b * (R[1, i] - y * R[2, i])
            gradient[k, i] += weight * (ui * u + vi * v)
            for j in range(3):
                uj, vj = a * (R[0, j] - x * R[2, j]), b * (R[1, j] - y * R[2, j])
                information[k, i, j] += weight * (ui * uj + vi * vj)
    return cost


@compiled
def add_points(
    J: Array, spans: NDArray[np.int64], information: Array, gradient: Array, H: Array, g: Array
) -> None:
    """From what is known of points to what that says about the parameters.

    Args:
        J: (K, 3, P) derivatives of the points.
        spans: (K, 2) columns between which a point's angles lie (:class:`SkinnedPoints`).
        information, gradient: (K, 3, 3) and (K, 3).
        H, g: (P, P), lower triangle, and (P,), added to.
    """
    P = len(g)
    for k in range(len(J)):
        W, v = information[k], gradient[k]
        if W[0, 0] + W[1, 1] + W[2, 2] <= 0.0:
            continue
        Jx, Jy, Jz = J[k, 0], J[k, 1], J[k, 2]
        starts = (0, spans[k, 0], min(POSE, P))
        ends = (RIGID, spans[k, 1], P)
        for part in range(3):
            for a in range(starts[part], ends[part]):
                x, y, z = Jx[a], Jy[a], Jz[a]
                wx = W[0, 0] * x + W[0, 1] * y + W[0, 2] * z
                wy = W[1, 0] * x + W[1, 1] * y + W[1, 2] * z
                wz = W[2, 0] * x + W[2, 1] * y + W[2, 2] * z
                g[a] += v[0] * x + v[1] * y + v[2] * z
                row = H[a]
                for other in range(part):
                    for b in range(starts[other], ends[other]):
                        row[b] += wx * Jx[b] + wy * Jy[b] + wz * Jz[b]
                for b in range(starts[part], a + 1):
                    row[b] += wx * Jx[b] + wy * Jy[b] + wz * Jz[b]


@compiled
def limit_residuals(angles: Array, lowest: Array, highest: Array, sigma: float, H: Array, g: Array) -> float:
    """Joint limits: beyond them, and only there, an angle costs by the standard deviation ``sigma``."""
    cost = 0.0
    weight = 1.0 / (sigma * sigma)
    for a in range(ANGLES):
        beyond = min(angles[a] - lowest[a], 0.0) + max(angles[a] - highest[a], 0.0)
        if beyond != 0.0:
            cost += 0.5 * weight * beyond * beyond
            g[RIGID + a] += weight * beyond
            H[RIGID + a, RIGID + a] += weight
    return cost


@compiled
def pose_residuals(angles: Array, mean: Array, precision: Array, offset: Array, H: Array, g: Array) -> float:
    """The pose prior: a mixture of Gaussians over the angles, of which the likeliest one counts.

    Args:
        angles: (45,).
        mean: (M, 45).
        precision: (M, 45, 45) inverse covariances.
        offset: (M,) ½ log det Σ − log weight, so that components compare; the smallest is 0.
        H, g: added to.
    """
    best, least = 0, np.inf
    pull, kept = np.empty(ANGLES), np.empty(ANGLES)
    for m in range(len(mean)):
        total = 0.0
        for a in range(ANGLES):
            row, s = precision[m, a], 0.0
            for b in range(ANGLES):
                s += row[b] * (angles[b] - mean[m, b])
            pull[a] = s
            total += s * (angles[a] - mean[m, a])
        total = 0.5 * total + offset[m]
        if total < least:
            best, least = m, total
            kept[:] = pull
    for a in range(ANGLES):
        g[RIGID + a] += kept[a]
        row, source = H[RIGID + a], precision[best, a]
        for b in range(a + 1):
            row[RIGID + b] += source[b]
    return least


@compiled
def shape_residuals(shape: Array, mean: Array, precision: Array, H: Array, g: Array) -> float:
    """The shape prior: (B,) mean and (B,) precision; coefficients are in standard deviations of people."""
    cost = 0.0
    for b in range(len(shape)):
        off = shape[b] - mean[b]
        cost += 0.5 * precision[b] * off * off
        g[POSE + b] += precision[b] * off
        H[POSE + b, POSE + b] += precision[b]
    return cost


@compiled
def state_residuals(
    angles: Array,
    R: Array,
    t: Array,
    expected_angles: Array,
    expected_R: Array,
    expected_t: Array,
    precision: Array,
    H: Array,
    g: Array,
) -> float:
    """Smoothness to a given state, such as the one predicted from the frames before.

    Args:
        angles, R, t: (45,), (3, 3), (3,) of the hand.
        expected_angles, expected_R, expected_t: the state expected.
        precision: (51,) of rotation (in the world's axes), place and angles; zero where nothing is expected.
        H, g: added to.
    """
    cost = 0.0
    if precision[0] + precision[1] + precision[2] > 0.0:
        x, y, z = _difference(R, expected_R)
        off = (x, y, z)
        for i in range(3):
            cost += 0.5 * precision[i] * off[i] * off[i]
            g[i] += precision[i] * off[i]
            H[i, i] += precision[i]
    for i in range(3):
        d = t[i] - expected_t[i]
        cost += 0.5 * precision[3 + i] * d * d
        g[3 + i] += precision[3 + i] * d
        H[3 + i, 3 + i] += precision[3 + i]
    for a in range(ANGLES):
        p = precision[RIGID + a]
        d = angles[a] - expected_angles[a]
        cost += 0.5 * p * d * d
        g[RIGID + a] += p * d
        H[RIGID + a, RIGID + a] += p
    return cost


@compiled
def _difference(R: Array, S: Array) -> tuple[float, float, float]:
    """Rotation vector, in the world's axes, that takes S to R."""
    D = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            D[i, j] = R[i, 0] * S[j, 0] + R[i, 1] * S[j, 1] + R[i, 2] * S[j, 2]
    x, y, z = 0.5 * (D[2, 1] - D[1, 2]), 0.5 * (D[0, 2] - D[2, 0]), 0.5 * (D[1, 0] - D[0, 1])
    sine = np.sqrt(x * x + y * y + z * z)
    angle = np.arctan2(sine, 0.5 * (D[0, 0] + D[1, 1] + D[2, 2] - 1.0))
    scale = angle / sine if sine > 1e-9 else 1.0
    return x * scale, y * scale, z * scale
