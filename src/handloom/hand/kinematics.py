"""Forward kinematics: rest joints and rotations in, one rigid transform per joint out.

Formulas of Romero et al. 2017 (MANO): G_k = G_parent(k) · [R_k | J_k − J_parent(k)], and the skinning
transform A_k = G_k · [I | −J_k] that takes rest points along.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def rotation_from_vector(vector: ArrayLike) -> Array:
    """Rodrigues' formula, smooth through zero.

    Args:
        vector: (..., 3) axis times angle in radians.

    Returns:
        (..., 3, 3) rotation matrices.
    """
    v = np.asarray(vector, dtype=np.float64)
    squared = (v * v).sum(axis=-1)[..., None, None]
    angle = np.sqrt(squared)
    small = squared < 1e-8
    safe = np.where(small, 1.0, squared)
    first = np.where(small, 1.0 - squared / 6.0, np.sin(angle) / np.sqrt(safe))
    second = np.where(small, 0.5 - squared / 24.0, (1.0 - np.cos(angle)) / safe)
    cross = _cross_matrix(v)
    return np.eye(3) + first * cross + second * (cross @ cross)


def rotation_from_angles(angles: ArrayLike, axes: ArrayLike) -> Array:
    """Turn each joint about its own three axes: twist first, then abduction, then flexion.

    Args:
        angles: (..., J, 3) flexion, abduction, twist in radians.
        axes: (J, 3, 3) unit axes, one row per angle, in the frame of the rest pose.

    Returns:
        (..., J, 3, 3) rotation matrices.
    """
    turns = rotation_from_vector(np.asarray(angles, dtype=np.float64)[..., None] * np.asarray(axes))
    return turns[..., 0, :, :] @ turns[..., 1, :, :] @ turns[..., 2, :, :]


def vector_from_rotation(rotation: ArrayLike) -> Array:
    """(..., 3) axis times angle, at most half a turn, of (..., 3, 3) rotation matrices."""
    from scipy.spatial.transform import Rotation

    R = np.asarray(rotation, dtype=np.float64)
    return Rotation.from_matrix(R.reshape(-1, 3, 3)).as_rotvec().reshape(R.shape[:-1])


def angles_from_rotation(rotation: ArrayLike, axes: ArrayLike) -> Array:
    """The inverse of :func:`rotation_from_angles`.

    Args:
        rotation: (..., J, 3, 3) rotation matrices.
        axes: (J, 3, 3) unit axes, one row per angle, square to each other.

    Returns:
        (..., J, 3) flexion, abduction, twist in radians; abduction within a quarter turn.
    """
    A = np.asarray(axes, dtype=np.float64)
    # Where the axes make a left-handed frame, twist counts the other way round.
    hand = np.sign(np.linalg.det(A))
    frame = A * np.stack([np.ones_like(hand), np.ones_like(hand), hand], axis=-1)[..., None]
    local = frame @ np.asarray(rotation, dtype=np.float64) @ frame.swapaxes(-1, -2)
    flexion = np.arctan2(-local[..., 1, 2], local[..., 2, 2])
    abduction = np.arcsin(np.clip(local[..., 0, 2], -1.0, 1.0))
    twist = hand * np.arctan2(-local[..., 0, 1], local[..., 0, 0])
    return np.stack([flexion, abduction, twist], axis=-1)


def rigid(rotation: ArrayLike, translation: ArrayLike) -> Array:
    """(..., 4, 4) rigid transforms from (..., 3, 3) rotations and (..., 3) translations."""
    R, t = np.asarray(rotation, dtype=np.float64), np.asarray(translation, dtype=np.float64)
    T = np.zeros((*np.broadcast_shapes(R.shape[:-2], t.shape[:-1]), 4, 4))
    T[..., :3, :3] = R
    T[..., :3, 3] = t
    T[..., 3, 3] = 1.0
    return T


def nearest_rigid(T: ArrayLike) -> Array:
    """The rigid transform nearest to a (4, 4) one whose rotation has drifted."""
    T = np.asarray(T, dtype=np.float64)
    U, _, Vt = np.linalg.svd(T[:3, :3])
    return rigid(U @ Vt, T[:3, 3])


def joint_transforms(joints: ArrayLike, rotations: ArrayLike, parents: Sequence[int]) -> Array:
    """Compose the rotations of a chain of joints.

    Args:
        joints: (..., K, 3) joint positions at rest, metres.
        rotations: (..., K, 3, 3) rotation of each joint relative to its parent.
        parents: K parent indices, -1 for the root, every parent before its children.

    Returns:
        (..., K, 4, 4) transforms ``T_world_joint``: the joint's position and orientation after posing; at
        rest every frame is parallel to the world.
    """
    J, R = np.asarray(joints, dtype=np.float64), np.asarray(rotations, dtype=np.float64)
    offsets = J - np.where(np.array(parents)[:, None] < 0, 0.0, J[..., list(parents), :])
    local = rigid(R, offsets)
    world = np.empty_like(local)
    for joint, parent in enumerate(parents):
        here = local[..., joint, :, :]
        world[..., joint, :, :] = here if parent < 0 else world[..., parent, :, :] @ here
    return world


def skinning_transforms(joints: ArrayLike, transforms: ArrayLike) -> Array:
    """(..., K, 4, 4) transforms that take points of the rest pose along with each joint."""
    J, T = np.asarray(joints, dtype=np.float64), np.array(transforms, dtype=np.float64)
    T[..., :3, 3] -= (T[..., :3, :3] @ J[..., None])[..., 0]
    return T


def skin(points: ArrayLike, weights: ArrayLike, transforms: ArrayLike) -> Array:
    """Linear blend skinning.

    Args:
        points: (..., N, 3) rest points.
        weights: (N, K) weights whose rows sum to one.
        transforms: (..., K, 4, 4) skinning transforms.

    Returns:
        (..., N, 3) posed points.
    """
    A = np.asarray(transforms)[..., :3, :]
    flat = A.reshape(*A.shape[:-3], A.shape[-3], 12)
    blended = (np.asarray(weights) @ flat).reshape(*flat.shape[:-2], -1, 3, 4)
    return (blended[..., :3] @ np.asarray(points)[..., None])[..., 0] + blended[..., 3]


def _cross_matrix(v: Array) -> Array:
    x, y, z = np.moveaxis(v, -1, 0)
    zero = np.zeros_like(x)
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*v.shape[:-1], 3, 3)
