"""A hand model as the compiled kernels read it: its joints, and points that ride on them.

The parameters of a hand are, in this order, a rotation increment in the world's axes about the wrist (3),
the wrist's place (3), the joint angles (45) and the shape (B).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.hand.model import HandModel
from handloom.hand.tree import HAND_TREE

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

RIGID = 6
ANGLES = 45
POSE = RIGID + ANGLES
"""Parameters without the shape: the first columns of every Jacobian."""

_JOINTS = len(HAND_TREE)


class Articulation(NamedTuple):
    """Joints as the kernels read them.

    Attributes:
        rest_joints: (16, 3).
        joint_directions: (16, 3, B).
        parents: (16,).
        axes: (15, 3, 3).
        lowest, highest: (45,) limits of the angles, radians.
    """

    rest_joints: Array
    joint_directions: Array
    parents: Indices
    axes: Array
    lowest: Array
    highest: Array


class SkinnedPoints(NamedTuple):
    """Points that ride on the joints.

    Attributes:
        rest: (N, 3) at zero angles and mean shape.
        directions: (N, 3, B) displacement per shape coefficient.
        joints: (N, K) joints a point rides on.
        weights: (N, K) by how much; trailing zeros are not read.
        counts: (N,) how many of the K are in use.
        pose_directions: (N, 3, 135) displacement per entry of the joints' rotations less the identity, or
            (0, 3, 135) where the model has no pose correctives.
        spans: (N, 2) first and last + 1 of the columns among which the angles lie that move the point.
    """

    rest: Array
    directions: Array
    joints: Indices
    weights: Array
    counts: Indices
    pose_directions: Array
    spans: Indices


def articulation(model: HandModel) -> Articulation:
    """The joints of a model."""
    limits = model.limits.reshape(ANGLES, 2)
    return Articulation(
        np.ascontiguousarray(model.rest_joints),
        np.ascontiguousarray(model.joint_directions),
        np.array(HAND_TREE.parents, dtype=np.int64),
        np.ascontiguousarray(model.axes),
        np.ascontiguousarray(limits[:, 0]),
        np.ascontiguousarray(limits[:, 1]),
    )


def skinned_points(
    rest: ArrayLike, directions: ArrayLike, weights: ArrayLike, pose_directions: ArrayLike | None = None
) -> SkinnedPoints:
    """Gather points for the kernels.

    Args:
        rest: (N, 3) rest positions, metres.
        directions: (N, 3, B) displacement per shape coefficient.
        weights: (N, 16) skinning weights; rows sum to one.
        pose_directions: (N, 3, 135) pose correctives, if any.
    """
    W = np.asarray(weights, dtype=np.float64)
    counts = np.maximum((W > 0).sum(axis=1), 1)
    order = np.argsort(-W, axis=1, kind="stable")[:, : counts.max()]
    correctives = np.zeros((0, 3, 9 * (_JOINTS - 1)))
    if pose_directions is not None and np.any(pose_directions):
        correctives = np.ascontiguousarray(pose_directions, dtype=np.float64)
    moves = np.zeros((len(W), _JOINTS), dtype=bool)
    for joint in range(_JOINTS - 1, 0, -1):
        moves[:, joint] |= W[:, joint] > 0
        moves[:, HAND_TREE.parents[joint]] |= moves[:, joint]
    if len(correctives):
        moves[:, 1:] |= correctives.reshape(len(W), 3, -1, 9).any(axis=(1, 3))
    articulated = moves[:, 1:]
    first = np.where(articulated.any(axis=1), articulated.argmax(axis=1), 0)
    last = np.where(articulated.any(axis=1), _JOINTS - 1 - articulated[:, ::-1].argmax(axis=1), 0)
    return SkinnedPoints(
        np.ascontiguousarray(rest, dtype=np.float64),
        np.ascontiguousarray(directions, dtype=np.float64),
        np.ascontiguousarray(order),
        np.ascontiguousarray(np.take_along_axis(W, order, axis=1)),
        counts.astype(np.int64),
        correctives,
        np.stack([RIGID + 3 * first, RIGID + 3 * last], axis=1).astype(np.int64),
    )


def keypoints_of(model: HandModel) -> SkinnedPoints:
    """The 21 keypoints of a model."""
    return skinned_points(
        model.rest_keypoints,
        model.keypoint_directions,
        model.keypoint_weights,
        getattr(model, "keypoint_pose_directions", None),
    )


def vertices_of(model: HandModel, chosen: ArrayLike | None = None) -> SkinnedPoints:
    """The vertices of a model, or those of the given (n,) indices."""
    pick = np.arange(len(model.template)) if chosen is None else np.asarray(chosen)
    correctives = getattr(model, "pose_directions", None)
    return skinned_points(
        model.template[pick],
        model.shape_directions[pick],
        model.weights[pick],
        None if correctives is None else correctives[pick],
    )
