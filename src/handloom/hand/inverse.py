"""Analytic inverse kinematics: 21 keypoints in, joint angles and the hand's place out.

The palm gives the place (least-squares rotation by Horn's quaternions, 1987); then, from base to tip, every
joint takes the flexion and abduction that point its bone at the keypoint beyond it, in closed form, from
where the chain already built has arrived, so that errors do not add up along a finger. Joints that twist do
so as far as the plane in which the next joint bends demands.

Keypoints need not be joint centres (:attr:`HandModel.keypoints` are blends of what several joints carry).
Each sweep therefore aims at where the keypoint would be if one joint alone carried it, with the difference
known from the sweep before; a handful of sweeps settle. The result is the start of a fit, not a fit: on
noisy keypoints it amplifies the noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.hand.alignment import align
from handloom.hand.articulation import ANGLES, Articulation, SkinnedPoints, articulation, keypoints_of
from handloom.hand.kernel import (
    Posture,
    articulate,
    compiled,
    finite,
    multiply,
    place_points,
    posture,
    rotation_about,
)
from handloom.hand.model import HandModel
from handloom.hand.tree import HAND_TREE
from handloom.skeleton import FINGERS, HAND

Array = NDArray[np.float64]

SWEEPS = 6
"""Sweeps after which keypoints of the open hand change by less than the fit's tolerance."""

_TWISTING = np.deg2rad(4.0)  # joints whose twist has less room than this are not twisted
_BENT = np.sin(np.deg2rad(20.0))  # a bone bent less than this does not show the plane of its bending

_CHAINS = np.array(
    [[HAND_TREE.index(j) for j in HAND_TREE.joints if j.startswith(f)] for f in FINGERS], dtype=np.int64
)
_AIMS = np.array([HAND.indices(j for j in HAND.joints if j.startswith(f))[1:] for f in FINGERS], np.int64)
_PALM = np.array(
    HAND.indices(["wrist", "thumb_cmc", "index_mcp", "middle_mcp", "ring_mcp", "little_mcp"]), np.int64
)
_PALM_WEIGHTS = np.array([1.0, 0.3, 1.0, 1.0, 1.0, 1.0])  # the thumb's base moves within the palm


def inverse_kinematics(
    model: HandModel, keypoints: ArrayLike, shape: ArrayLike | None = None
) -> tuple[Array, Array]:
    """Angles and place of hands whose keypoints are known.

    Args:
        model: the hand.
        keypoints: (..., 21, 3) metres, NaN where missing. A joint whose next keypoint is missing stays at
            zero (or the nearest angle within its limits); a palm with fewer than three keypoints, or with all
            of them on a line, is placed by all keypoints of the hand together.
        shape: (..., B) standard deviations; the mean hand without.

    Returns:
        (..., 15, 3) angles, radians, not clamped to the limits, and (..., 4, 4) ``T_world_wrist``. Both are
        NaN for a hand without any keypoint.
    """
    P = np.asarray(keypoints, dtype=np.float64)
    beta = np.zeros(model.shape_count) if shape is None else np.asarray(shape, dtype=np.float64)
    batch = np.broadcast_shapes(P.shape[:-2], beta.shape[:-1])
    flat = np.ascontiguousarray(np.broadcast_to(P, (*batch, 21, 3)).reshape(-1, 21, 3))
    betas = np.ascontiguousarray(np.broadcast_to(beta, (*batch, len(beta.T))).reshape(-1, model.shape_count))
    angles, R, t = np.empty((len(flat), ANGLES)), np.empty((len(flat), 3, 3)), np.empty((len(flat), 3))
    invert(articulation(model), keypoints_of(model), flat, betas, angles, R, t, SWEEPS)
    T = np.zeros((len(flat), 4, 4))
    T[:, :3, :3], T[:, :3, 3], T[:, 3, 3] = R, t, 1.0
    return angles.reshape(*batch, 15, 3), T.reshape(*batch, 4, 4)


@compiled
def invert(
    hand: Articulation,
    points: SkinnedPoints,
    keypoints: Array,
    shapes: Array,
    angles: Array,
    R: Array,
    t: Array,
    sweeps: int,
) -> None:
    """Inverse kinematics of a batch.

    Args:
        hand, points: joints and the 21 keypoints of the model.
        keypoints: (N, 21, 3), NaN where missing.
        shapes: (N, B).
        angles, R, t: (N, 45), (N, 3, 3), (N, 3), filled.
        sweeps: how often the fingers are built; one is enough where keypoints are joint centres.
    """
    now = posture(shapes.shape[1])
    placed = np.empty((21, 3))
    for n in range(len(keypoints)):
        _invert_one(hand, points, keypoints[n], shapes[n], angles[n], R[n], t[n], now, placed, sweeps)


@compiled
def _seen(point: Array) -> bool:
    return finite(point[0]) and finite(point[1]) and finite(point[2])


@compiled
def _invert_one(
    hand: Articulation,
    points: SkinnedPoints,
    target: Array,
    shape: Array,
    angles: Array,
    R: Array,
    t: Array,
    now: Posture,
    placed: Array,
    sweeps: int,
) -> None:
    for a in range(ANGLES):
        angles[a] = min(max(0.0, hand.lowest[a]), hand.highest[a])
    weights, local, room = np.zeros(21), np.empty((21, 3)), np.empty((4, 3, 3))
    for i in range(len(_PALM)):
        if _seen(target[_PALM[i]]):
            weights[_PALM[i]] = _PALM_WEIGHTS[i]
    R[:] = np.eye(3)
    t[:] = 0.0
    for _ in range(sweeps):
        articulate(hand, angles, shape, R, t, False, now)
        place_points(points, shape, now, placed)
        for k in range(21):
            for i in range(3):
                local[k, i] = (
                    R[0, i] * (placed[k, 0] - t[0])
                    + R[1, i] * (placed[k, 1] - t[1])
                    + R[2, i] * (placed[k, 2] - t[2])
                )
        if not align(local, target, weights, R, t):
            for k in range(21):
                weights[k] = 1.0 if _seen(target[k]) else 0.0
            if not align(local, target, weights, R, t) and weights.sum() == 0.0:
                angles[:] = np.nan
                R[:] = np.nan
                t[:] = np.nan
                return
        for f in range(5):
            _aim_finger(hand, points, target, shape, angles, R, t, now, placed, f, room)


@compiled
def _aim_finger(
    hand: Articulation,
    points: SkinnedPoints,
    target: Array,
    shape: Array,
    angles: Array,
    R: Array,
    t: Array,
    now: Posture,
    placed: Array,
    finger: int,
    room: Array,
) -> None:
    """Turn the three joints of a finger, each towards the keypoint beyond it.

    ``now`` and ``placed`` are of the sweep before; what a keypoint's other joints added to its place is
    read there. ``room`` is (4, 3, 3) scratch.
    """
    G, turn, turned, spare = room[0], room[1], room[2], room[3]
    G[:] = R  # orientation and place of the parent, built anew in this sweep
    px, py, pz = _rotate(R, now.rest[0, 0], now.rest[0, 1], now.rest[0, 2])
    px, py, pz = px + t[0], py + t[1], pz + t[2]
    parent = 0
    for step in range(3):
        j, k = _CHAINS[finger, step], _AIMS[finger, step]
        a = j - 1
        x, y, z = _rotate(G, *_between(now, parent, j))
        px, py, pz = px + x, py + y, pz + z
        parent = j
        axes = hand.axes[a]
        if _seen(target[k]):
            bone = _carried(points, k, j, shape, now)
            wanted = _rotate_back(G, *_ahead(target, placed, k, j, bone, now, px, py, pz))
            done = _aim(axes, bone, wanted, 0.0, angles, a)
            roomy = hand.highest[3 * a + 2] - hand.lowest[3 * a + 2] > 2.0 * _TWISTING
            if done and roomy and step < 2 and _seen(target[_AIMS[finger, step + 1]]):
                # Where the next bone leaves the line of this one, the plane they span says how far the
                # joint has twisted.
                following, beyond = _CHAINS[finger, step + 1], _AIMS[finger, step + 1]
                _turn_of(axes, angles, a, turn, spare)
                multiply(G, turn, turned)
                x, y, z = _rotate(turned, *_between(now, j, following))
                next_bone = _carried(points, beyond, following, shape, now)
                ahead = _ahead(target, placed, beyond, following, next_bone, now, px + x, py + y, pz + z)
                ahead = _rotate_back(turned, ahead[0], ahead[1], ahead[2])
                twist = _twist(axes, hand.axes[following - 1], next_bone, ahead)
                twist = min(max(twist, hand.lowest[3 * a + 2]), hand.highest[3 * a + 2])
                _aim(axes, bone, wanted, twist, angles, a)
        _turn_of(axes, angles, a, turn, spare)
        multiply(G, turn, turned)
        G[:] = turned


@compiled
def _rotate(R, x, y, z):  # type: ignore[no-untyped-def]
    return (
        R[0, 0] * x + R[0, 1] * y + R[0, 2] * z,
        R[1, 0] * x + R[1, 1] * y + R[1, 2] * z,
        R[2, 0] * x + R[2, 1] * y + R[2, 2] * z,
    )


@compiled
def _rotate_back(R, x, y, z):  # type: ignore[no-untyped-def]
    return (
        R[0, 0] * x + R[1, 0] * y + R[2, 0] * z,
        R[0, 1] * x + R[1, 1] * y + R[2, 1] * z,
        R[0, 2] * x + R[1, 2] * y + R[2, 2] * z,
    )


@compiled
def _dot(axis, v):  # type: ignore[no-untyped-def]
    return axis[0] * v[0] + axis[1] * v[1] + axis[2] * v[2]


@compiled
def _between(now, parent, j):  # type: ignore[no-untyped-def]
    """From one rest joint to another."""
    return (
        now.rest[j, 0] - now.rest[parent, 0],
        now.rest[j, 1] - now.rest[parent, 1],
        now.rest[j, 2] - now.rest[parent, 2],
    )


@compiled
def _carried(points, k, j, shape, now):  # type: ignore[no-untyped-def]
    """Keypoint k at rest as seen from joint j."""
    x, y, z = points.rest[k, 0], points.rest[k, 1], points.rest[k, 2]
    for b in range(len(shape)):
        x += points.directions[k, 0, b] * shape[b]
        y += points.directions[k, 1, b] * shape[b]
        z += points.directions[k, 2, b] * shape[b]
    return x - now.rest[j, 0], y - now.rest[j, 1], z - now.rest[j, 2]


@compiled
def _ahead(target, placed, k, j, bone, now, px, py, pz):  # type: ignore[no-untyped-def]
    """From joint j, now at p, to where keypoint k would be if j alone carried it."""
    x, y, z = _rotate(now.rotations[j], bone[0], bone[1], bone[2])
    return (
        target[k, 0] - (placed[k, 0] - now.places[j, 0] - x) - px,
        target[k, 1] - (placed[k, 1] - now.places[j, 1] - y) - py,
        target[k, 2] - (placed[k, 2] - now.places[j, 2] - z) - pz,
    )


@compiled
def _turn_of(axes: Array, angles: Array, a: int, out: Array, spare: Array) -> None:
    """Rotation of a joint by its three angles."""
    rotation_about(axes[0], angles[3 * a], out)
    for i in range(1, 3):
        rotation_about(axes[i], angles[3 * a + i], spare)
        for row in range(3):
            x, y, z = out[row, 0], out[row, 1], out[row, 2]
            for column in range(3):
                out[row, column] = x * spare[0, column] + y * spare[1, column] + z * spare[2, column]


@compiled
def _wrapped(angle: float) -> float:
    return angle - 2.0 * np.pi * np.floor((angle + np.pi) / (2.0 * np.pi))


@compiled
def _aim(axes, bone, wanted, twist, angles, a):  # type: ignore[no-untyped-def]
    """Flexion and abduction that turn ``bone`` (twisted first) into the direction ``wanted``.

    Flexion leaves the part along its axis alone, so that part gives the abduction, and the flexion follows
    in the plane across its axis. False, and nothing done, where one of the two vectors vanishes.
    """
    length, distance = np.sqrt(_dot(bone, bone)), np.sqrt(_dot(wanted, wanted))
    if not (length > 1e-9 and distance > 1e-9):
        return False
    third = _cross(axes[0], axes[1])
    c, s = np.cos(twist), np.sin(twist)
    along, around = _dot(axes[2], bone) * (1.0 - c), _cross(axes[2], bone)
    b = (
        c * bone[0] + s * around[0] + along * axes[2, 0],
        c * bone[1] + s * around[1] + along * axes[2, 1],
        c * bone[2] + s * around[2] + along * axes[2, 2],
    )
    b0, b1, b2 = _dot(axes[0], b) / length, _dot(axes[1], b) / length, _dot(third, b) / length
    v0 = _dot(axes[0], wanted) / distance
    reach = np.sqrt(b0 * b0 + b2 * b2)
    if not reach > 1e-9:
        return False
    rise, lag = np.arcsin(min(max(v0 / reach, -1.0), 1.0)), np.arctan2(b0, b2)
    abduction, folded = _wrapped(rise - lag), _wrapped(np.pi - rise - lag)
    if abs(folded) < abs(abduction):
        abduction = folded
    left = b2 * np.cos(abduction) - b0 * np.sin(abduction)
    angles[3 * a] = _wrapped(np.arctan2(_dot(third, wanted), _dot(axes[1], wanted)) - np.arctan2(left, b1))
    angles[3 * a + 1] = abduction
    angles[3 * a + 2] = twist
    return True


@compiled
def _cross(u, v):  # type: ignore[no-untyped-def]
    return u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]


@compiled
def _twist(axes, following, bone, ahead):  # type: ignore[no-untyped-def]
    """Twist of a joint that lets the next one reach ``ahead`` without abducting.

    The part of R(−τ) ahead along the next flexion axis h must be what the bone at rest has there:
    h·(v − v∥) cos τ − h·(axis × v) sin τ + h·v∥ = h·bone.
    """
    length, distance = np.sqrt(_dot(bone, bone)), np.sqrt(_dot(ahead, ahead))
    if not (length > 1e-9 and distance > 1e-9):
        return 0.0
    down = _dot(axes[2], ahead) / distance
    if not 1.0 - down * down > _BENT * _BENT:
        return 0.0
    h = following[0]
    along = _dot(h, axes[2]) * down
    c = _dot(h, ahead) / distance - along
    s = -_dot(h, _cross(axes[2], ahead)) / distance
    size = np.sqrt(c * c + s * s)
    if not size > 1e-9:
        return 0.0
    spread = np.arccos(min(max((_dot(h, bone) / length - along) / size, -1.0), 1.0))
    lag = np.arctan2(s, c)
    one, other = _wrapped(lag + spread), _wrapped(lag - spread)
    return one if abs(one) < abs(other) else other
