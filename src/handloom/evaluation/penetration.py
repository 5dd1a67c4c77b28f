"""How deep two hand meshes run into each other, and how much room they share (§9.5).

Capsules (:mod:`handloom.fitting.collision`) are what a fit pushes apart; a figure of merit should not be
measured with the same tool, so this looks at the meshes themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

INSIDE = 0.5
"""Winding number above which a point is inside."""
_BINS = 96  # cells along a side of the grid in which faces are looked up
_ASKEW = Rotation.from_rotvec([0.43, -0.71, 0.29]).as_matrix()


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
    points, added = [vertices], [faces]
    for centre, loop in enumerate(_holes(faces.tobytes()), start=len(vertices)):
        points.append(vertices[loop].mean(axis=0, keepdims=True))
        added.append(np.column_stack([loop, np.roll(loop, -1), np.full(len(loop), centre)]))
    return np.concatenate(points), np.concatenate(added)


@lru_cache(maxsize=8)
def _holes(faces: bytes) -> list[Indices]:
    """Vertices around every hole, in the order in which faces would close it; hands share their faces."""
    triangles = np.frombuffer(faces, np.int64).reshape(-1, 3)
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    known = {(int(a), int(b)) for a, b in edges}
    # The border runs against the faces' own direction.
    following = {b: a for a, b in known if (b, a) not in known}
    loops = []
    while following:
        start = next(iter(following))
        loop = [start]
        while (after := following.pop(loop[-1], None)) is not None and after != start:
            loop.append(after)
        loops.append(np.array(loop, np.int64))
    return loops


def winding_numbers(points: ArrayLike, vertices: Array, faces: Indices) -> Array:
    """(P,) how often a closed mesh surrounds (P, 3) points: 1 inside, 0 outside.

    Counted along a ray from the point: faces left through their outside, less those entered. The rays run
    askew, so that they do not meet the edges of things that lie along the axes.
    """
    askew = np.asarray(points, np.float64).reshape(-1, 3) @ _ASKEW.T
    vertices, faces = np.asarray(vertices, np.float64) @ _ASKEW.T, np.ascontiguousarray(faces, np.int64)
    if not len(askew) or not len(faces):
        return np.zeros(len(askew))
    flat = vertices[faces][..., :2]
    low, high = flat.min(axis=(0, 1)), flat.max(axis=(0, 1))
    cell = float((high - low).max()) / _BINS + 1e-300
    first = ((flat.min(axis=1) - low) / cell).astype(np.int64)
    last = np.minimum(((flat.max(axis=1) - low) / cell).astype(np.int64), _BINS - 1)
    starts, binned = _bin(first, last)
    return np.asarray(_crossings(askew, vertices, faces, low, cell, starts, binned))


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


@njit(cache=True)
def _bin(first, last):  # type: ignore[no-untyped-def]
    """Faces over every cell of a square grid: those of cell k are ``binned[starts[k]:starts[k + 1]]``."""
    starts = np.zeros(_BINS * _BINS + 1, np.int64)
    for f in range(len(first)):
        for x in range(first[f, 0], last[f, 0] + 1):
            for y in range(first[f, 1], last[f, 1] + 1):
                starts[x * _BINS + y + 1] += 1
    starts = np.cumsum(starts)
    binned, filled = np.empty(starts[-1], np.int64), starts[:-1].copy()
    for f in range(len(first)):
        for x in range(first[f, 0], last[f, 0] + 1):
            for y in range(first[f, 1], last[f, 1] + 1):
                binned[filled[x * _BINS + y]] = f
                filled[x * _BINS + y] += 1
    return starts, binned


@njit(cache=True)
def _crossings(points, vertices, faces, low, cell, starts, binned):  # type: ignore[no-untyped-def]
    """Signed count of the faces above each point."""
    winding = np.zeros(len(points))
    for p in range(len(points)):
        px, py, pz = points[p]
        x, y = int(np.floor((px - low[0]) / cell)), int(np.floor((py - low[1]) / cell))
        if x < 0 or y < 0 or x >= _BINS or y >= _BINS:
            continue
        for k in range(starts[x * _BINS + y], starts[x * _BINS + y + 1]):
            i, j, m = faces[binned[k], 0], faces[binned[k], 1], faces[binned[k], 2]
            ax, ay = vertices[i, 0] - px, vertices[i, 1] - py
            bx, by = vertices[j, 0] - px, vertices[j, 1] - py
            cx, cy = vertices[m, 0] - px, vertices[m, 1] - py
            u, v, w = bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx
            if (u > 0 and v > 0 and w > 0) or (u < 0 and v < 0 and w < 0):
                area = u + v + w
                if (u * vertices[i, 2] + v * vertices[j, 2] + w * vertices[m, 2]) / area > pz:
                    winding[p] += 1.0 if area > 0 else -1.0
    return winding
