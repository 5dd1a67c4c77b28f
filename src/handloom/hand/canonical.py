"""The canonical frame of a hand (Zimmermann & Brox 2017, section 4.3): one pose, wherever the hand points.

A hand in space is taken apart into its *canonical points*, a *rotation*, a *scale* and an *origin*. Points
are rows, so matrices stand on the right::

    mirrored(points, side) @ R * scale + origin  =  xyz

with ``mirrored`` the sign of z changed for right hands: the canonical frame is that of a left hand. In it the
middle finger's first joint lies on −y and the little finger's in the plane z = 0 with x > 0. Where a network
gives a rotation vector u, it stands for ``R = exp([u]×)``, the usual matrix of u, multiplied from the right.

The scale is the length of one bone. Figures of the paper are reproduced with the middle finger's first
phalanx, which the published code uses; the text of the paper speaks of the index finger.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.skeleton import HAND

Array = NDArray[np.float64]
Root = Literal["palm", "wrist"]

SCALE_BONE = ("middle_mcp", "middle_pip")
"""The bone of length 1 in the canonical frame."""

WRIST, MIDDLE, LITTLE = HAND.indices(["wrist", "middle_mcp", "little_mcp"])


class CanonicalHand(NamedTuple):
    """A hand taken apart.

    Attributes:
        points: (..., 21, 3) in units of the scale bone, a left hand's; the root, first of all, is 0.
        R: (..., 3, 3) rotation, for points as rows: from the canonical frame to that of ``xyz``.
        scale: (...) length of the scale bone, in the unit of ``xyz``.
        origin: (..., 3) the root in ``xyz``.
    """

    points: Array
    R: Array
    scale: Array
    origin: Array


def canonical(
    xyz: ArrayLike,
    side: str | ArrayLike,
    *,
    root: Root = "palm",
    given: Root = "wrist",
    bone: tuple[str, str] = SCALE_BONE,
) -> CanonicalHand:
    """Take hands apart; :func:`placed` puts them together again.

    Args:
        xyz: (..., 21, 3) joints in any unit and frame, in the order of ``HAND``.
        side: ``"left"`` or ``"right"``, or an array of these that broadcasts over the leading axes.
        root: the point at the origin, which is then the first of the 21: the ``"wrist"``, or the ``"palm"``,
            halfway from wrist to middle knuckle, as in the paper.
        given: which of the two ``xyz`` has there (STB's labels have the palm).
        bone: whose length is 1; ``("index_mcp", "index_pip")`` is what the paper's text says.

    Returns:
        NaN for a hand whose root, middle or little knuckle or scale bone is missing or has no length.
    """
    points = at_root(xyz, root, given)
    origin = points[..., WRIST, :]
    points = points - origin[..., None, :]
    near, far = HAND.indices(bone)
    scale = np.linalg.norm(points[..., far, :] - points[..., near, :], axis=-1)
    scale = np.where(scale > 0.0, scale, np.nan)
    points = points / scale[..., None, None]
    R = _aligning(points[..., MIDDLE, :], points[..., LITTLE, :])
    return CanonicalHand(mirrored(points @ R, side), np.swapaxes(R, -1, -2), scale, origin)


def placed(
    points: ArrayLike,
    R: ArrayLike,
    side: str | ArrayLike,
    scale: ArrayLike = 1.0,
    origin: ArrayLike = (0.0, 0.0, 0.0),
    *,
    root: Root = "palm",
    wanted: Root = "wrist",
) -> Array:
    """Put hands together from canonical points, rotation, scale and origin: the inverse of :func:`canonical`.

    Args:
        points: (..., 21, 3) canonical points.
        R: (..., 3, 3) rotations, for points as rows.
        side: ``"left"`` or ``"right"``, or an array of these.
        scale: (...) length of the scale bone.
        origin: (..., 3) where the root is to lie.
        root: which point is first in ``points``.
        wanted: which point is to be first in the result.

    Returns:
        (..., 21, 3) in the unit of ``scale`` and ``origin``.
    """
    turned = mirrored(points, side) @ np.asarray(R, dtype=np.float64)
    xyz = (
        turned * np.asarray(scale, dtype=np.float64)[..., None, None]
        + np.asarray(origin, dtype=np.float64)[..., None, :]
    )
    return at_root(xyz, wanted, root)


def mirrored(points: ArrayLike, side: str | ArrayLike) -> Array:
    """(..., J, 3) canonical points of a left hand as those of a hand of that side, and the other way."""
    points = np.asarray(points, dtype=np.float64)
    sides = np.asarray(side)
    if not np.isin(sides, ("left", "right")).all():
        raise ValueError(f"side must be 'left' or 'right', got {side!r}")
    sign = np.ones((*sides.shape, 3))
    sign[..., 2] = np.where(sides == "right", -1.0, 1.0)
    return np.asarray(points * sign[..., None, :])


def at_root(points: ArrayLike, root: Root, given: Root) -> Array:
    """(..., 21, D) points with the wrist or the palm's centre first.

    Args:
        points: (..., 21, D).
        root: ``"palm"`` or ``"wrist"``: which is wanted.
        given: which is there.
    """
    for name in (root, given):
        if name not in ("palm", "wrist"):
            raise ValueError(f"a hand's root is its 'palm' or its 'wrist', got {name!r}")
    points = np.array(points, dtype=np.float64)
    first, knuckle = points[..., WRIST, :], points[..., MIDDLE, :]
    if root == "palm" and given == "wrist":
        points[..., WRIST, :] = 0.5 * (first + knuckle)
    elif root == "wrist" and given == "palm":
        points[..., WRIST, :] = 2.0 * first - knuckle
    return points


def _aligning(middle: Array, little: Array) -> Array:
    """(..., 3, 3) rotation, from the right, that puts ``middle`` on −y and ``little`` at z = 0, x > 0.

    Args:
        middle, little: (..., 3) knuckles, from the root.
    """
    alpha = np.arctan2(middle[..., 0], middle[..., 1])
    about_z = _rotation(alpha, (0, 1))
    middle = _times(middle, about_z)
    about_x = _rotation(np.pi - np.arctan2(middle[..., 2], middle[..., 1]), (1, 2))
    little = _times(_times(little, about_z), about_x)
    about_y = _rotation(np.arctan2(little[..., 2], little[..., 0]), (2, 0))
    return about_z @ about_x @ about_y


def _rotation(angle: Array, plane: tuple[int, int]) -> Array:
    """(..., 3, 3) matrix that turns rows by ``angle``, from the plane's first axis to its second."""
    first, second = plane
    R = np.zeros((*np.shape(angle), 3, 3))
    R[..., range(3), range(3)] = 1.0
    R[..., first, first] = R[..., second, second] = np.cos(angle)
    R[..., first, second] = np.sin(angle)
    R[..., second, first] = -np.sin(angle)
    return R


def _times(row: Array, R: Array) -> Array:
    return np.einsum("...i,...ij->...j", row, R)
