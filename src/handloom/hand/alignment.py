"""The rotation and translation that take points onto points, compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.hand.kernel import compiled

Array = NDArray[np.float64]


@compiled
def align(source: Array, target: Array, weights: Array, R: Array, t: Array) -> bool:
    """Rotation and translation that take source points onto target points, least squares (Horn 1987).

    Args:
        source, target: (n, 3).
        weights: (n,), zero where a point does not count (its coordinates are not read).
        R, t: filled. With no more than a line of points the rotation is one of many; with a single point it
            is left alone.

    Returns:
        Whether the points fix the rotation.
    """
    total = weights.sum()
    if not total > 0.0:
        return False
    a, b = np.zeros(3), np.zeros(3)
    for k in range(len(weights)):
        if weights[k] > 0.0:
            for i in range(3):
                a[i] += weights[k] / total * source[k, i]
                b[i] += weights[k] / total * target[k, i]
    S, inertia = np.zeros((3, 3)), np.zeros((3, 3))
    for k in range(len(weights)):
        if weights[k] > 0.0:
            for i in range(3):
                for j in range(3):
                    S[i, j] += weights[k] * (source[k, i] - a[i]) * (target[k, j] - b[j])
                    inertia[i, j] += weights[k] * (target[k, i] - b[i]) * (target[k, j] - b[j])
    # The two largest spreads of the target, by the invariants of its inertia: a line has only one.
    trace = inertia[0, 0] + inertia[1, 1] + inertia[2, 2]
    minors = (
        inertia[0, 0] * inertia[1, 1] - inertia[0, 1] ** 2
        + inertia[0, 0] * inertia[2, 2] - inertia[0, 2] ** 2
        + inertia[1, 1] * inertia[2, 2] - inertia[1, 2] ** 2
    )  # fmt: skip
    fixed = trace > 0.0 and minors > 1e-4 * trace * trace
    if trace > 0.0:
        N = np.empty((4, 4))
        N[0, 0] = S[0, 0] + S[1, 1] + S[2, 2]
        N[1, 1] = S[0, 0] - S[1, 1] - S[2, 2]
        N[2, 2] = S[1, 1] - S[0, 0] - S[2, 2]
        N[3, 3] = S[2, 2] - S[0, 0] - S[1, 1]
        N[0, 1] = N[1, 0] = S[1, 2] - S[2, 1]
        N[0, 2] = N[2, 0] = S[2, 0] - S[0, 2]
        N[0, 3] = N[3, 0] = S[0, 1] - S[1, 0]
        N[1, 2] = N[2, 1] = S[0, 1] + S[1, 0]
        N[1, 3] = N[3, 1] = S[2, 0] + S[0, 2]
        N[2, 3] = N[3, 2] = S[1, 2] + S[2, 1]
        w, x, y, z = _largest(N)
        R[0, 0], R[0, 1], R[0, 2] = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
        R[1, 0], R[1, 1], R[1, 2] = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
        R[2, 0], R[2, 1], R[2, 2] = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)
    for i in range(3):
        t[i] = b[i] - (R[i, 0] * a[0] + R[i, 1] * a[1] + R[i, 2] * a[2])
    return fixed


@compiled
def _largest(N: Array) -> tuple[float, float, float, float]:
    """Unit eigenvector of the largest eigenvalue of a symmetric (4, 4) matrix, by Jacobi rotations."""
    V = np.eye(4)
    for _ in range(12):
        off = 0.0
        for p in range(3):
            for q in range(p + 1, 4):
                off += N[p, q] * N[p, q]
        size = N[0, 0] ** 2 + N[1, 1] ** 2 + N[2, 2] ** 2 + N[3, 3] ** 2
        if off <= 1e-30 * size:
            break
        for p in range(3):
            for q in range(p + 1, 4):
                if N[p, q] == 0.0:
                    continue
                ratio = (N[q, q] - N[p, p]) / (2.0 * N[p, q])
                tangent = (1.0 if ratio >= 0.0 else -1.0) / (abs(ratio) + np.sqrt(ratio * ratio + 1.0))
                c = 1.0 / np.sqrt(tangent * tangent + 1.0)
                s = tangent * c
                for i in range(4):
                    N[i, p], N[i, q] = c * N[i, p] - s * N[i, q], s * N[i, p] + c * N[i, q]
                for i in range(4):
                    N[p, i], N[q, i] = c * N[p, i] - s * N[q, i], s * N[p, i] + c * N[q, i]
                for i in range(4):
                    V[i, p], V[i, q] = c * V[i, p] - s * V[i, q], s * V[i, p] + c * V[i, q]
    best = 0
    for p in range(1, 4):
        if N[p, p] > N[best, best]:
            best = p
    return V[0, best], V[1, best], V[2, best], V[3, best]
