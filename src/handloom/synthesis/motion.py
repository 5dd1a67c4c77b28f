"""Smooth invented hand motion: from gesture to gesture, each move with minimum jerk, always within limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.hand import HandModel
from handloom.hand.kinematics import rigid, rotation_from_vector
from handloom.synthesis.gestures import gesture, gesture_names

Array = NDArray[np.float64]

RAISED = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Rotation of a hand held up, fingers to +z of the world, palm to −y."""


@dataclass(frozen=True, eq=False)
class HandMotion:
    """A hand through T frames.

    Attributes:
        angles: (T, 15, 3) joint angles, radians.
        T_world_wrist: (T, 4, 4) place of the hand, metres.
        wrist_bend: (T, 3) rotation vector from the straight to the actual forearm, in the hand's frame.
    """

    angles: Array
    T_world_wrist: Array
    wrist_bend: Array


def random_motion(
    model: HandModel,
    frames: int,
    fps: float,
    rng: np.random.Generator,
    *,
    centre: ArrayLike = (0.0, 0.0, 0.0),
    turn: float = 0.45,
    wander: float = 0.03,
) -> HandMotion:
    """Invent a motion.

    Args:
        model: its limits hold in every frame.
        frames: T.
        fps: frames a second.
        rng: decides everything.
        centre: (3,) about where the wrist stays, metres.
        turn: standard deviation of the hand's rotation about the vertical, radians; half of it
            about the others.
        wander: standard deviation of the wrist's place, metres.
    """
    seconds = frames / fps

    def keys(every: tuple[float, float]) -> Array:
        steps = rng.uniform(*every, int(seconds / every[0]) + 3)
        return np.cumsum(steps) - steps[0] - rng.uniform(0, every[0])

    time = np.arange(frames) / fps
    at = keys((0.5, 1.1))
    names = gesture_names()
    picks = rng.permutation(np.tile(np.arange(len(names)), len(at) // len(names) + 1))[: len(at)]
    poses = np.array([gesture(names[pick]) for pick in picks])
    poses[..., 0] += rng.normal(0.0, 0.12, poses.shape[:2])
    poses[..., 1] += rng.normal(0.0, 0.05, poses.shape[:2])
    angles = model.clamp(minimum_jerk(at, model.clamp(poses), time))

    at = keys((0.8, 1.6))
    mirror = 1.0 if model.side == "right" else -1.0
    turns = rng.normal(0.0, turn, (len(at), 3)).clip(-1.8 * turn, 1.8 * turn) * [0.5, 0.5, 1.0]
    turns[:, 1] += 0.12 * mirror
    R = rotation_from_vector(minimum_jerk(at, turns, time)) @ RAISED
    places = np.asarray(centre) + rng.normal(0.0, wander, (len(at), 3)).clip(-2 * wander, 2 * wander)
    at_bend = keys((0.6, 1.3))
    bends = rng.uniform(-1.0, 1.0, (len(at_bend), 3)) * [0.45, 0.0, 0.25]
    return HandMotion(angles, rigid(R, minimum_jerk(at, places, time)), minimum_jerk(at_bend, bends, time))


def minimum_jerk(at: Array, values: Array, time: Array) -> Array:
    """Values (K, ...) reached at times ``at``, joined by minimum-jerk moves (Flash & Hogan 1985)."""
    k = np.clip(np.searchsorted(at, time, side="right") - 1, 0, len(at) - 2)
    s = np.clip((time - at[k]) / (at[k + 1] - at[k]), 0.0, 1.0)
    s = s**3 * (10.0 + s * (6.0 * s - 15.0))
    s = s.reshape(-1, *([1] * (values.ndim - 1)))
    return (1.0 - s) * values[k] + s * values[k + 1]
