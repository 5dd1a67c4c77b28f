"""Compiled comparison of what two cameras say about the board at the moments that both saw it.

Camera a has the board at A, camera b at B. If X takes a's frame into b's, then B⁻¹ X A = (ρ, φ) is the
identity but for errors; S = Λa (Λa + Λb)⁻¹ Λb weighs it, Λ being the normal matrices of the two poses.
(ρ, φ)ᵀ S (ρ, φ) is by how much the squared reprojection errors of both views grow, to first order, when one
pose of the board has to serve both. Divided by the number of corners it says in pixels how far the two
cameras are from agreeing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.linking.pose_algebra import compiled, solve

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@compiled
def joint_information(La: Array, Lb: Array, S: Array) -> None:
    """S = Λa (Λa + Λb)⁻¹ Λb for every moment and pair of candidates.

    Args:
        La: (M, I, 6, 6); NaN where there is no candidate.
        Lb: (M, K, 6, 6).
        S: (M, I, K, 6, 6), written.
    """
    column = np.empty(6)
    for m in range(len(La)):
        for i in range(La.shape[1]):
            for k in range(Lb.shape[1]):
                S[m, i, k] = np.nan
                if np.isnan(La[m, i, 0, 0] + Lb[m, k, 0, 0]):
                    continue
                for j in range(6):
                    both = La[m, i] + Lb[m, k]
                    for row in range(6):
                        both[row, row] *= 1.0 + 1e-12
                    column[:] = Lb[m, k, :, j]
                    if solve(both, column):
                        for row in range(6):
                            total = 0.0
                            for inner in range(6):
                                total += La[m, i, row, inner] * column[inner]
                            S[m, i, k, row, j] = total
                for row in range(6):
                    for j in range(row):
                        S[m, i, k, row, j] = S[m, i, k, j, row] = 0.5 * (
                            S[m, i, k, row, j] + S[m, i, k, j, row]
                        )


@compiled
def difference(A: Array, B: Array, X: Array, out: Array) -> None:
    """B⁻¹ X A as a step: (6,) translation, then rotation vector."""
    M = np.empty((3, 4))
    for i in range(3):
        for j in range(4):
            M[i, j] = X[i, 0] * A[0, j] + X[i, 1] * A[1, j] + X[i, 2] * A[2, j]
        M[i, 3] += X[i, 3] - B[i, 3]
    for i in range(3):
        out[i] = B[0, i] * M[0, 3] + B[1, i] * M[1, 3] + B[2, i] * M[2, 3]
    E = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            E[i, j] = B[0, i] * M[0, j] + B[1, i] * M[1, j] + B[2, i] * M[2, j]
    x, y, z = 0.5 * (E[2, 1] - E[1, 2]), 0.5 * (E[0, 2] - E[2, 0]), 0.5 * (E[1, 0] - E[0, 1])
    sine = np.sqrt(x * x + y * y + z * z)
    cosine = 0.5 * (E[0, 0] + E[1, 1] + E[2, 2] - 1.0)
    angle = np.arctan2(sine, cosine)
    if sine > 1e-6:
        factor = angle / sine
        out[3], out[4], out[5] = factor * x, factor * y, factor * z
    elif cosine > 0.0:
        out[3], out[4], out[5] = x, y, z
    else:  # half a turn, about any axis: all are equally far off
        out[3], out[4], out[5] = np.pi, 0.0, 0.0


@compiled
def disagreement(
    A: Array, B: Array, S: Array, excess: Array, corners: Array, X: Array, error: Array, choice: Indices
) -> None:
    """How far the cameras are from agreeing at every moment, and on which of the candidates.

    Args:
        A, B: (M, I, 4, 4) and (M, K, 4, 4) candidate poses of the board.
        S: (M, I, K, 6, 6) from :func:`joint_information`.
        excess: (M, I, K) squared errors that a pair of candidates costs in itself, pixels².
        corners: (M,) corners in both views together.
        X: (4, 4) from a's frame to b's.
        error: (M,) pixels, written; infinite without candidates.
        choice: (M, 2) the best pair, written.
    """
    step = np.empty(6)
    for m in range(len(A)):
        lowest = np.inf
        choice[m, 0] = choice[m, 1] = 0
        for i in range(A.shape[1]):
            for k in range(B.shape[1]):
                if np.isnan(S[m, i, k, 0, 0]):
                    continue
                difference(A[m, i], B[m, k], X, step)
                total = excess[m, i, k]
                for row in range(6):
                    part = 0.0
                    for j in range(6):
                        part += S[m, i, k, row, j] * step[j]
                    total += part * step[row]
                if total < lowest:
                    lowest = total
                    choice[m, 0], choice[m, 1] = i, k
        error[m] = np.sqrt(max(lowest, 0.0) / corners[m])


@compiled
def best_hypothesis(
    A: Array, B: Array, S: Array, excess: Array, corners: Array, weights: Array,
    tried: Indices, judges: Indices, tolerance: float, X: Array,
) -> float:  # fmt: skip
    """The relative pose of one moment that most others agree with; returns their weight.

    Args:
        A, B, S, excess, corners: as for :func:`disagreement`.
        weights: (M,) of the moments.
        tried: moments that propose.
        judges: moments that are asked.
        tolerance: pixels at which a moment counts half.
        X: (4, 4), written.
    """
    A_, B_, S_, excess_, corners_ = A[judges], B[judges], S[judges], excess[judges], corners[judges]
    error = np.empty(len(judges))
    choice = np.empty((len(judges), 2), dtype=np.int64)
    best = -1.0
    trial = np.eye(4)
    for m in tried:
        for i in range(A.shape[1]):
            for k in range(B.shape[1]):
                if np.isnan(S[m, i, k, 0, 0]):
                    continue
                _relative(A[m, i], B[m, k], trial)
                disagreement(A_, B_, S_, excess_, corners_, trial, error, choice)
                support = 0.0
                for j in range(len(judges)):
                    support += weights[judges[j]] / (1.0 + (error[j] / tolerance) ** 2)
                support *= 1.0 - 1e-9 * (i + k)  # of equals, the likelier
                if support > best:
                    best = support
                    X[:] = trial
    return best


@compiled
def _relative(A: Array, B: Array, X: Array) -> None:
    """X = B A⁻¹."""
    for i in range(3):
        for j in range(3):
            X[i, j] = B[i, 0] * A[j, 0] + B[i, 1] * A[j, 1] + B[i, 2] * A[j, 2]
    for i in range(3):
        X[i, 3] = B[i, 3] - X[i, 0] * A[0, 3] - X[i, 1] * A[1, 3] - X[i, 2] * A[2, 3]


@compiled
def accumulate(
    A: Array, B: Array, S: Array, choice: Indices, weights: Array, X: Array, H: Array, g: Array
) -> None:
    """Normal equations of X for a step (ρ, φ) in a's frame: R ← R exp(φ), t ← t + R ρ.

    Args:
        A, B, S, choice: as for :func:`disagreement`.
        weights: (M,) of the moments.
        X: (4, 4).
        H: (6, 6), written.
        g: (6,), written.
    """
    H[:] = 0.0
    g[:] = 0.0
    step, J = np.empty(6), np.zeros((6, 6))
    for m in range(len(A)):
        w = weights[m]
        if w == 0.0:
            continue
        a, b = A[m, choice[m, 0]], B[m, choice[m, 1]]
        information = S[m, choice[m, 0], choice[m, 1]]
        difference(a, b, X, step)
        # A step (ρ, φ) in a's frame is (Rᵀ(ρ + φ × t), Rᵀφ) in the board's.
        x, y, z = a[0, 3], a[1, 3], a[2, 3]
        for i in range(3):
            r0, r1, r2 = a[0, i], a[1, i], a[2, i]
            J[i, 0] = J[i + 3, 3] = r0
            J[i, 1] = J[i + 3, 4] = r1
            J[i, 2] = J[i + 3, 5] = r2
            J[i, 3] = r2 * y - r1 * z
            J[i, 4] = r0 * z - r2 * x
            J[i, 5] = r1 * x - r0 * y
        SJ = information @ J
        H += w * (J.T @ SJ)
        g += w * (SJ.T @ step)


@compiled
def crowding(places: Array, near: float) -> Array:
    """(M,) how many moments have the board in nearly the same place, themselves included.

    Args:
        places: (M, P, 2) points of the board as both cameras see them.
        near: distance that no point may exceed.
    """
    count = len(places)
    crowd = np.ones(count)
    for m in range(count):
        for n in range(m):
            same = True
            for i in range(places.shape[1]):
                u, v = places[m, i, 0] - places[n, i, 0], places[m, i, 1] - places[n, i, 1]
                if u * u + v * v > near * near:
                    same = False
                    break
            if same:
                crowd[m] += 1.0
                crowd[n] += 1.0
    return crowd
