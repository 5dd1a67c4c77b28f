"""Points of a posed hand and how they move with its parameters, compiled.

Derivatives are geometric: turning a joint at p about the world axis a moves a point q beyond it by
a × (q − p), so nothing differentiates through a rotation formula and nothing is singular at zero angles.
Parameters come in the order of :mod:`handloom.hand.articulation`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from handloom.hand.articulation import (
    ANGLES,
    POSE,
    RIGID,
    Articulation,
    SkinnedPoints,
    articulation,
)
from handloom.hand.model import HandModel

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

compiled: Any = njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})

exact: Any = njit(cache=True, nogil=True, error_model="numpy")
"""For what must tell NaN from numbers: reassociated arithmetic cannot."""


class Posture(NamedTuple):
    """What the joints of one posed hand come to; room that is used again for every pose.

    Attributes:
        rotations: (16, 3, 3) orientation of every joint in the world.
        places: (16, 3) joint positions in the world.
        turns: (15, 3, 3) world axis of every angle, one a row.
        local: (15, 3, 3) rotation of every joint relative to its parent.
        local_turns: (15, 3, 3) axis of every angle in the parent's frame.
        spread: (16, 3, B) derivative of the places by the shape.
        rest: (16, 3) rest joints of this shape.
        origin: (3,) the model's origin in the world, about which the hand turns as a whole: its wrist.
        moments: (16, 3) scratch.
    """

    rotations: Array
    places: Array
    turns: Array
    local: Array
    local_turns: Array
    spread: Array
    rest: Array
    origin: Array
    moments: Array


@exact
def finite(x: float) -> bool:
    """Whether x is a number; usable within :data:`compiled` functions."""
    return bool(np.isfinite(x))


@compiled
def posture(shapes: int) -> Posture:
    """Room for one posed hand of a model with so many shape components."""
    return Posture(
        np.empty((16, 3, 3)),
        np.empty((16, 3)),
        np.empty((15, 3, 3)),
        np.empty((15, 3, 3)),
        np.empty((15, 3, 3)),
        np.zeros((16, 3, shapes)),
        np.empty((16, 3)),
        np.empty(3),
        np.zeros((16, 3)),
    )


@compiled
def rotation_about(axis: Array, angle: float, R: Array) -> None:
    """Rodrigues' formula: a turn by ``angle`` about a unit axis, left in R."""
    c, s = np.cos(angle), np.sin(angle)
    d = 1.0 - c
    x, y, z = axis[0], axis[1], axis[2]
    R[0, 0], R[0, 1], R[0, 2] = c + d * x * x, d * x * y - s * z, d * x * z + s * y
    R[1, 0], R[1, 1], R[1, 2] = d * x * y + s * z, c + d * y * y, d * y * z - s * x
    R[2, 0], R[2, 1], R[2, 2] = d * x * z - s * y, d * y * z + s * x, c + d * z * z


@compiled
def multiply(A: Array, B: Array, C: Array) -> None:
    """C = A B of (3, 3) matrices; C is neither of them."""
    for i in range(3):
        for j in range(3):
            C[i, j] = A[i, 0] * B[0, j] + A[i, 1] * B[1, j] + A[i, 2] * B[2, j]


@compiled
def articulate(
    hand: Articulation, angles: Array, shape: Array, R: Array, t: Array, by_shape: bool, out: Posture
) -> None:
    """Pose the joints.

    Args:
        hand: the joints.
        angles: (45,) radians.
        shape: (B,) standard deviations.
        R, t: (3, 3) and (3,), rotation and place of the wrist.
        by_shape: whether ``out.spread`` is wanted.
        out: filled.
    """
    B = len(shape)
    for j in range(16):
        for i in range(3):
            total = hand.rest_joints[j, i]
            for b in range(B):
                total += hand.joint_directions[j, i, b] * shape[b]
            out.rest[j, i] = total
    first, second, both = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    for i in range(3):
        out.origin[i] = t[i]
        out.places[0, i] = t[i] + (
            R[i, 0] * out.rest[0, 0] + R[i, 1] * out.rest[0, 1] + R[i, 2] * out.rest[0, 2]
        )
        for k in range(3):
            out.rotations[0, i, k] = R[i, k]
        if by_shape:
            for b in range(B):
                out.spread[0, i, b] = (
                    R[i, 0] * hand.joint_directions[0, 0, b]
                    + R[i, 1] * hand.joint_directions[0, 1, b]
                    + R[i, 2] * hand.joint_directions[0, 2, b]
                )
    for j in range(1, 16):
        a, parent = j - 1, hand.parents[j]
        axes = hand.axes[a]
        rotation_about(axes[0], angles[3 * a], first)
        rotation_about(axes[1], angles[3 * a + 1], second)
        multiply(first, second, both)
        rotation_about(axes[2], angles[3 * a + 2], second)
        multiply(both, second, out.local[a])
        G = out.rotations[parent]
        multiply(G, out.local[a], out.rotations[j])
        for i in range(3):
            out.local_turns[a, 0, i] = axes[0, i]
            out.local_turns[a, 1, i] = (
                first[i, 0] * axes[1, 0] + first[i, 1] * axes[1, 1] + first[i, 2] * axes[1, 2]
            )
            out.local_turns[a, 2, i] = (
                both[i, 0] * axes[2, 0] + both[i, 1] * axes[2, 1] + both[i, 2] * axes[2, 2]
            )
        dx = out.rest[j, 0] - out.rest[parent, 0]
        dy = out.rest[j, 1] - out.rest[parent, 1]
        dz = out.rest[j, 2] - out.rest[parent, 2]
        for i in range(3):
            out.places[j, i] = out.places[parent, i] + G[i, 0] * dx + G[i, 1] * dy + G[i, 2] * dz
            for k in range(3):
                axis = out.local_turns[a, k]
                out.turns[a, k, i] = G[i, 0] * axis[0] + G[i, 1] * axis[1] + G[i, 2] * axis[2]
        if by_shape:
            D, E = hand.joint_directions[j], hand.joint_directions[parent]
            for i in range(3):
                for b in range(B):
                    out.spread[j, i, b] = (
                        out.spread[parent, i, b]
                        + G[i, 0] * (D[0, b] - E[0, b])
                        + G[i, 1] * (D[1, b] - E[1, b])
                        + G[i, 2] * (D[2, b] - E[2, b])
                    )


@compiled
def _rest_point(points: SkinnedPoints, n: int, shape: Array, now: Posture, out: Array) -> None:
    """Where a point lies before its joints carry it: shape and pose correctives applied."""
    for i in range(3):
        total = points.rest[n, i]
        for b in range(len(shape)):
            total += points.directions[n, i, b] * shape[b]
        out[i] = total
    if len(points.pose_directions):
        D = points.pose_directions[n]
        for a in range(15):
            for u in range(3):
                for v in range(3):
                    change = now.local[a, u, v] - (1.0 if u == v else 0.0)
                    k = 9 * a + 3 * u + v
                    for i in range(3):
                        out[i] += D[i, k] * change


@compiled
def place_points(points: SkinnedPoints, shape: Array, now: Posture, out: Array) -> None:
    """(N, 3) points of a posed hand in the world, left in ``out``."""
    rest = np.empty(3)
    for n in range(len(points.rest)):
        _rest_point(points, n, shape, now, rest)
        out[n] = 0.0
        for s in range(points.counts[n]):
            j, w = points.joints[n, s], points.weights[n, s]
            G = now.rotations[j]
            x, y, z = rest[0] - now.rest[j, 0], rest[1] - now.rest[j, 1], rest[2] - now.rest[j, 2]
            for i in range(3):
                out[n, i] += w * (now.places[j, i] + G[i, 0] * x + G[i, 1] * y + G[i, 2] * z)


@compiled
def points_and_jacobian(
    hand: Articulation,
    points: SkinnedPoints,
    shape: Array,
    now: Posture,
    by_shape: bool,
    placed: Array,
    J: Array,
) -> None:
    """Points in the world and their derivatives by rotation, place, angles and (if wanted) shape.

    Args:
        hand, points, shape: the hand.
        now: its posed joints.
        by_shape: whether the columns of the shape are wanted.
        placed: (N, 3), filled.
        J: (N, 3, 51 + B), or 51 columns without the shape. It must be zero when first handed in: only
            columns that can differ from zero are written.
    """
    B = len(shape)
    rest, blended = np.empty(3), np.empty((3, 3))
    moments = now.moments
    for n in range(len(points.rest)):
        _rest_point(points, n, shape, now, rest)
        Jn = J[n]
        placed[n] = 0.0
        for j in range(16):
            moments[j, 0] = moments[j, 1] = moments[j, 2] = 0.0
        correct = len(points.pose_directions) > 0
        if correct:
            blended[:] = 0.0
        if by_shape:
            for i in range(3):
                for b in range(B):
                    Jn[i, POSE + b] = 0.0
        for s in range(points.counts[n]):
            j, w = points.joints[n, s], points.weights[n, s]
            G = now.rotations[j]
            x, y, z = rest[0] - now.rest[j, 0], rest[1] - now.rest[j, 1], rest[2] - now.rest[j, 2]
            qx = now.places[j, 0] + G[0, 0] * x + G[0, 1] * y + G[0, 2] * z
            qy = now.places[j, 1] + G[1, 0] * x + G[1, 1] * y + G[1, 2] * z
            qz = now.places[j, 2] + G[2, 0] * x + G[2, 1] * y + G[2, 2] * z
            placed[n, 0] += w * qx
            placed[n, 1] += w * qy
            placed[n, 2] += w * qz
            above = j
            while above > 0:
                moments[above, 0] += w * (qx - now.places[above, 0])
                moments[above, 1] += w * (qy - now.places[above, 1])
                moments[above, 2] += w * (qz - now.places[above, 2])
                above = hand.parents[above]
            if correct:
                for i in range(3):
                    for k in range(3):
                        blended[i, k] += w * G[i, k]
            if by_shape:
                D, E = points.directions[n], hand.joint_directions[j]
                for i in range(3):
                    for b in range(B):
                        Jn[i, POSE + b] += w * (
                            now.spread[j, i, b]
                            + G[i, 0] * (D[0, b] - E[0, b])
                            + G[i, 1] * (D[1, b] - E[1, b])
                            + G[i, 2] * (D[2, b] - E[2, b])
                        )
        x = placed[n, 0] - now.origin[0]
        y = placed[n, 1] - now.origin[1]
        z = placed[n, 2] - now.origin[2]
        Jn[0, 1], Jn[0, 2], Jn[1, 0], Jn[1, 2], Jn[2, 0], Jn[2, 1] = z, -y, -z, x, y, -x
        Jn[0, 3], Jn[1, 4], Jn[2, 5] = 1.0, 1.0, 1.0
        for a in range((points.spans[n, 0] - RIGID) // 3, (points.spans[n, 1] - RIGID) // 3):
            m = moments[a + 1]
            for k in range(3):
                axis, column = now.turns[a, k], RIGID + 3 * a + k
                Jn[0, column] = axis[1] * m[2] - axis[2] * m[1]
                Jn[1, column] = axis[2] * m[0] - axis[0] * m[2]
                Jn[2, column] = axis[0] * m[1] - axis[1] * m[0]
        if correct:
            _add_correctives(points.pose_directions[n], points.spans[n], now, blended, Jn)


@compiled
def _add_correctives(D: Array, span: Indices, now: Posture, blended: Array, Jn: Array) -> None:
    """Derivatives through the pose correctives: dR of an angle is [axis]× R in the parent's frame."""
    moved = np.empty(3)
    for a in range((span[0] - RIGID) // 3, (span[1] - RIGID) // 3):
        R = now.local[a]
        for k in range(3):
            axis = now.local_turns[a, k]
            moved[:] = 0.0
            for v in range(3):
                dx = axis[1] * R[2, v] - axis[2] * R[1, v]
                dy = axis[2] * R[0, v] - axis[0] * R[2, v]
                dz = axis[0] * R[1, v] - axis[1] * R[0, v]
                for i in range(3):
                    moved[i] += D[i, 9 * a + v] * dx + D[i, 9 * a + 3 + v] * dy + D[i, 9 * a + 6 + v] * dz
            for i in range(3):
                Jn[i, RIGID + 3 * a + k] += (
                    blended[i, 0] * moved[0] + blended[i, 1] * moved[1] + blended[i, 2] * moved[2]
                )


@compiled
def _pose_all(hand, points, angles, shapes, R, t, placed, J):  # type: ignore[no-untyped-def]
    now = posture(shapes.shape[1])
    for n in range(len(angles)):
        articulate(hand, angles[n], shapes[n], R[n], t[n], True, now)
        points_and_jacobian(hand, points, shapes[n], now, True, placed[n], J[n])


def points_with_jacobian(
    model: HandModel,
    points: SkinnedPoints,
    angles: ArrayLike,
    shape: ArrayLike | None = None,
    T_world_wrist: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """Points of posed hands and their derivatives.

    Args:
        model: the hand.
        points: N points of it (:func:`~handloom.hand.articulation.keypoints_of` and the like).
        angles: (..., 15, 3) radians.
        shape: (..., B) standard deviations; the mean hand without.
        T_world_wrist: (..., 4, 4); the model's own frame without.

    Returns:
        (..., N, 3) points in the world, and (..., N, 3, 51 + B) their derivatives by [rotation increment in
        the world's axes about the wrist, place, angles, shape].
    """
    B = model.shape_count
    A = np.asarray(angles, dtype=np.float64)
    beta = np.zeros(B) if shape is None else np.asarray(shape, dtype=np.float64)
    T = np.eye(4) if T_world_wrist is None else np.asarray(T_world_wrist, dtype=np.float64)
    batch = np.broadcast_shapes(A.shape[:-2], beta.shape[:-1], T.shape[:-2])
    A = np.broadcast_to(A.reshape(*A.shape[:-2], ANGLES), (*batch, ANGLES)).reshape(-1, ANGLES)
    beta = np.broadcast_to(beta, (*batch, B)).reshape(-1, B)
    T = np.broadcast_to(T, (*batch, 4, 4)).reshape(-1, 4, 4)
    N, count = len(points.rest), len(A)
    placed, J = np.empty((count, N, 3)), np.zeros((count, N, 3, POSE + B))
    _pose_all(
        articulation(model), points, np.ascontiguousarray(A), np.ascontiguousarray(beta),
        np.ascontiguousarray(T[:, :3, :3]), np.ascontiguousarray(T[:, :3, 3]), placed, J,
    )  # fmt: skip
    return placed.reshape(*batch, N, 3), J.reshape(*batch, N, 3, POSE + B)
