"""What a lifting network sees of a hand: its keypoints from a camera that looks straight at it.

Where a hand is in the picture, how large, how turned in the picture's plane and whether it is a left or a
right one says nothing of its pose. So keypoints are brought to one side (a left hand is mirrored), turned to
a virtual camera that looks at their middle with the middle knuckle above the wrist, and scaled to one size.
The size in the picture stays as a number of its own, for it says how strong the perspective is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.cameras.facing import facing
from handloom.skeleton import HAND

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

INPUTS = 3 * len(HAND) + 1
"""Per keypoint its place and its confidence, and the logarithm of the hand's angular size."""

USUAL_SIZE = -3.0
"""Logarithm of the angular size, in radians, that becomes an input of zero."""

_WRIST, _MIDDLE = HAND.indices(["wrist", "middle_mcp"])
_MIRROR = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class View:
    """Hands as the virtual camera sees them.

    Attributes:
        inputs: (..., 64) float32: x and y of every keypoint, zero where missing; their confidences; the size.
        facing: (..., 3, 3) from the axes of a level camera that looks straight at the hand to the camera's.
        roll: (..., 3, 3) from the axes of the virtual camera to those of the level one.
        left: (...) whether hands were mirrored.
    """

    inputs: NDArray[np.float32]
    facing: Array
    roll: Array
    left: Bools

    def turned(self, points: ArrayLike) -> Array:
        """(..., 21, 3) points of the camera's axes in those of the virtual camera."""
        p = np.asarray(points, dtype=np.float64)
        p = np.where(self.left[..., None, None], p * _MIRROR, p)
        return np.asarray(p @ self.facing @ self.roll)

    def turned_back(self, points: ArrayLike) -> Array:
        """(..., 21, 3) points of the virtual camera's axes in those of a camera that looks straight at the
        hand and is level with the picture: those of ``Reading.world``."""
        back = np.asarray(points, dtype=np.float64) @ np.swapaxes(self.roll, -1, -2)
        # The level camera of a mirrored hand is the mirrored level camera: one flip takes back both.
        return np.where(self.left[..., None, None], back * _MIRROR, back)


def normalised(rays: ArrayLike, left: ArrayLike, confidence: ArrayLike | None = None) -> View:
    """Bring keypoints to the virtual camera.

    Args:
        rays: (..., 21, 2) keypoints as ``Camera.undistort`` gives them: x/z and y/z; NaN where missing.
        left: (...) whether it is a left hand.
        confidence: (..., 21) in [0, 1]; one without.
    """
    xy = np.asarray(rays, dtype=np.float64)
    sides = np.broadcast_to(np.asarray(left, dtype=bool), xy.shape[:-2])
    known = np.asarray(np.isfinite(xy).all(axis=-1))
    xy = np.where(known[..., None], xy, 0.0)
    xy = xy * np.where(sides, -1.0, 1.0)[..., None, None] * [1.0, 0.0] + xy * [0.0, 1.0]
    sure = known.astype(np.float64)
    if confidence is not None:
        sure = sure * np.clip(np.nan_to_num(np.asarray(confidence, dtype=np.float64)), 0.0, 1.0)
    count = np.maximum(known.sum(axis=-1), 1)[..., None]
    middle = xy.sum(axis=-2) / count
    R = facing(np.concatenate([middle, np.ones_like(middle[..., :1])], axis=-1))
    directions = np.concatenate([xy, np.ones_like(xy[..., :1])], axis=-1) @ R
    seen = directions[..., :2] / directions[..., 2:]
    roll = _upright(seen, known)
    seen = seen @ roll[..., :2, :2]
    seen = np.where(known[..., None], seen, 0.0)
    size = np.sqrt((seen**2).sum(axis=(-1, -2)) / count[..., 0]).clip(1e-6)
    inputs = np.concatenate(
        [
            (seen / size[..., None, None]).reshape(*size.shape, -1),
            sure,
            (np.log(size) - USUAL_SIZE)[..., None],
        ],
        axis=-1,
    )
    return View(inputs.astype(np.float32), R, roll, sides)


def _upright(seen: Array, known: Bools) -> Array:
    """(..., 3, 3) whose columns are the axes of a camera that sees the middle knuckle above the wrist."""
    up = seen[..., _MIDDLE, :] - seen[..., _WRIST, :]
    up = np.where((known[..., _MIDDLE] & known[..., _WRIST])[..., None], up, [0.0, -1.0])
    length = np.linalg.norm(up, axis=-1)
    up = np.where((length > 1e-9)[..., None], up / np.maximum(length, 1e-9)[..., None], [0.0, -1.0])
    # The axes' +y looks down: against "up".
    x, y = -up[..., 1], up[..., 0]
    zero, one = np.zeros_like(x), np.ones_like(x)
    return np.stack([x, -up[..., 0], zero, y, -up[..., 1], zero, zero, zero, one], axis=-1).reshape(
        *x.shape, 3, 3
    )
