"""The hand through consecutive frames: poses tied by their accelerations, one banded system for all of them.

Unknown are rotation, place and angles of every frame; the shape is given. A frame's own normal equations
stand on the diagonal; second differences tie it to the two frames before and after, so that the matrix is
banded and one Cholesky factorisation solves a whole window. Since past and future enter alike, nothing lags.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, solveh_banded
from threadpoolctl import ThreadpoolController

from handloom.fitting.equations import Observations, Terms, normal_equations
from handloom.fitting.residuals import huber
from handloom.fitting.solver import advance
from handloom.hand.articulation import ANGLES, POSE, RIGID, Articulation, SkinnedPoints
from handloom.hand.kernel import compiled

Array = NDArray[np.float64]

BAND = 2 * POSE + 2
"""Unknowns below the diagonal: the same angle two frames later, any axis of the rotation two frames later."""


class Acceleration(NamedTuple):
    """What second differences in time may be.

    Attributes:
        precision: (51,) inverse standard deviations of rotation (rad/frame²), place and angles.
        knee: beyond so many standard deviations they count linearly, so that a real jerk is not flattened.
    """

    precision: Array
    knee: float


class States(NamedTuple):
    """Poses of T frames: (T, 45) angles, (T, 3, 3) rotations, (T, 3) places, (T, B) shapes."""

    angles: Array
    R: Array
    t: Array
    shapes: Array

    def part(self, start: int, stop: int) -> States:
        """A copy of some of the frames."""
        return States(*(array[start:stop].copy() for array in self))


def smooth_motion(
    hand: Articulation,
    keypoints: SkinnedPoints,
    seen: Observations,
    terms: Terms,
    states: States,
    acceleration: Acceleration,
    iterations: int,
    tolerance: float,
) -> tuple[States, bool]:
    """Levenberg–Marquardt over all poses of consecutive frames.

    Args:
        hand, keypoints, seen, terms: the problem of each frame.
        states: where to begin, finite; not changed.
        acceleration: what ties the frames.
        iterations: at most.
        tolerance: relative fall of the cost at which it ends.

    Returns:
        The poses, and whether the iteration came to rest.
    """
    with _blas().limit(limits=1, user_api="blas"):
        now = States(*(array.copy() for array in states))
        band, g, cost = _equations(hand, keypoints, seen, terms, now, acceleration)
        damping = 1e-6
        for _ in range(iterations):
            step = _step(band, g, damping)
            trial = States(*(np.empty_like(array) for array in now))
            advance_all(*now, step.reshape(-1, POSE), *trial)
            new_band, new_g, new_cost = _equations(hand, keypoints, seen, terms, trial, acceleration)
            if not new_cost < cost:
                # At rest, rounding decides whether the last digit falls or rises.
                if new_cost - cost < tolerance * cost and damping <= 1e-4:
                    return now, True
                damping = max(damping * 20.0, 1e-4)
                if damping > 1e8:
                    return now, True
                continue
            fall = cost - new_cost
            now, band, g, cost = trial, new_band, new_g, new_cost
            damping = max(damping / 10.0, 1e-9)
            if fall < tolerance * max(cost, 1.0) and damping <= 1e-2:
                return now, True
        return now, False


def pose_covariance(
    hand: Articulation,
    keypoints: SkinnedPoints,
    seen: Observations,
    terms: Terms,
    states: States,
    acceleration: Acceleration,
) -> Array:
    """(T, 51, 51) covariance of every pose, the other frames' not being known either.

    The matrix is block-tridiagonal in pairs of frames; the diagonal blocks of its inverse follow from one
    elimination forwards and one substitution backwards (Takahashi, Fagan & Chen 1973).
    """
    with _blas().limit(limits=1, user_api="blas"):
        band, _, _ = _equations(hand, keypoints, seen, terms, states, acceleration)
        frames = len(states.t)
        size = 2 * POSE
        pairs = (frames + 1) // 2
        diagonal, below = np.zeros((pairs, size, size)), np.zeros((pairs, size, size))
        unpack(band, diagonal, below)
        ridge = 1e-9 * np.eye(size)
        inverses = np.empty_like(diagonal)
        gains = np.empty_like(below)
        reduced = diagonal[0] + ridge
        for k in range(pairs):
            inverses[k] = np.linalg.inv(reduced)
            if k + 1 < pairs:
                gains[k] = below[k] @ inverses[k]
                reduced = diagonal[k + 1] + ridge - gains[k] @ below[k].T
        for k in range(pairs - 2, -1, -1):
            inverses[k] += gains[k].T @ inverses[k + 1] @ gains[k]
        blocks = np.empty((2 * pairs, POSE, POSE))
        blocks[0::2], blocks[1::2] = inverses[:, :POSE, :POSE], inverses[:, POSE:, POSE:]
        return blocks[:frames]


def single_covariance(
    hand: Articulation, keypoints: SkinnedPoints, seen: Observations, terms: Terms, states: States
) -> Array:
    """(T, 51, 51) covariance of every pose as if its frame were the only one."""
    frames = len(states.t)
    H, g = np.empty((frames, POSE, POSE)), np.empty((frames, POSE))
    normal_equations(hand, keypoints, seen, terms, *states, H, g, np.empty(frames))
    whole = np.tril(H) + np.swapaxes(np.tril(H, -1), -1, -2)
    # What nothing speaks about has, in effect, no upper bound.
    return np.asarray(np.linalg.inv(whole + 1e-9 * np.eye(POSE)), dtype=np.float64)


@cache
def _blas() -> ThreadpoolController:
    """Handle on the BLAS threads: on bands this narrow they spend their time waiting for each other."""
    return ThreadpoolController()


def _equations(
    hand: Articulation,
    keypoints: SkinnedPoints,
    seen: Observations,
    terms: Terms,
    states: States,
    acceleration: Acceleration,
) -> tuple[Array, Array, float]:
    """Band (51 T, BAND + 1), gradient (51 T,) and cost."""
    frames = len(states.t)
    H, g, costs = np.empty((frames, POSE, POSE)), np.empty((frames, POSE)), np.empty(frames)
    normal_equations(hand, keypoints, seen, terms, *states, H, g, costs)
    band = np.zeros((frames * POSE, BAND + 1))
    pack(H, band)
    cost = float(costs.sum())
    cost += add_accelerations(states.angles, states.R, states.t, *acceleration, band, g)
    return band, g.reshape(-1), cost


def _step(band: Array, g: Array, damping: float) -> Array:
    scratch = band.copy()
    scratch[:, 0] *= 1.0 + damping
    scratch[:, 0] += 1e-9 + 1e-3 * damping
    try:
        solved = solveh_banded(scratch.T, -g, overwrite_ab=True, lower=True, check_finite=False)
        return np.asarray(solved, dtype=np.float64)
    except LinAlgError:
        return _step(band, g, max(damping * 100.0, 1e-4))


@compiled
def pack(H: Array, band: Array) -> None:
    """Lower triangles (T, 51, 51) onto the diagonal of a band that holds column j of the matrix in row j."""
    for n in range(len(H)):
        for i in range(POSE):
            for j in range(i + 1):
                band[n * POSE + j, i - j] = H[n, i, j]


@compiled
def unpack(band: Array, diagonal: Array, below: Array) -> None:
    """A band as blocks of two frames: (K, 102, 102) on the diagonal and below each of them.

    A frame that is missing from the last pair gets the identity.
    """
    size = 2 * POSE
    for column in range(len(band)):
        k, j = column // size, column % size
        for offset in range(BAND + 1):
            row = column + offset
            if row >= len(band):
                break
            i = row - k * size
            if i < size:
                diagonal[k, i, j] = diagonal[k, j, i] = band[column, offset]
            else:
                below[k, i - size, j] = band[column, offset]
    for column in range(len(band), len(diagonal) * size):
        diagonal[column // size, column % size, column % size] = 1.0


@compiled
def advance_all(
    angles: Array, R: Array, t: Array, shapes: Array, steps: Array,
    new_angles: Array, new_R: Array, new_t: Array, new_shapes: Array,
) -> None:  # fmt: skip
    """The states after (T, 51) steps."""
    for n in range(len(steps)):
        advance(angles[n], R[n], t[n], shapes[n], steps[n], new_angles[n], new_R[n], new_t[n], new_shapes[n])


@compiled
def add_accelerations(
    angles: Array, R: Array, t: Array, precision: Array, knee: float, band: Array, g: Array
) -> float:
    """Second differences of angles, places and rotations.

    The rotation's is the change of the turn from frame to frame, in the world's axes; its derivatives are
    those of the logarithm to first order in the turn.

    Args:
        angles, R, t: (T, 45), (T, 3, 3), (T, 3).
        precision, knee: :class:`Acceleration`.
        band: (51 T, BAND + 1), added to.
        g: (T, 51), added to.

    Returns:
        Cost.
    """
    cost = 0.0
    weights = (1.0, -2.0, 1.0)
    before, after = np.empty(3), np.empty(3)
    D = np.empty((3, 3, 3))
    residual = np.empty(3)
    for n in range(1, len(t) - 1):
        turn_between(R[n - 1], R[n], before)
        turn_between(R[n], R[n + 1], after)
        D[:] = 0.0
        for i in range(3):
            residual[i] = precision[i] * (after[i] - before[i])
            D[0, i, i], D[1, i, i], D[2, i, i] = 1.0, -2.0, 1.0
        add_cross(D[0], before, 0.5)
        add_cross(D[1], before, 0.5)
        add_cross(D[1], after, -0.5)
        add_cross(D[2], after, -0.5)
        share, weight = huber(residual[0] ** 2 + residual[1] ** 2 + residual[2] ** 2, knee)
        cost += share
        for a in range(3):
            for u in range(3):
                s = 0.0
                for i in range(3):
                    s += precision[i] * D[a, i, u] * residual[i]
                g[n - 1 + a, u] += weight * s
                column = (n - 1 + a) * POSE + u
                for b in range(a, 3):
                    for v in range(3):
                        row = (n - 1 + b) * POSE + v
                        if row < column:
                            continue
                        s = 0.0
                        for i in range(3):
                            s += precision[i] * precision[i] * D[a, i, u] * D[b, i, v]
                        band[column, row - column] += weight * s
        squared = 0.0
        for i in range(3):
            residual[i] = precision[3 + i] * (t[n - 1, i] - 2.0 * t[n, i] + t[n + 1, i])
            squared += residual[i] * residual[i]
        share, weight = huber(squared, knee)
        cost += share
        for i in range(3):
            add_difference(n, 3 + i, precision[3 + i], residual[i], weight, weights, band, g)
        for a in range(ANGLES):
            p = precision[RIGID + a]
            r = p * (angles[n - 1, a] - 2.0 * angles[n, a] + angles[n + 1, a])
            share, weight = huber(r * r, knee)
            cost += share
            add_difference(n, RIGID + a, p, r, weight, weights, band, g)
    return cost


@compiled
def add_difference(
    n: int,
    column: int,
    precision: float,
    residual: float,
    weight: float,
    weights: tuple[float, float, float],
    band: Array,
    g: Array,
) -> None:
    """Normal equations of one second difference of one unknown around frame n."""
    for a in range(3):
        g[n - 1 + a, column] += weight * precision * weights[a] * residual
        for b in range(a, 3):
            band[(n - 1 + a) * POSE + column, (b - a) * POSE] += (
                weight * precision * precision * weights[a] * weights[b]
            )


@compiled
def add_cross(D: Array, w: Array, factor: float) -> None:
    """D += factor · [w]×."""
    D[0, 1] -= factor * w[2]
    D[0, 2] += factor * w[1]
    D[1, 0] += factor * w[2]
    D[1, 2] -= factor * w[0]
    D[2, 0] -= factor * w[1]
    D[2, 1] += factor * w[0]


@compiled
def turn_between(S: Array, R: Array, out: Array) -> None:
    """Rotation vector, in the world's axes, that takes S to R."""
    E = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            E[i, j] = R[i, 0] * S[j, 0] + R[i, 1] * S[j, 1] + R[i, 2] * S[j, 2]
    x, y, z = 0.5 * (E[2, 1] - E[1, 2]), 0.5 * (E[0, 2] - E[2, 0]), 0.5 * (E[1, 0] - E[0, 1])
    sine = np.sqrt(x * x + y * y + z * z)
    angle = np.arctan2(sine, 0.5 * (E[0, 0] + E[1, 1] + E[2, 2] - 1.0))
    scale = angle / sine if sine > 1e-9 else 1.0
    out[0], out[1], out[2] = x * scale, y * scale, z * scale
