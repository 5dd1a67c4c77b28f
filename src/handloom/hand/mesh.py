"""Normals and volume of triangle meshes."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def vertex_normals(vertices: ArrayLike, faces: NDArray[np.int64]) -> Array:
    """(..., V, 3) area-weighted unit normals of (..., V, 3) vertices, outwards for faces that run
    counter-clockwise seen from outside. A vertex without any area around it gets zeros.
    """
    v = np.ascontiguousarray(vertices, dtype=np.float64)
    flat = v.reshape(-1, *v.shape[-2:])
    return _vertex_normals(flat, np.ascontiguousarray(faces, dtype=np.int64)).reshape(v.shape)


def enclosed_volume(vertices: ArrayLike, faces: NDArray[np.int64]) -> Array:
    """(...,) volume inside a closed mesh of (..., V, 3) vertices, by the divergence theorem."""
    a, b, c = np.moveaxis(np.asarray(vertices, dtype=np.float64)[..., faces, :], -2, 0)
    return np.asarray((a * np.cross(b, c)).sum(axis=(-1, -2)) / 6.0)


@njit(cache=True)
def _vertex_normals(vertices, faces):
    normals = np.zeros_like(vertices)
    for n in range(len(vertices)):
        v, here = vertices[n], normals[n]
        for f in range(len(faces)):
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            ux, uy, uz = v[b, 0] - v[a, 0], v[b, 1] - v[a, 1], v[b, 2] - v[a, 2]
            vx, vy, vz = v[c, 0] - v[a, 0], v[c, 1] - v[a, 1], v[c, 2] - v[a, 2]
            x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
            for corner in range(3):
                i = faces[f, corner]
                here[i, 0] += x
                here[i, 1] += y
                here[i, 2] += z
        for i in range(len(here)):
            x, y, z = here[i, 0], here[i, 1], here[i, 2]
            length = max(np.sqrt(x * x + y * y + z * z), 1e-30)
            here[i, 0], here[i, 1], here[i, 2] = x / length, y / length, z / length
    return normals
