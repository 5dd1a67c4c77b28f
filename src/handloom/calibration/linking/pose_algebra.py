"""Compiled steps of rigid transforms, and the small linear systems they come from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]

compiled: Any = njit(cache=True, nogil=True, error_model="numpy")


@compiled
def solve(A: Array, b: Array) -> bool:
    """Solution of A x = b left in b, by elimination with pivoting; False if A is singular. A is spent."""
    n = len(b)
    for k in range(n):
        pivot = k
        for i in range(k + 1, n):
            if abs(A[i, k]) > abs(A[pivot, k]):
                pivot = i
        if not abs(A[pivot, k]) > 1e-14:
            return False
        if pivot != k:
            for j in range(n):
                A[k, j], A[pivot, j] = A[pivot, j], A[k, j]
            b[k], b[pivot] = b[pivot], b[k]
        for i in range(k + 1, n):
            factor = A[i, k] / A[k, k]
            if factor != 0.0:
                for j in range(k, n):
                    A[i, j] -= factor * A[k, j]
                b[i] -= factor * b[k]
    for k in range(n - 1, -1, -1):
        for j in range(k + 1, n):
            b[k] -= A[k, j] * b[j]
        b[k] /= A[k, k]
    return True


@compiled
def turn(R: Array, x: float, y: float, z: float) -> None:
    """R ← R exp((x, y, z)), made orthonormal again."""
    angle2 = x * x + y * y + z * z
    angle = np.sqrt(angle2)
    first = np.sin(angle) / angle if angle > 1e-8 else 1.0
    second = (1.0 - np.cos(angle)) / angle2 if angle > 1e-8 else 0.5
    E = np.empty((3, 3))
    E[0, 0], E[1, 1], E[2, 2] = -(y * y + z * z), -(x * x + z * z), -(x * x + y * y)
    E[0, 1] = E[1, 0] = x * y
    E[0, 2] = E[2, 0] = x * z
    E[1, 2] = E[2, 1] = y * z
    E *= second
    E[0, 1] -= first * z
    E[1, 0] += first * z
    E[0, 2] += first * y
    E[2, 0] -= first * y
    E[1, 2] -= first * x
    E[2, 1] += first * x
    old = R.copy()
    for i in range(3):
        for j in range(3):
            R[i, j] += old[i, 0] * E[0, j] + old[i, 1] * E[1, j] + old[i, 2] * E[2, j]
    orthonormalise(R)


@compiled
def orthonormalise(R: Array) -> None:
    """The first two columns made a right-angled pair of unit length, the third their cross product."""
    length = np.sqrt(R[0, 0] ** 2 + R[1, 0] ** 2 + R[2, 0] ** 2)
    for i in range(3):
        R[i, 0] /= length
    along = R[0, 0] * R[0, 1] + R[1, 0] * R[1, 1] + R[2, 0] * R[2, 1]
    for i in range(3):
        R[i, 1] -= along * R[i, 0]
    length = np.sqrt(R[0, 1] ** 2 + R[1, 1] ** 2 + R[2, 1] ** 2)
    for i in range(3):
        R[i, 1] /= length
    R[0, 2] = R[1, 0] * R[2, 1] - R[2, 0] * R[1, 1]
    R[1, 2] = R[2, 0] * R[0, 1] - R[0, 0] * R[2, 1]
    R[2, 2] = R[0, 0] * R[1, 1] - R[1, 0] * R[0, 1]
