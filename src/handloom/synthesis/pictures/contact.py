"""How deep the skins of two hands are in each other, or how far apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from handloom.hand import HandModel, load_open_hand
from handloom.hand.mesh import vertex_normals

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

NEAR_M = 0.02
"""Hands farther apart than this are not told how far."""
_EDGE_M, _FLESH_M = 0.008, 0.03


@dataclass(frozen=True, eq=False)
class Skin:
    """The surface of a posed open hand.

    Attributes:
        vertices, normals: (V, 3).
        faces: (F, 3).
        around: (V, K) faces that meet at each vertex, padded with −1.
    """

    vertices: Array
    normals: Array
    faces: Indices
    around: Indices

    @classmethod
    def of(cls, model: HandModel, vertices: Array) -> Skin:
        """Of (V, 3) posed vertices."""
        return cls(vertices, vertex_normals(vertices, model.faces), model.faces, _faces_around(model.side))

    def moved(self, R: Array, t: Array) -> Skin:
        """Turned by (3, 3), then shifted by (3,)."""
        return Skin(self.vertices @ R.T + t, self.normals @ R.T, self.faces, self.around)


def depth_between(a: Skin, b: Skin) -> float:
    """Metres by which the deepest vertex of either skin lies under the other, negative for a gap.

    A gap beyond two centimetres counts as two centimetres. Vertices are held against triangles: where only
    edges cross, hands are a little deeper in each other than said.
    """
    low = np.maximum(a.vertices.min(axis=0), b.vertices.min(axis=0)) - NEAR_M
    high = np.minimum(a.vertices.max(axis=0), b.vertices.max(axis=0)) + NEAR_M
    near_a, near_b = (
        np.flatnonzero(((skin.vertices >= low) & (skin.vertices <= high)).all(axis=1)) for skin in (a, b)
    )
    if not len(near_a) or not len(near_b):
        return -NEAR_M
    points_a, points_b = a.vertices[near_a], b.vertices[near_b]
    away_a, away_b = _distances(
        *(np.ascontiguousarray(points.T, dtype=np.float32) for points in (points_a, points_b))
    )
    deepest = _deepest(points_a, away_a, near_b, b.vertices, b.normals, b.faces, b.around, -NEAR_M)
    return float(_deepest(points_b, away_b, near_a, a.vertices, a.normals, a.faces, a.around, deepest))


@cache
def _faces_around(side: str) -> Indices:
    model = load_open_hand(side)
    lists: list[list[int]] = [[] for _ in model.template]
    for number, face in enumerate(model.faces):
        for vertex in face:
            lists[vertex].append(number)
    around = np.full((len(lists), max(map(len, lists))), -1)
    for vertex, numbers in enumerate(lists):
        around[vertex, : len(numbers)] = numbers
    return around


@njit(cache=True, fastmath=True)
def _distances(a, b):
    """(N,), (M,) distance of every one of (3, N) and (3, M) points to the nearest of the others."""
    of_a, of_b = np.empty(a.shape[1], dtype=np.float32), np.full(b.shape[1], np.float32(1e9))
    for i in range(a.shape[1]):
        smallest = np.float32(1e9)
        for j in range(b.shape[1]):
            x, y, z = a[0, i] - b[0, j], a[1, i] - b[1, j], a[2, i] - b[2, j]
            squared = x * x + y * y + z * z
            smallest = min(smallest, squared)
            of_b[j] = min(of_b[j], squared)
        of_a[i] = smallest
    return np.sqrt(of_a), np.sqrt(of_b)


@njit(cache=True)
def _deepest(points, away, near, vertices, normals, faces, around, deepest):
    """Largest depth of points under a skin, if above ``deepest``.

    Looked at are the faces around the three nearest vertices. ``away`` is the distance of each point to the
    nearest one: a face may come nearer than its corners, by less than an edge's length, and flesh is not
    thicker than so much.
    """
    foot = np.empty(3)
    for i in np.argsort(away):
        if away[i] > (_EDGE_M - deepest if deepest < 0.0 else _FLESH_M):
            break
        if away[i] <= deepest:
            continue
        p = points[i]
        first = second = third = np.inf
        a = b = c = -1
        for j in near:
            x, y, z = p[0] - vertices[j, 0], p[1] - vertices[j, 1], p[2] - vertices[j, 2]
            squared = x * x + y * y + z * z
            if squared >= third:
                continue
            if squared < first:
                third, c, second, b, first, a = second, b, first, a, squared, j
            elif squared < second:
                third, c, second, b = second, b, squared, j
            else:
                third, c = squared, j
        best, outside = np.inf, 1.0
        for at in (a, b, c):
            if at < 0:
                continue
            for f in around[at]:
                if f < 0:
                    break
                A, B, C = faces[f, 0], faces[f, 1], faces[f, 2]
                v, w = _nearest_on(p, vertices[A], vertices[B], vertices[C])
                u = 1.0 - v - w
                squared = 0.0
                for k in range(3):
                    foot[k] = p[k] - u * vertices[A, k] - v * vertices[B, k] - w * vertices[C, k]
                    squared += foot[k] * foot[k]
                if squared < best:
                    best, outside = squared, 0.0
                    for k in range(3):
                        outside += foot[k] * (u * normals[A, k] + v * normals[B, k] + w * normals[C, k])
        depth = np.sqrt(best)
        deepest = max(deepest, -depth if outside >= 0.0 else depth)
    return deepest


@njit(cache=True)
def _nearest_on(p, a, b, c):
    """Weights of a triangle's second and third corner in its point nearest to p (Ericson 2005, §5.1.5)."""
    d1 = d2 = d3 = d4 = d5 = d6 = 0.0
    for k in range(3):
        ab, ac, ap = b[k] - a[k], c[k] - a[k], p[k] - a[k]
        bp, cp = p[k] - b[k], p[k] - c[k]
        d1 += ab * ap
        d2 += ac * ap
        d3 += ab * bp
        d4 += ac * bp
        d5 += ab * cp
        d6 += ac * cp
    vc, vb, va = d1 * d4 - d3 * d2, d5 * d2 - d1 * d6, d3 * d6 - d5 * d4
    if d1 <= 0.0 and d2 <= 0.0:
        return 0.0, 0.0
    if d3 >= 0.0 and d4 <= d3:
        return 1.0, 0.0
    if vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
        return d1 / (d1 - d3), 0.0
    if d6 >= 0.0 and d5 <= d6:
        return 0.0, 1.0
    if vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
        return 0.0, d2 / (d2 - d6)
    if va <= 0.0 and d4 >= d3 and d5 >= d6:
        w = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        return 1.0 - w, w
    scale = 1.0 / (va + vb + vc)
    return vb * scale, vc * scale
