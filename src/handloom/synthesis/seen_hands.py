"""Hands as 21 keypoints that a camera sees, by the ten thousand a second: what lifting networks learn from.

No picture is made. Shapes and poses are those of the made pictures (``pictures/poses.py``), drawn for a whole
batch at once; the camera stands anywhere around the hand and near or far; the keypoints err as those of a
landmark network do: all of a hand together, finger by finger, more where something is before them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from handloom.fitting.hand_size import length_and_slope
from handloom.fitting.prior import recorded_prior
from handloom.hand import HAND_TREE, HandModel, load_open_hand
from handloom.hand.articulation import ANGLES, Articulation, SkinnedPoints, articulation, keypoints_of
from handloom.hand.kernel import articulate, compiled, place_points, posture
from handloom.skeleton import FINGERS, HAND
from handloom.synthesis.gestures import gesture, gesture_names
from handloom.synthesis.pictures.poses import SOURCES

Array = NDArray[np.float64]

DISTANCE_M = (0.25, 2.5)
"""Nearest and farthest, evenly over the logarithm."""


@dataclass(frozen=True)
class Errors:
    """How keypoints of a picture err: standard deviations as shares of the hand's size there.

    The size is the root mean square distance of the keypoints from their middle; about a third of the
    diagonal of the box around them.

    Attributes:
        joint: of every keypoint for itself.
        chain: from joint to joint along a finger, adding up.
        hidden: factor of both where a bone is before the keypoint.
        spread: of the logarithm of the whole over hands: some are read well, some badly.
        size: of the logarithm of the angular size, for lenses that are only assumed.
        convention: metres by which every keypoint of a person lies elsewhere than the model's.
        sure: share of hands of which no confidence is told (all are one).
    """

    joint: float = 0.06
    chain: float = 0.05
    hidden: float = 1.8
    spread: float = 0.4
    size: float = 0.1
    convention: float = 0.002
    sure: float = 0.6


@dataclass(frozen=True, eq=False)
class SeenHands:
    """Right hands, each before a camera of its own that looks at it.

    Attributes:
        rays: (N, 21, 2) x/z and y/z with errors.
        confidence: (N, 21).
        xyz: (N, 21, 3) metres in the camera's axes, around the middle of the keypoints, at the size of the
            mean hand.
    """

    rays: Array
    confidence: Array
    xyz: Array


def seen_hands(count: int, rng: np.random.Generator, errors: Errors | None = None) -> SeenHands:
    """Draw so many hands; a function of the generator's state alone."""
    errors = errors or Errors()
    model, hand, points, mean_length, slope = _hand()
    shapes = rng.normal(0.0, 1.0, (count, model.shape_count)).clip(-2.5, 2.5)
    angles = model.clamp(draw_angles(count, rng)).reshape(count, ANGLES)
    xyz = np.empty((count, len(HAND), 3))
    _place(hand, points, np.ascontiguousarray(angles), shapes, _rotations(count, rng), xyz)
    xyz += rng.normal(0.0, errors.convention, xyz.shape)
    xyz *= (mean_length / (mean_length + shapes @ slope))[:, None, None]
    xyz -= xyz.mean(axis=1, keepdims=True)
    low, high = np.log(DISTANCE_M)
    placed = xyz.copy()
    placed[..., 2] += np.exp(rng.uniform(low, high, count))[:, None]
    hidden = np.empty((count, len(HAND)))
    _hide(placed, _BONES, _THICKNESS, hidden)
    rays = placed[..., :2] / placed[..., 2:]
    size = np.sqrt(np.square(rays - rays.mean(axis=1, keepdims=True)).sum(axis=-1).mean(axis=1))
    scatter = size * np.exp(errors.spread * rng.standard_normal(count))
    steps = rng.standard_normal((2, count, len(HAND), 2))
    factor = scatter[:, None] * (1.0 + (errors.hidden - 1.0) * hidden)
    off = errors.chain * steps[0] * factor[..., None]
    off[:, 1:] = np.cumsum(off[:, 1:].reshape(count, len(FINGERS), -1, 2), axis=2).reshape(count, -1, 2)
    off += errors.joint * steps[1] * factor[..., None]
    # The lens may be another than assumed: all directions then have the same wrong factor.
    rays = (rays + off) * np.exp(errors.size * rng.standard_normal(count))[:, None, None]
    told = rng.random(count) >= errors.sure
    confidence = np.where(
        hidden > 0.5, rng.uniform(0.1, 0.7, hidden.shape), rng.uniform(0.6, 1.0, hidden.shape)
    )
    return SeenHands(rays, np.where(told[:, None], confidence, 1.0), xyz)


def draw_angles(count: int, rng: np.random.Generator) -> Array:
    """(count, 15, 3) angles from the sources of the made pictures, not yet brought within the limits."""
    shares = np.array(list(SOURCES.values()))
    kind = np.searchsorted(np.cumsum(shares) / shares.sum(), rng.random(count), side="right")
    angles = np.empty((count, len(HAND_TREE.articulated), 3))
    for i, name in enumerate(SOURCES):
        angles[kind == i] = _SAMPLERS[name](int((kind == i).sum()), rng)
    return angles


def _recorded(count: int, rng: np.random.Generator) -> Array:
    prior = recorded_prior()
    factor = np.linalg.cholesky(prior.covariance)
    of = rng.choice(len(prior.weight), count, p=prior.weight / prior.weight.sum())
    scatter = np.einsum("nij,nj->ni", factor[of], rng.standard_normal((count, ANGLES)))
    return np.asarray(prior.mean[of] + 1.15 * scatter).reshape(count, 15, 3)


def _gesture(count: int, rng: np.random.Generator) -> Array:
    named = _gestures()[rng.integers(len(_gestures()), size=count)]
    return named + rng.normal(0.0, 1.0, named.shape) * [0.14, 0.06, 0.03]


def _mixed(count: int, rng: np.random.Generator) -> Array:
    fingers = _gestures().reshape(-1, len(FINGERS), 3, 3)
    which = np.arange(len(FINGERS))
    first, second = (fingers[rng.integers(len(fingers), size=(count, len(FINGERS))), which] for _ in range(2))
    way = rng.random((count, len(FINGERS), 1, 1))
    angles = ((1 - way) * first + way * second).reshape(count, 15, 3)
    return np.asarray(angles + rng.normal(0.0, 0.08, angles.shape) * [1.0, 0.5, 0.2])


def _range(count: int, rng: np.random.Generator) -> Array:
    limits = _hand()[0].limits
    low, high = limits[..., 0], limits[..., 1]
    curl = 0.5 * rng.random((count, 1)) + 0.5 * rng.random((count, len(FINGERS)))
    share = np.clip(np.repeat(curl, 3, axis=1) + rng.normal(0.0, 0.18, (count, 15)), 0.0, 1.0)
    angles = 0.5 * (low + high) + rng.uniform(-0.5, 0.5, (count, *low.shape)) * (high - low)
    angles[..., 0] = low[:, 0] + share * (high - low)[:, 0]
    return np.asarray(angles)


_SAMPLERS = {"recorded": _recorded, "gesture": _gesture, "mixed": _mixed, "range": _range}


@cache
def _gestures() -> Array:
    return np.stack([gesture(name) for name in gesture_names()])


@cache
def _hand() -> tuple[HandModel, Articulation, SkinnedPoints, float, Array]:
    model = load_open_hand("right")
    return model, articulation(model), keypoints_of(model), *length_and_slope(model)


def _rotations(count: int, rng: np.random.Generator) -> Array:
    """(count, 3, 3) evenly over all rotations."""
    q = rng.standard_normal((count, 4))
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    return np.stack(
        [
            1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
            2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
            2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
        ],
        axis=-1,
    ).reshape(count, 3, 3)  # fmt: skip


@compiled
def _place(
    hand: Articulation, points: SkinnedPoints, angles: Array, shapes: Array, R: Array, out: Array
) -> None:
    now, origin = posture(shapes.shape[1]), np.zeros(3)
    for n in range(len(angles)):
        articulate(hand, angles[n], shapes[n], R[n], origin, False, now)
        place_points(points, shapes[n], now, out[n])


_KNUCKLES = [f"{finger}_mcp" for finger in FINGERS[1:]]
_PALM = [("wrist", "thumb_mcp"), ("thumb_mcp", "index_mcp"), *pairwise(_KNUCKLES)]
_BONES = np.array([*HAND.bone_indices, *(HAND.indices(pair) for pair in _PALM)])
_THICKNESS = np.where(np.arange(len(_BONES)) < len(HAND.bones), 0.008, 0.011)
_BEFORE_M = 0.010  # so much nearer something has to be to hide a joint


@compiled
def _hide(xyz: Array, bones: NDArray[np.int64], radii: Array, hidden: Array) -> None:
    """1 for every keypoint with a bone before it, 0 for the others."""
    for n in range(len(xyz)):
        for j in range(xyz.shape[1]):
            px, py, pz = xyz[n, j, 0], xyz[n, j, 1], xyz[n, j, 2]
            hidden[n, j] = 0.0
            for b in range(len(bones)):
                s, e = bones[b, 0], bones[b, 1]
                if s == j or e == j:
                    continue
                # On the line of sight that meets the bone's depth, compared in the joint's own plane.
                sx, sy = xyz[n, s, 0] * pz / xyz[n, s, 2], xyz[n, s, 1] * pz / xyz[n, s, 2]
                ex, ey = xyz[n, e, 0] * pz / xyz[n, e, 2], xyz[n, e, 1] * pz / xyz[n, e, 2]
                dx, dy = ex - sx, ey - sy
                along = ((px - sx) * dx + (py - sy) * dy) / max(dx * dx + dy * dy, 1e-12)
                along = min(max(along, 0.0), 1.0)
                z = xyz[n, s, 2] + along * (xyz[n, e, 2] - xyz[n, s, 2])
                off = (px - sx - along * dx) ** 2 + (py - sy - along * dy) ** 2
                if z < pz - _BEFORE_M and off < radii[b] ** 2:
                    hidden[n, j] = 1.0
                    break
