"""The Levenberg–Marquardt of a frame.

The five fingers hang on the six parameters of the place (and the shape) like the points of an arrow: as long
as no term couples fingers, their 9 × 9 blocks are eliminated on their own. One Cholesky factorisation does
both cases: fingers come first, and no row is touched left of its first entry that can differ from zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.fitting.equations import Observations, Room, Terms, evaluate, room_for
from handloom.hand.articulation import ANGLES, POSE, RIGID, Articulation, SkinnedPoints
from handloom.hand.kernel import compiled, finite

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


def elimination(columns: int, *, coupled: bool) -> tuple[Indices, Indices]:
    """Order in which the parameters of a frame are eliminated, fingers first.

    Args:
        columns: P, 51 or 51 + B.
        coupled: whether terms couple the fingers with each other (a pose prior does).

    Returns:
        (P,) parameter at each place of the order, and (P,) first place of each row that can differ from
        zero.
    """
    order = np.concatenate([np.arange(RIGID, POSE), np.arange(RIGID), np.arange(POSE, columns)])
    first = np.zeros(columns, dtype=np.int64)
    if not coupled:
        first[:ANGLES] = np.arange(ANGLES) // 9 * 9
    return order.astype(np.int64), first


def couples_fingers(keypoints: SkinnedPoints, terms: Terms) -> bool:
    """Whether a point moves with more than one finger, or a prior ties fingers together."""
    finger = (keypoints.spans - RIGID) // 9
    across = (keypoints.spans[:, 1] > keypoints.spans[:, 0]) & (
        finger[:, 0] != (keypoints.spans[:, 1] - 1 - RIGID) // 9
    )
    block = np.kron(np.eye(5), np.ones((9, 9))) > 0
    return bool(across.any() or np.any(terms.pose_precision[:, ~block]))


@compiled
def factorise(A: Array, first: Indices) -> bool:
    """Cholesky factor of a lower triangle, in place; False if the matrix is not positive definite."""
    for i in range(len(A)):
        row = A[i]
        for j in range(first[i], i):
            other, s = A[j], row[j]
            for k in range(max(first[i], first[j]), j):
                s -= row[k] * other[k]
            row[j] = s / other[j]
        s = row[i]
        for k in range(first[i], i):
            s -= row[k] * row[k]
        if not s > 0.0:
            return False
        row[i] = np.sqrt(s)
    return True


@compiled
def substitute(L: Array, first: Indices, x: Array) -> None:
    """Solve L Lᵀ x = x in place."""
    for i in range(len(x)):
        row, s = L[i], x[i]
        for k in range(first[i], i):
            s -= row[k] * x[k]
        x[i] = s / row[i]
    for i in range(len(x) - 1, -1, -1):
        row = L[i]
        x[i] /= row[i]
        for k in range(first[i], i):
            x[k] -= row[k] * x[i]


@compiled
def damped_step(
    H: Array, g: Array, damping: float, order: Indices, first: Indices, L: Array, step: Array, moved: Array
) -> bool:
    """Solve (H + damping · diag H) step = −g.

    Args:
        H, g: lower triangle and gradient.
        damping: Marquardt's λ.
        order, first: :func:`elimination`.
        L: (P, P) scratch; holds the factor afterwards.
        step: (P,) filled.
        moved: (P,) scratch.

    Returns:
        Whether the damped matrix was positive definite.
    """
    P = len(g)
    for i in range(P):
        u = order[i]
        for j in range(first[i], i):
            v = order[j]
            L[i, j] = H[u, v] if u > v else H[v, u]
        # What nothing speaks about stays where it is.
        L[i, i] = H[u, u] * (1.0 + damping) + 1e-9 + 1e-3 * damping
        moved[i] = -g[u]
    if not factorise(L, first):
        return False
    substitute(L, first, moved)
    for i in range(P):
        step[order[i]] = moved[i]
    return True


@compiled
def advance(
    angles: Array, R: Array, t: Array, shape: Array, step: Array,
    new_angles: Array, new_R: Array, new_t: Array, new_shape: Array,
) -> None:  # fmt: skip
    """The state after a step; the rotation is turned by the increment and made orthonormal again."""
    turn_from_left(R, step[0], step[1], step[2], new_R)
    for i in range(3):
        new_t[i] = t[i] + step[3 + i]
    for a in range(ANGLES):
        new_angles[a] = angles[a] + step[RIGID + a]
    for b in range(len(shape)):
        new_shape[b] = shape[b] + (step[POSE + b] if len(step) > POSE else 0.0)


@compiled
def turn_from_left(R: Array, x: float, y: float, z: float, out: Array) -> None:
    """out = exp((x, y, z)) R, orthonormal to rounding."""
    angle2 = x * x + y * y + z * z
    angle = np.sqrt(angle2)
    first = np.sin(angle) / angle if angle > 1e-8 else 1.0
    second = (1.0 - np.cos(angle)) / angle2 if angle > 1e-8 else 0.5
    for k in range(3):
        a, b, c = R[0, k], R[1, k], R[2, k]
        u, v, w = y * c - z * b, z * a - x * c, x * b - y * a
        out[0, k] = a + first * u + second * (y * w - z * v)
        out[1, k] = b + first * v + second * (z * u - x * w)
        out[2, k] = c + first * w + second * (x * v - y * u)
    # One Newton step towards orthonormality keeps rounding from adding up.
    for i in range(3):
        norm = out[i, 0] ** 2 + out[i, 1] ** 2 + out[i, 2] ** 2
        scale = 1.5 - 0.5 * norm
        for k in range(3):
            out[i, k] *= scale


@compiled
def fit_one(
    hand: Articulation,
    keypoints: SkinnedPoints,
    seen: Observations,
    terms: Terms,
    n: int,
    angles: Array,
    R: Array,
    t: Array,
    shape: Array,
    order: Indices,
    first: Indices,
    iterations: int,
    tolerance: float,
    room: Room,
    H: Array,
    g: Array,
    trial_H: Array,
    trial_g: Array,
    L: Array,
) -> tuple[float, int, bool]:
    """Levenberg–Marquardt from the state given, which is left at the best one found.

    It ends when the cost is expected to fall, or has fallen, by less than ``tolerance`` (in units of ½χ²),
    relative to costs above one.

    Returns:
        Cost, iterations, and whether it ended before ``iterations``. H and g are those of the state.
    """
    P, B = len(g), len(shape)
    step, moved = np.empty(P), np.empty(P)
    new_angles, new_R, new_t, new_shape = np.empty(ANGLES), np.empty((3, 3)), np.empty(3), np.empty(B)
    cost = evaluate(hand, keypoints, seen, terms, n, angles, R, t, shape, room, H, g)
    damping = 1e-4
    for iteration in range(iterations):
        fine = tolerance * max(1.0, cost)
        if not damped_step(H, g, damping, order, first, L, step, moved):
            damping = max(10.0 * damping, 1e-6)
            if damping > 1e10:
                return cost, iteration, False
            continue
        expected = 0.0
        for i in range(P):
            expected -= 0.5 * g[i] * step[i]
        if expected < fine and damping <= 1e-2:
            return cost, iteration, True
        advance(angles, R, t, shape, step, new_angles, new_R, new_t, new_shape)
        trial = evaluate(
            hand, keypoints, seen, terms, n, new_angles, new_R, new_t, new_shape, room, trial_H, trial_g
        )
        if trial < cost:
            angles[:], R[:], t[:], shape[:] = new_angles, new_R, new_t, new_shape
            fall, cost = cost - trial, trial
            H[:], g[:] = trial_H, trial_g
            damping = max(0.1 * damping, 1e-9)
            if fall < fine and damping <= 1e-2:
                return cost, iteration + 1, True
        else:
            damping *= 8.0
            if damping > 1e10:
                return cost, iteration + 1, True
    return cost, iterations, False


@compiled
def fit_each(
    hand: Articulation,
    keypoints: SkinnedPoints,
    seen: Observations,
    terms: Terms,
    angles: Array,
    R: Array,
    t: Array,
    shapes: Array,
    order: Indices,
    first: Indices,
    iterations: int,
    tolerance: float,
    costs: Array,
    taken: Indices,
    ended: NDArray[np.bool_],
) -> None:
    """Fit every frame on its own.

    Args:
        hand, keypoints, seen, terms: the problem.
        angles, R, t, shapes: (N, 45), (N, 3, 3), (N, 3), (N, B) where to begin; left at the fit. Frames
            that are NaN are left alone, with a NaN cost.
        order, first: :func:`elimination`; with 51 entries the shapes are kept, with 51 + B they are fitted.
        iterations, tolerance: see :func:`fit_one`.
        costs, taken, ended: (N,) filled: cost, iterations, whether converged.
    """
    P = len(order)
    room = room_for(len(keypoints.rest), shapes.shape[1], P)
    H, g = np.empty((P, P)), np.empty(P)
    trial_H, trial_g, L = np.empty((P, P)), np.empty(P), np.empty((P, P))
    for n in range(len(angles)):
        costs[n], taken[n], ended[n] = np.nan, 0, False
        if not (finite(angles[n, 0]) and finite(t[n, 0]) and finite(R[n, 0, 0])):
            continue
        costs[n], taken[n], ended[n] = fit_one(
            hand, keypoints, seen, terms, n, angles[n], R[n], t[n], shapes[n], order, first,
            iterations, tolerance, room, H, g, trial_H, trial_g, L,
        )  # fmt: skip
