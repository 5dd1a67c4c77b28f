"""Pose correctives of a joint that bends: two features per joint, and the dense directions they stand for.

A rotation by θ about a unit axis n has R − I = sin θ [n]× + (1 − cos θ) [n]×². The two matrices are square to
each other, so that both coefficients are linear in the entries of R − I, whatever else the joint does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def bend_features(rotations: ArrayLike, axis: ArrayLike) -> Array:
    """(..., 2) sin θ and 1 − cos θ of (..., 3, 3) rotations by θ about a (3,) unit axis."""
    return (np.asarray(rotations, dtype=np.float64) - np.eye(3)).reshape(
        *np.shape(rotations)[:-2], 9
    ) @ _readers(np.asarray(axis, dtype=np.float64)).T


def bend_directions(
    joints: NDArray[np.integer], vertices: NDArray[np.integer], values: ArrayLike, axes: Array, count: int
) -> Array:
    """Pose directions (V, 3, 135) of correctives kept per joint and vertex.

    Args:
        joints: (N,) articulated joint of each entry.
        vertices: (N,) vertex of each entry.
        values: (N, 2, 3) displacement per unit of sin θ and of 1 − cos θ of the joint's flexion, metres.
        axes: (15, 3, 3) axes of the joints, flexion first.
        count: V.
    """
    directions = np.zeros((count, 3, len(axes), 9))
    readers = np.stack([_readers(axis) for axis in axes[:, 0]])
    entries = np.einsum("nfc,nfe->nce", np.asarray(values, dtype=np.float64), readers[joints])
    directions[vertices, :, joints] = entries
    return directions.reshape(count, 3, -1)


def _readers(axis: Array) -> Array:
    """(2, 9) what to multiply the entries of R − I by to read sin θ and 1 − cos θ off them."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.stack([cross.ravel() / 2, (cross @ cross).ravel() / 2])
