"""How deep two hand meshes run into each other, and how much room they share (§9.5).

Capsules (:mod:`handloom.fitting.collision`) are what a fit pushes apart; a figure of merit should not be
measured with the same tool, so this looks at the meshes themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

INSIDE = 0.5
"""Winding number above which a point is inside."""


@dataclass(frozen=True)
class Penetration:
    """Of two meshes in each other.

    Attributes:
        max_depth_m: largest distance of a vertex inside the other mesh to the other's surface points.
        mean_depth_m: mean over the vertices that are inside; 0 where none is.
        inside: share of all vertices that are inside the other mesh.
        volume_m3: of the room that is inside both, on a grid.
    """

    max_depth_m: float
    mean_depth_m: float
    inside: float
    volume_m3: float


def closed(vertices: ArrayLike, faces: Indices) -> tuple[Array, Indices]:
    """A mesh whose holes (a hand's wrist) are closed by a fan about the mean of their edge.

    Args:
        vertices: (V, 3).
        faces: (F, 3) counter-clockwise from outside.

    Returns:
        Vertices with one more per hole, and the faces that close them.
    """
    vertices, faces = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    known = {(int(a), int(b)) for a, b in edges}
    # The border runs against the faces' own direction.
    following = {b: a for a, b in known if (b, a) not in known}
    points, added = [vertices], []
    while following:
        start = next(iter(following))
        loop = [start]
        while (after := following.pop(loop[-1], None)) is not None and after != start:
            loop.append(after)
        centre = len(vertices) + len(points) - 1
        points.append(vertices[loop].mean(axis=0, keepdims=True))
        added += [(a, b, centre) for a, b in zip(loop, [*loop[1:], start], strict=True)]
    extra = np.array(added, np.int64).reshape(-1, 3)
    return np.concatenate(points), np.concatenate([faces, extra])


def winding_numbers(points: ArrayLike, vertices: Array, faces: Indices) -> Array:
    """(P,) how often a closed mesh surrounds (P, 3) points: 1 inside, 0 outside (Jacobson et al. 2013)."""
    points = np.ascontiguousarray(np.asarray(points, np.float64).reshape(-1, 3))
    return _winding(points, np.ascontiguousarray(vertices, np.float64), np.ascontiguousarray(faces, np.int64))


def penetration(
    vertices_a: ArrayLike, faces_a: Indices, vertices_b: ArrayLike, faces_b: Indices, grid_m: float = 0.002
) -> Penetration:
    """Measure two meshes against each other; open ones are closed first.

    Args:
        vertices_a, vertices_b: (V, 3) metres.
        faces_a, faces_b: (F, 3).
        grid_m: spacing of the grid that measures the shared volume.

    Raises:
        ValueError: for vertices that are not finite.
    """
    a, fa = closed(vertices_a, faces_a)
    b, fb = closed(vertices_b, faces_b)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("both meshes must be finite")
    low = np.maximum(a.min(axis=0), b.min(axis=0))
    high = np.minimum(a.max(axis=0), b.max(axis=0))
    if (low >= high).any():
        return Penetration(0.0, 0.0, 0.0, 0.0)
    depths = []
    for ours, theirs, faces in ((a, b, fb), (b, a, fa)):
        near = ours[((ours >= low) & (ours <= high)).all(axis=1)]
        inner = near[winding_numbers(near, theirs, faces) > INSIDE] if len(near) else near
        if len(inner):
            depths.append(cKDTree(_surface_points(theirs, faces)).query(inner)[0])
    count = [np.maximum(np.ceil((h - lo) / grid_m).astype(int), 1) for lo, h in zip(low, high, strict=True)]
    axes = [lo + (np.arange(n) + 0.5) * (h - lo) / n for lo, h, n in zip(low, high, count, strict=True)]
    cells = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    cells = cells[winding_numbers(cells, a, fa) > INSIDE]
    shared = int((winding_numbers(cells, b, fb) > INSIDE).sum()) if len(cells) else 0
    cell = float(np.prod([(h - lo) / n for lo, h, n in zip(low, high, count, strict=True)]))
    deep = np.concatenate(depths) if depths else np.zeros(0)
    return Penetration(
        float(deep.max()) if deep.size else 0.0,
        float(deep.mean()) if deep.size else 0.0,
        deep.size / (len(a) + len(b)),
        shared * cell,
    )


def _surface_points(vertices: Array, faces: Indices) -> Array:
    """Vertices, midpoints of edges and centres of faces: a hand's faces are some millimetres wide."""
    corners = vertices[faces]
    middles = (corners + corners[:, [1, 2, 0]]) / 2
    return np.concatenate([vertices, middles.reshape(-1, 3), corners.mean(axis=1)])


@njit(cache=True, parallel=True)
def _winding(points, vertices, faces):  # type: ignore[no-untyped-def]
    winding = np.zeros(len(points))
    for p in prange(len(points)):
        total = 0.0
        px, py, pz = points[p]
        for f in range(len(faces)):
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            ax, ay, az = vertices[i, 0] - px, vertices[i, 1] - py, vertices[i, 2] - pz
            bx, by, bz = vertices[j, 0] - px, vertices[j, 1] - py, vertices[j, 2] - pz
            cx, cy, cz = vertices[k, 0] - px, vertices[k, 1] - py, vertices[k, 2] - pz
            la = np.sqrt(ax * ax + ay * ay + az * az)
            lb = np.sqrt(bx * bx + by * by + bz * bz)
            lc = np.sqrt(cx * cx + cy * cy + cz * cz)
            triple = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
            ab = ax * bx + ay * by + az * bz
            bc = bx * cx + by * cy + bz * cz
            ca = cx * ax + cy * ay + cz * az
            # The solid angle of a triangle (van Oosterom & Strackee 1983).
            total += np.arctan2(triple, la * lb * lc + ab * lc + bc * la + ca * lb)
        winding[p] = total / (2.0 * np.pi)
    return winding
