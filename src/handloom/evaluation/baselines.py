"""Predictions that need no picture: whoever is not clearly better than these has shown nothing (§9.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from handloom.errors import DataSetError
from handloom.evaluation.alignment import procrustes_aligned
from handloom.evaluation.hands import Hands, J

Array = NDArray[np.float64]

_MOST = 2000
"""So many hands, evenly spread, are enough for a mean."""
_ROUNDS = 8
_MIRROR = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class MeanPose:
    """One hand in the place of all.

    Attributes:
        right, left: (21 + V, 3) joints, then vertices, metres in the camera's axes: mean form, mean
            orientation and mean place of the wrist.
        right_xy, left_xy: (21, 2) mean pixels.
        source: the hands it is the mean of, in words.
        vertices: V.
    """

    right: Array
    left: Array
    right_xy: Array
    left_xy: Array
    source: str
    vertices: int

    def for_hands(self, truth: Hands) -> Hands:
        """The mean in every row of the truth; only the side is looked at."""
        is_left = np.array([side == "left" for side in truth.sides])[:, None, None]
        points = np.where(is_left, self.left, self.right)
        same_mesh = truth.vertices is not None and truth.vertices.shape[1] == self.vertices
        return replace(
            truth,
            xyz=points[:, :J],
            xy=np.where(is_left, self.left_xy, self.right_xy),
            vertices=points[:, J:] if same_mesh else None,
            right=None,
        )


def mean_pose(reference: Hands, source: str) -> MeanPose:
    """The mean of hands that are stated: of training data, or, as an optimistic stand-in, of the test data.

    The form is the generalised Procrustes mean (rigid, so that size is kept) with left hands mirrored; it is
    turned to the mean orientation and put at the mean wrist of each side.

    Args:
        reference: hands with joints in space.
        source: what they are, in words.

    Raises:
        DataSetError: if no hand has all its joints.
    """
    points = reference.xyz
    if reference.vertices is not None:
        points = np.concatenate([points, reference.vertices], axis=1)
    whole = np.flatnonzero(np.isfinite(points).all(axis=(1, 2)))
    if not len(whole) and reference.vertices is not None:
        return mean_pose(replace(reference, vertices=None), source)
    if not len(whole):
        raise DataSetError(
            "The mean pose cannot be made: no hand has all 21 joints in space.",
            "Give hands with whole labels as the reference.",
        )
    whole = whole[np.linspace(0, len(whole) - 1, min(len(whole), _MOST)).astype(int)]
    is_left = np.array([reference.sides[row] == "left" for row in whole])
    relative = points[whole] - points[whole, :1]
    right_handed = np.where(is_left[:, None, None], relative * _MIRROR, relative)
    form = _form(right_handed)
    xy = reference.xy[whole]
    placed, pixels = {}, {}
    for side, own, shape in (("right", ~is_left, form), ("left", is_left, form * _MIRROR)):
        if not own.any():
            own = np.ones_like(own)
        turned = procrustes_aligned(shape, relative[own].mean(axis=0), scaling=False)
        placed[side] = turned - turned[0] + points[whole[own], 0].mean(axis=0)
        pixels[side] = _mean_known(xy[own])
    size = 0 if reference.vertices is None else reference.vertices.shape[1]
    return MeanPose(placed["right"], placed["left"], pixels["right"], pixels["left"], source, size)


def zeros(truth: Hands) -> Hands:
    """Every point at the camera's centre, every pixel in the corner: §9.3's zero predictor."""
    return replace(
        truth,
        xyz=np.zeros_like(truth.xyz),
        xy=np.zeros_like(truth.xy),
        vertices=None if truth.vertices is None else np.zeros_like(truth.vertices),
        right=None,
    )


def _form(points: Array) -> Array:
    """Generalised Procrustes mean (Gower 1975) of (N, n, 3), its first point at the origin."""
    form = points[0]
    for _ in range(_ROUNDS):
        form = procrustes_aligned(points, form, scaling=False).mean(axis=0)
    return form - form[0]


def _mean_known(xy: Array) -> Array:
    known = np.isfinite(xy)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, xy, 0.0).sum(axis=0) / np.where(count > 0, count, 1), np.nan)
