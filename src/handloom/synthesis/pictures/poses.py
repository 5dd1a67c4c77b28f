"""Poses of one hand: recorded ones, gestures, and anything the joints allow; never through itself.

Sources: the Gaussian mixture of recorded poses that fits use (``fitting/pose_prior.npz``), the named gestures
with scatter and mixed finger by finger, and each finger anywhere within the joint limits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from handloom.fitting.collision import overlaps
from handloom.fitting.prior import recorded_prior
from handloom.hand import HAND_TREE, HandModel, load_open_hand
from handloom.hand.articulation import Articulation, articulation
from handloom.hand.capsules import Capsules, hand_capsules
from handloom.hand.kinematics import joint_transforms, rotation_from_angles
from handloom.synthesis.gestures import gesture, gesture_names
from handloom.synthesis.pictures.capsule_gaps import own_overlap

Array = NDArray[np.float64]

SOURCES = {"recorded": 0.35, "gesture": 0.25, "mixed": 0.32, "range": 0.08}
GIVE_M = 0.002
"""Overlap of two fingers' capsules beyond that of the flat hand by which flesh gives way."""
_TRIES = 5


@dataclass(frozen=True, eq=False)
class Flesh:
    """What poses of a hand of one shape are tested with; the same for both sides.

    Attributes:
        model: the right hand.
        shape: (B,).
        capsules: of that shape.
        pairs, allowance: (M, 2), (M,) capsules that can touch, and the overlap that costs nothing, metres.
    """

    model: HandModel
    shape: Array
    capsules: Capsules
    pairs: NDArray[np.int64]
    allowance: Array

    def of_side(self, side: str) -> Capsules:
        """The capsules of either hand."""
        if side == self.model.side:
            return self.capsules
        mirror = np.array([-1.0, 1.0, 1.0])
        return replace(
            self.capsules, side=side, starts=self.capsules.starts * mirror, ends=self.capsules.ends * mirror
        )

    @classmethod
    def of(cls, shape: Array) -> Flesh:
        """Of the open hand."""
        model = load_open_hand("right")
        capsules = hand_capsules(model, shape)
        pairs = np.argwhere(np.triu(~capsules.touching(), 1))
        flat = capsules.at(transforms(model, shape, np.zeros((len(HAND_TREE.articulated), 3))))
        overlap = overlaps(*flat, capsules.radii, pairs)
        return cls(model, shape, capsules, pairs, np.maximum(overlap, 0.0) + GIVE_M)


def draw_pose(
    flesh: Flesh, source: str, rng: np.random.Generator, gestures: tuple[str, ...] | None = None
) -> tuple[Array, str]:
    """(15, 3) angles within the limits without a finger in another, and the name of the gesture or source.

    Args:
        flesh: the hand.
        source: one of ``SOURCES``.
        rng: decides the rest.
        gestures: those to choose from; all without.
    """
    least = np.inf
    for _ in range(_TRIES):
        candidate, called = _candidate(flesh.model, source, gestures or gesture_names(), rng)
        candidate = flesh.model.clamp(candidate)
        deep = float(self_overlap(flesh, candidate[None])[0])
        if deep < least:
            least, angles, name = deep, candidate, called
        if least <= 0.0:
            return angles, name
    return freed(flesh, angles), name


def freed(flesh: Flesh, angles: Array) -> Array:
    """(15, 3) angles, opened as far as it takes to have no finger in another."""
    relaxed = flesh.model.clamp(gesture("relaxed"))
    way = np.linspace(0.0, 1.0, 11)[:, None, None]
    between = (1.0 - way) * angles + way * relaxed
    free = self_overlap(flesh, between) <= 0.0
    return np.asarray(between[int(np.argmax(free)) if free.any() else -1])


def self_overlap(flesh: Flesh, angles: Array) -> Array:
    """(N,) metres by which the fingers of (N, 15, 3) poses are in each other, beyond what flesh gives way."""
    capsules = flesh.capsules
    return np.asarray(
        own_overlap(
            _joints(), flesh.shape, capsules.joints, capsules.starts, capsules.ends, capsules.radii,
            flesh.pairs, flesh.allowance, np.ascontiguousarray(angles).reshape(len(angles), -1),
        )
    )  # fmt: skip


@cache
def _joints() -> Articulation:
    return articulation(load_open_hand("right"))


def transforms(model: HandModel, shape: Array, angles: Array) -> Array:
    """(..., 16, 4, 4) places of the joints in the hand's own frame, of (..., 15, 3) angles."""
    joints = model.rest_joints + model.joint_directions @ shape
    turns = np.broadcast_to(np.eye(3), (*angles.shape[:-2], len(HAND_TREE), 3, 3)).copy()
    turns[..., 1:, :, :] = rotation_from_angles(angles, model.axes)
    return joint_transforms(
        np.broadcast_to(joints, (*angles.shape[:-2], *joints.shape)), turns, HAND_TREE.parents
    )


def _candidate(
    model: HandModel, source: str, names: tuple[str, ...], rng: np.random.Generator
) -> tuple[Array, str]:
    if source == "recorded":
        mean, factor, weight = _recorded()
        k = int(np.searchsorted(np.cumsum(weight), rng.random() * weight.sum()).clip(0, len(weight) - 1))
        angles = mean[k] + 1.15 * factor[k] @ rng.standard_normal(mean.shape[1])
        return angles.reshape(-1, 3), "recorded"
    if source == "gesture":
        name = names[rng.integers(len(names))]
        angles = gesture(name)
        angles[:, 0] += rng.normal(0.0, 0.14, len(angles))
        angles[:, 1] += rng.normal(0.0, 0.06, len(angles))
        angles[:, 2] += rng.normal(0.0, 0.03, len(angles))
        return angles, name
    if source == "mixed":
        # Every finger from a gesture of its own, some of the way to another one: seldom half, for most people
        # count, point and sign with fingers that are either stretched or folded.
        angles = np.zeros((len(HAND_TREE.articulated), 3))
        for first in range(0, len(angles), 3):
            a, b = (gesture(names[i]) for i in rng.integers(len(names), size=2))
            way = rng.beta(0.4, 0.4)
            angles[first : first + 3] = ((1 - way) * a + way * b)[first : first + 3]
        return angles + rng.normal(0.0, 0.08, angles.shape) * [1.0, 0.5, 0.2], "mixed"
    # Curl is shared by the joints of a finger and, less, by neighbours.
    low, high = model.limits[..., 0], model.limits[..., 1]
    curl = 0.5 * rng.random() + 0.5 * rng.random(5)
    share = np.clip(np.repeat(curl, 3) + rng.normal(0.0, 0.18, 15), 0.0, 1.0)
    angles = 0.5 * (low + high) + rng.uniform(-0.5, 0.5, low.shape) * (high - low)
    angles[:, 0] = low[:, 0] + share * (high - low)[:, 0]
    return angles, "range"


@cache
def _recorded() -> tuple[Array, Array, Array]:
    prior = recorded_prior()
    return prior.mean, np.asarray(np.linalg.cholesky(prior.covariance), dtype=np.float64), prior.weight
