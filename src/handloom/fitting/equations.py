"""What was measured of frames, what is known of hands, and the normal equations of both together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from handloom.fitting.residuals import (
    add_points,
    limit_residuals,
    point_residuals,
    pose_residuals,
    shape_residuals,
    state_residuals,
    view_residuals,
)
from handloom.hand.articulation import POSE, Articulation, SkinnedPoints
from handloom.hand.kernel import Posture, articulate, compiled, points_and_jacobian, posture

Array = NDArray[np.float64]


class Observations(NamedTuple):
    """What was measured of N frames, as the kernels read it.

    Attributes:
        points: (N, 21, 3) keypoints in the world.
        point_precision: (N, 21, 3, 3) their inverse covariance; zero where missing.
        view_R, view_t: (C, 3, 3) and (C, 3) of every view's T_camera_world.
        rays: (C, N, 21, 2) undistorted normalised image coordinates.
        ray_precision: (C, N, 21, 2) focal length over σ in pixels; zero where missing.
        expected_angles, expected_R, expected_t: (N, 45), (N, 3, 3), (N, 3) a state expected before.
        expected_precision: (N, 51) of rotation, place and angles, or (0, 51): nothing is expected.
    """

    points: Array
    point_precision: Array
    view_R: Array
    view_t: Array
    rays: Array
    ray_precision: Array
    expected_angles: Array
    expected_R: Array
    expected_t: Array
    expected_precision: Array


class Terms(NamedTuple):
    """What is known of hands in general, as the kernels read it.

    Attributes:
        point_knee, view_knee: where residuals of 3D and 2D keypoints begin to count linearly, in σ.
        limit_sigma: standard deviation of an angle beyond its limit, radians; 0 for no limits.
        pose_mean: (M, 45), M = 0 for no pose prior.
        pose_precision: (M, 45, 45).
        pose_offset: (M,).
        shape_mean, shape_precision: (B,).
    """

    point_knee: float
    view_knee: float
    limit_sigma: float
    pose_mean: Array
    pose_precision: Array
    pose_offset: Array
    shape_mean: Array
    shape_precision: Array


class Room(NamedTuple):
    """Room for the evaluation of one frame, used again for every frame."""

    now: Posture
    placed: Array
    J: Array
    information: Array
    gradient: Array


@compiled
def room_for(keypoints: int, shapes: int, columns: int) -> Room:
    """Room for a hand with so many keypoints, shape components and columns."""
    return Room(
        posture(shapes),
        np.empty((keypoints, 3)),
        np.zeros((keypoints, 3, columns)),
        np.empty((keypoints, 3, 3)),
        np.empty((keypoints, 3)),
    )


@compiled
def evaluate(
    hand: Articulation,
    keypoints: SkinnedPoints,
    seen: Observations,
    terms: Terms,
    n: int,
    angles: Array,
    R: Array,
    t: Array,
    shape: Array,
    room: Room,
    H: Array,
    g: Array,
) -> float:
    """Cost of frame n at a state, with its normal equations.

    Args:
        hand, keypoints: the hand.
        seen, terms: what was measured and what is known.
        n: frame.
        angles, R, t, shape: (45,), (3, 3), (3,), (B,) the state.
        room: :func:`room_for`.
        H, g: (P, P), lower triangle, and (P,), overwritten; P is 51 where the shape is given and 51 + B
            where it is sought.

    Returns:
        ½ rᵀr over all residuals.
    """
    by_shape = len(g) > POSE
    H[:] = 0.0
    g[:] = 0.0
    articulate(hand, angles, shape, R, t, by_shape, room.now)
    points_and_jacobian(hand, keypoints, shape, room.now, by_shape, room.placed, room.J)
    room.information[:] = 0.0
    room.gradient[:] = 0.0
    cost = point_residuals(
        room.placed,
        seen.points[n],
        seen.point_precision[n],
        terms.point_knee,
        room.information,
        room.gradient,
    )
    for c in range(len(seen.view_R)):
        cost += view_residuals(
            room.placed, seen.view_R[c], seen.view_t[c], seen.rays[c, n], seen.ray_precision[c, n],
            terms.view_knee, room.information, room.gradient,
        )  # fmt: skip
    add_points(room.J, keypoints.spans, room.information, room.gradient, H, g)
    if terms.limit_sigma > 0.0:
        cost += limit_residuals(angles, hand.lowest, hand.highest, terms.limit_sigma, H, g)
    if len(terms.pose_mean):
        cost += pose_residuals(angles, terms.pose_mean, terms.pose_precision, terms.pose_offset, H, g)
    if by_shape:
        cost += shape_residuals(shape, terms.shape_mean, terms.shape_precision, H, g)
    if len(seen.expected_precision):
        cost += state_residuals(
            angles, R, t, seen.expected_angles[n], seen.expected_R[n], seen.expected_t[n],
            seen.expected_precision[n], H, g,
        )  # fmt: skip
    return cost


@compiled
def normal_equations(
    hand: Articulation,
    keypoints: SkinnedPoints,
    seen: Observations,
    terms: Terms,
    angles: Array,
    R: Array,
    t: Array,
    shapes: Array,
    H: Array,
    g: Array,
    costs: Array,
) -> None:
    """Evaluate all frames: H (N, P, P) lower triangles, g (N, P), costs (N,), filled; shapes is (N, B)."""
    room = room_for(len(keypoints.rest), shapes.shape[1], g.shape[1])
    for n in range(len(angles)):
        costs[n] = evaluate(
            hand, keypoints, seen, terms, n, angles[n], R[n], t[n], shapes[n], room, H[n], g[n]
        )
