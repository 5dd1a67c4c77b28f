"""How much of the surroundings each vertex of a hand sees past the fingers: ambient occlusion by capsules."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from handloom.hand.capsules import Capsules

Array = NDArray[np.float64]


def openness(
    vertices: Array,
    normals: Array,
    owner: NDArray[np.int64],
    starts: Array,
    ends: Array,
    radii: Array,
    carries: NDArray[np.bool_],
) -> Array:
    """(V,) share of the ambient light that reaches the vertices.

    Args:
        vertices, normals: (V, 3).
        owner: (V,) which row of ``carries`` is the vertex's own.
        starts, ends, radii: (C, 3), (C, 3), (C,) capsules that stand in the light.
        carries: (K, C) capsules on which an owner's vertices lie; they hide nothing from them.
    """
    return _openness(vertices, normals, owner, starts, ends, radii, carries)


def own_capsules(capsules: Capsules, parents: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(16, C) capsules that hang on each joint, on its parent or on its children."""
    joints = capsules.joints
    index = np.arange(len(parents))[:, None]
    return (joints == index) | (parents[index] == joints) | (parents[joints] == index)


@njit(cache=True, fastmath=True)
def _openness(vertices, normals, owner, starts, ends, radii, carries):
    result = np.ones(len(vertices))
    for c in range(len(radii)):
        ax, ay, az = starts[c, 0], starts[c, 1], starts[c, 2]
        ux, uy, uz = ends[c, 0] - ax, ends[c, 1] - ay, ends[c, 2] - az
        scale = 1.0 / max(ux * ux + uy * uy + uz * uz, 1e-18)
        r = radii[c]
        for i in range(len(vertices)):
            if carries[owner[i], c]:
                continue
            wx, wy, wz = vertices[i, 0] - ax, vertices[i, 1] - ay, vertices[i, 2] - az
            s = min(max((wx * ux + wy * uy + wz * uz) * scale, 0.0), 1.0)
            wx, wy, wz = s * ux - wx, s * uy - wy, s * uz - wz
            squared = wx * wx + wy * wy + wz * wz
            if squared > 36.0 * r * r:
                continue
            away = np.sqrt(squared) + 1e-9
            # A ball of that radius at the nearest point of the axis: cosine times solid angle.
            cosine = (wx * normals[i, 0] + wy * normals[i, 1] + wz * normals[i, 2]) / away
            ratio = min(r / away, 1.0)
            hidden = max(0.25 + 0.75 * cosine, 0.0) * ratio * ratio
            result[i] *= 1.0 - 0.85 * min(hidden, 1.0)
    return result
