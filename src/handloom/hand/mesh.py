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
        for f in range(len(faces)):
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            ux, uy, uz = vertices[n, b] - vertices[n, a]
            vx, vy, vz = vertices[n, c] - vertices[n, a]
            x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
            for corner in range(3):
                i = faces[f, corner]
                normals[n, i, 0] += x
                normals[n, i, 1] += y
                normals[n, i, 2] += z
        for i in range(normals.shape[1]):
            normals[n, i] /= max(np.sqrt((normals[n, i] * normals[n, i]).sum()), 1e-30)
    return normals
