"""Rings of a forearm behind the open edge of a hand's mesh."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from handloom.hand.kernel import multiply, rotation_about

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
    return np.asarray(_rings((edge - centre) @ R, bend, distance, girth, elbow) @ R.T + centre)


def forearm_line(start: Array, R: Array, bend: Array, distance: Array, elbow: Array) -> Array:
    """(K, 3) the middle of such an arm that starts at (3,); other arguments as in :func:`forearm_rings`."""
    return np.asarray(_line(bend, distance, elbow)[0] @ R.T + start)


@njit(cache=True)
def _rings(spokes, bend, distance, girth, elbow):
    """Rings in the hand's frame, counted from the middle of the edge."""
    line, turns = _line(bend, distance, elbow)
    rings = np.empty((len(distance), len(spokes), 3))
    for k in range(len(distance)):
        T = turns[k]
        # The edge is not quite square to the arm: it straightens over the bend.
        aslant = 1.0 - min(max(distance[k] / BEND_M, 0.0), 1.0)
        for n in range(len(spokes)):
            x, y, z = spokes[n, 0] * girth[k, 0], spokes[n, 1] * aslant, spokes[n, 2] * girth[k, 1]
            for i in range(3):
                rings[k, n, i] = line[k, i] + T[i, 0] * x + T[i, 1] * y + T[i, 2] * z
    return rings


@njit(cache=True)
def _line(bend, distance, elbow):
    """(K, 3) middle and (K, 3, 3) orientation of an arm at some distances behind the wrist."""
    path, before = np.zeros((len(_STEPS), 3)), np.eye(3)
    for step in range(1, len(_STEPS)):
        after = _turned(_STEPS[step], bend, elbow)
        half = 0.5 * (_STEPS[step] - _STEPS[step - 1])
        path[step] = path[step - 1] - half * (before[:, 1] + after[:, 1])
        before = after
    line, turns = np.empty((len(distance), 3)), np.empty((len(distance), 3, 3))
    for i in range(3):
        line[:, i] = np.interp(distance, _STEPS, path[:, i])
    for k in range(len(distance)):
        turns[k] = _turned(distance[k], bend, elbow)
    return line, turns


@njit(cache=True)
def _turned(distance, bend, elbow):
    """(3, 3) orientation of the arm at a distance behind the wrist."""
    first, second, both = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    low, high = ELBOW_M
    _rotate(bend, min(max(distance / BEND_M, 0.0), 1.0), first)
    _rotate(elbow, min(max((distance - low) / (high - low), 0.0), 1.0), second)
    multiply(first, second, both)
    return both


@njit(cache=True)
def _rotate(vector, share, R):
    """Rotation by a share of a rotation vector, left in R."""
    angle = np.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
    rotation_about(vector / max(angle, 1e-12), share * angle, R)


def tube(rings: NDArray[np.int64], *, closed: bool = True) -> NDArray[np.int64]:
    """Triangles between rings (R, N) of indices; ``closed`` joins the last column to the first."""
    here = np.hstack([rings, rings[:, :1]]) if closed else rings
    a, b, c, d = here[:-1, :-1], here[:-1, 1:], here[1:, :-1], here[1:, 1:]
    return np.concatenate([np.stack([b, a, c], axis=-1), np.stack([b, c, d], axis=-1)]).reshape(-1, 3)


def cap(ring: NDArray[np.int64], centre: int, *, closed: bool = True) -> NDArray[np.int64]:
    """Triangles from a ring (N,) of indices to its centre."""
    here = np.append(ring, ring[0]) if closed else ring
    return np.stack([here[1:], here[:-1], np.full(len(here) - 1, centre)], axis=-1)
