"""The virtual camera that looks straight at something seen off the axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def facing(direction: ArrayLike) -> Array:
    """(..., 3, 3) rotation from the axes of a camera that looks along ``direction`` to those of the camera.

    The shortest turn: a crop at the rim of a picture shows the hand as this virtual camera would see it.

    Args:
        direction: (..., 3) in the camera's axes, of any length, not backwards.
    """
    d = np.asarray(direction, dtype=np.float64)
    d = d / np.linalg.norm(d, axis=-1, keepdims=True)
    x, y, z = d[..., 0], d[..., 1], d[..., 2]
    zero = np.zeros_like(x)
    # The axis of the turn is forward × direction = (−y, x, 0).
    cross = np.stack([zero, zero, x, zero, zero, y, -x, -y, zero], axis=-1).reshape(*x.shape, 3, 3)
    return np.asarray(np.eye(3) + cross + cross @ cross / (1.0 + z)[..., None, None])
