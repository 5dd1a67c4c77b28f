"""Hands that do not pass through themselves or each other: overlap of their capsules (algorithms.md §10.7 l).

The residual of two capsules is how deep they overlap, beyond what flesh gives way. At the nearest points of
their axes the distance changes only along the line between them, so its derivative needs no derivative of
where these points lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.hand import HandModel
from handloom.hand.articulation import SkinnedPoints, skinned_points
from handloom.hand.capsules import hand_capsules
from handloom.hand.tree import HAND_TREE

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


class Body(NamedTuple):
    """The capsules of one hand as points that its joints carry.

    Attributes:
        points: 2 C points, all starts before all ends. They ride on one joint each; their size stays that
            of the shape they were made for.
        radii: (C,).
        pairs: (M, 2) capsules that can touch each other.
        allowance: (M,) overlap of these that costs nothing, metres.
    """

    points: SkinnedPoints
    radii: Array
    pairs: Indices
    allowance: Array


def body(model: HandModel, shape: ArrayLike | None = None, give: float = 0.002) -> Body:
    """The capsules of a hand of one shape.

    Args:
        model: the hand.
        shape: (B,); the mean hand without.
        give: metres by which flesh gives way. Neighbouring fingers, whose capsules overlap in the flat hand,
            may overlap by so much more.
    """
    capsules = hand_capsules(model, shape)
    beta = np.zeros(model.shape_count) if shape is None else np.asarray(shape, dtype=np.float64)
    centres = model.rest_joints + model.joint_directions @ beta
    at = np.concatenate([capsules.joints, capsules.joints])
    ends = np.concatenate([capsules.starts, capsules.ends])
    directions = model.joint_directions[at]
    # The kernels add the shape's displacement themselves.
    points = skinned_points(centres[at] + ends - directions @ beta, directions, np.eye(len(HAND_TREE))[at])
    pairs = np.argwhere(np.triu(~capsules.touching(), 1))
    flat = centres[at] + ends
    C = len(capsules)
    overlap = _contacts(flat[:C], flat[C:], capsules.radii, pairs)[0]
    return Body(points, capsules.radii, pairs, np.maximum(overlap, 0.0) + give)


def pairs_between(bodies: Sequence[Body], give: float = 0.002) -> tuple[Indices, Array]:
    """All pairs that can touch: within each hand, and every capsule of one with every one of another.

    Returns:
        (M, 2) indices into the capsules of all bodies one after another, and (M,) the allowed overlap.
    """
    counts = [len(one.radii) for one in bodies]
    starts = np.cumsum([0, *counts])
    pairs = [one.pairs + start for one, start in zip(bodies, starts, strict=False)]
    allowed = [one.allowance for one in bodies]
    for i in range(len(bodies)):
        for j in range(i + 1, len(bodies)):
            grid = np.stack(np.meshgrid(np.arange(counts[i]), np.arange(counts[j]), indexing="ij"), axis=-1)
            pairs.append(grid.reshape(-1, 2) + starts[[i, j]])
            allowed.append(np.full(counts[i] * counts[j], give))
    return np.concatenate(pairs), np.concatenate(allowed)


def overlaps(starts: Array, ends: Array, radii: Array, pairs: Indices) -> Array:
    """(M,) depth by which capsules overlap, negative for a gap.

    Args:
        starts, ends: (C, 3) ends of the axes.
        radii: (C,).
        pairs: (M, 2).
    """
    return _contacts(starts, ends, radii, pairs)[0]


def collision_residuals(
    starts: Array,
    ends: Array,
    J_starts: Array,
    J_ends: Array,
    radii: Array,
    pairs: Indices,
    allowance: Array,
    sigma: float,
    H: Array,
    g: Array,
) -> float:
    """Capsules that overlap by more than they may.

    Args:
        starts, ends: (C, 3) ends of the axes in the world.
        J_starts, J_ends: (C, 3, P) their derivatives; P may be the parameters of several hands.
        radii: (C,).
        pairs, allowance: (M, 2), (M,).
        sigma: standard deviation of the overlap, metres.
        H, g: (P, P), both triangles, and (P,), added to.

    Returns:
        ½ rᵀr.
    """
    depth, line, s, t = _contacts(starts, ends, radii, pairs)
    excess = depth - allowance
    touch = np.flatnonzero(excess > 0.0)
    if not len(touch):
        return 0.0
    (i, j), n = pairs[touch].T, line[touch]
    s, t = s[touch, None, None], t[touch, None, None]
    apart = (1 - s) * J_starts[i] + s * J_ends[i] - (1 - t) * J_starts[j] - t * J_ends[j]
    rows = -(n[:, None] @ apart)[:, 0] / sigma
    r = excess[touch] / sigma
    H += rows.T @ rows
    g += rows.T @ r
    return 0.5 * float(r @ r)


def _contacts(starts: Array, ends: Array, radii: Array, pairs: Indices) -> tuple[Array, Array, Array, Array]:
    """Overlap (M,), unit line (M, 3) from the second to the first, place of the contact on both axes."""
    i, j = pairs.T
    u, v, w = ends[i] - starts[i], ends[j] - starts[j], starts[i] - starts[j]
    s, t = nearest_on_segments(u, v, w)
    away = w + s[:, None] * u - t[:, None] * v
    distance = np.linalg.norm(away, axis=1)
    # Axes that cross have no line between them: capsules part across both.
    across = np.cross(u, v) + 1e-12
    across *= np.where((across * (w + 0.5 * (u - v))).sum(axis=1) < 0.0, -1.0, 1.0)[:, None]
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    clear = distance > 1e-9
    line = np.where(clear[:, None], away / np.where(clear, distance, 1.0)[:, None], across)
    return radii[i] + radii[j] - distance, line, s, t


def nearest_on_segments(u: Array, v: Array, w: Array) -> tuple[Array, Array]:
    """Shares s, t in [0, 1] at which a + s u and b + t v are nearest, w = a − b (Ericson 2005, §5.1.9)."""
    uu, vv, uv = (u * u).sum(axis=1), (v * v).sum(axis=1), (u * v).sum(axis=1)
    uw, vw = (u * w).sum(axis=1), (v * w).sum(axis=1)
    tiny = 1e-18
    denominator = uu * vv - uv * uv
    skew = denominator > 1e-9 * uu * vv
    s = np.where(skew, np.clip((uv * vw - uw * vv) / np.where(skew, denominator, 1.0), 0.0, 1.0), 0.5)
    t = np.clip((uv * s + vw) / np.maximum(vv, tiny), 0.0, 1.0)
    s = np.clip((uv * t - uw) / np.maximum(uu, tiny), 0.0, 1.0)
    return s, t
