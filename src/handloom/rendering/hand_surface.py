"""A hand ready for its picture: the model's mesh, a forearm that closes the wrist, a sleeve.

The model ends at the wrist. Rings that start from its open edge bend towards the forearm, widen a little, and
carry on as a cloth sleeve with a closed end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.hand import HandModel
from handloom.rendering.forearm import cap, forearm_rings, tube
from handloom.rendering.renderer import Surface
from handloom.rendering.skin import Complexion, bake_forearm, bake_hand

Array = NDArray[np.float64]

#           behind the wrist, width, depth of the arm relative to the edge, is cloth
_RINGS = (
    (0.006, 1.00, 1.00, False),
    (0.014, 0.99, 1.00, False),
    (0.024, 1.00, 1.01, False),
    (0.036, 1.03, 1.03, False),
    (0.050, 1.07, 1.06, False),
    (0.066, 1.12, 1.10, False),
    (0.070, 1.13, 1.11, False),
    (0.067, 1.22, 1.24, True),
    (0.065, 1.28, 1.32, True),
    (0.068, 1.33, 1.38, True),
    (0.085, 1.38, 1.44, True),
    (0.120, 1.46, 1.52, True),
    (0.170, 1.60, 1.66, True),
    (0.230, 1.74, 1.80, True),
    (0.420, 2.00, 2.10, True),
)


class HandSurface:
    """The topology and texture of one hand with its forearm; pose it with :meth:`at`.

    Args:
        model: of either side.
        complexion: colours of skin and sleeve.
        seed: of the fine structure of the skin.
    """

    def __init__(self, model: HandModel, complexion: Complexion | None = None, seed: int = 0) -> None:
        complexion = complexion or Complexion()
        self.model = model
        self._loop = wrist_loop(model.faces)
        count, rings = len(self._loop), len(_RINGS)
        first = len(model.template)
        near = np.vstack([self._loop, first + np.arange(rings * count).reshape(rings, count)])
        centre = first + rings * count
        self.faces = np.vstack([model.faces, tube(near), cap(near[-1], centre)])

        # The hand's chart fills the left half of the texture, the forearm the right.
        across = np.linspace(0.53, 0.98, count + 1)
        down = np.linspace(0.97, 0.03, rings + 1)
        grid = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
        hand_uv = model.uv * [0.5, 1.0]
        corner = len(hand_uv) + np.arange(len(grid)).reshape(rings + 1, count + 1)
        end = len(hand_uv) + len(grid)
        self.uv = np.vstack([hand_uv, grid, [[0.755, 0.01]]])
        self.uv_faces = np.vstack(
            [model.uv_faces, tube(corner, closed=False), cap(corner[-1], end, closed=False)]
        )

        rest = self._with_forearm(model.template, np.eye(3), np.zeros(3))
        ring_rest = rest[near]
        hand = bake_hand(model, complexion, seed)
        arm = bake_forearm(
            np.concatenate([ring_rest, ring_rest[:, :1]], axis=1),
            np.array([False, *(ring[3] for ring in _RINGS)]),
            complexion,
            seed,
        )
        self.texture = np.concatenate([hand, arm], axis=1)

    def at(
        self, vertices: ArrayLike, T_world_wrist: ArrayLike, wrist_bend: ArrayLike = (0.0, 0.0, 0.0)
    ) -> Surface:
        """The surface in the world.

        Args:
            vertices: (V, 3) posed vertices of the model.
            T_world_wrist: (4, 4) place of the hand.
            wrist_bend: (3,) rotation vector, in the hand's frame, that takes the straight forearm's direction
                to the actual one.
        """
        T = np.asarray(T_world_wrist, dtype=np.float64)
        full = self._with_forearm(np.asarray(vertices), T[:3, :3], np.asarray(wrist_bend, dtype=np.float64))
        return Surface(full, self.faces, self.uv, self.uv_faces, self.texture)

    def _with_forearm(self, vertices: Array, R: Array, bend: Array) -> Array:
        distance = np.array([ring[0] for ring in _RINGS])
        girth = np.array([(width, depth) for _, width, depth, _ in _RINGS])
        rings = forearm_rings(vertices[self._loop], R, bend, distance, girth)
        return np.vstack([vertices, rings.reshape(-1, 3), rings[-1].mean(axis=0)])


def wrist_loop(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) vertices of the mesh's open edge, in the direction in which its faces run along it."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    both = {tuple(edge) for edge in edges}
    following = {int(a): int(b) for a, b in both if (b, a) not in both}
    loop = [min(following)]
    while (step := following[loop[-1]]) != loop[0]:
        loop.append(step)
    return np.array(loop)
