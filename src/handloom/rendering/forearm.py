"""Rings of a forearm behind the open edge of a hand's mesh."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.hand.kinematics import rotation_from_vector

Array = NDArray[np.float64]

BEND_M = 0.05
"""Length of arm over which the wrist bends."""


ELBOW_M = (0.25, 0.33)
"""Where behind the wrist the elbow bends."""
_NO_ELBOW = np.zeros(3)
_STEPS = np.unique([*np.linspace(0.0, BEND_M, 11), *np.linspace(*ELBOW_M, 11), 0.9])
"""Where the arm's course is computed: close together where it bends."""


def forearm_rings(
    edge: Array, R: Array, bend: Array, distance: Array, girth: Array, elbow: Array = _NO_ELBOW
) -> Array:
    """Rings that leave a wrist and follow a bent forearm.

    Args:
        edge: (N, 3) the mesh's open edge in the world.
        R: (3, 3) rotation of the hand's frame into the world.
        bend: (3,) rotation vector, in the hand's frame, from the straight forearm to the actual one.
        distance: (K,) metres behind the edge.
        elbow: (3,) rotation vector, in the forearm's frame, from the forearm to the upper arm.
        girth: (K, 2) width and depth of the rings relative to the edge's.

    Returns:
        (K, N, 3) in the world.
    """
    centre = edge.mean(axis=0)
    spokes = (edge - centre) @ R
    # The edge is not quite square to the arm: it straightens over the bend.
    square = spokes * [1.0, 0.0, 1.0]
    steps = _STEPS
    turn = _turns(steps, bend, elbow)
    path = np.vstack(
        [np.zeros(3), -np.cumsum((turn[1:, :, 1] + turn[:-1, :, 1]) / 2 * np.diff(steps)[:, None], axis=0)]
    )
    centres = np.stack([np.interp(distance, steps, path[:, axis]) for axis in range(3)], axis=-1)
    bent = np.clip(distance / BEND_M, 0, 1)[:, None, None]
    scale = np.stack([girth[:, 0], np.ones(len(girth)), girth[:, 1]], axis=-1)
    rings = ((1 - bent) * spokes + bent * square) * scale[:, None]
    rings = centres[:, None] + rings @ _turns(distance, bend, elbow).swapaxes(-1, -2)
    return np.asarray(rings @ R.T + centre)


def _turns(distance: Array, bend: Array, elbow: Array) -> Array:
    """(K, 3, 3) orientation of the arm at some distances behind the wrist."""
    turn = rotation_from_vector(np.clip(distance / BEND_M, 0, 1)[:, None] * bend)
    if not elbow.any():
        return turn
    low, high = ELBOW_M
    return turn @ rotation_from_vector(np.clip((distance - low) / (high - low), 0, 1)[:, None] * elbow)


def tube(rings: NDArray[np.int64], *, closed: bool = True) -> NDArray[np.int64]:
    """Triangles between rings (R, N) of indices; ``closed`` joins the last column to the first."""
    here = np.hstack([rings, rings[:, :1]]) if closed else rings
    a, b, c, d = here[:-1, :-1], here[:-1, 1:], here[1:, :-1], here[1:, 1:]
    return np.concatenate([np.stack([b, a, c], axis=-1), np.stack([b, c, d], axis=-1)]).reshape(-1, 3)


def cap(ring: NDArray[np.int64], centre: int, *, closed: bool = True) -> NDArray[np.int64]:
    """Triangles from a ring (N,) of indices to its centre."""
    here = np.append(ring, ring[0]) if closed else ring
    return np.stack([here[1:], here[:-1], np.full(len(here) - 1, centre)], axis=-1)
