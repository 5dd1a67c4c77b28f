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
        np.flatnonzero((skin.vertices >= low).all(axis=1) & (skin.vertices <= high).all(axis=1))
        for skin in (a, b)
    )
    if not len(near_a) or not len(near_b):
        return -NEAR_M
    return float(
        max(
            _deepest(a.vertices[near_a], near_b, b.vertices, b.normals, b.faces, b.around),
            _deepest(b.vertices[near_b], near_a, a.vertices, a.normals, a.faces, a.around),
        )
    )


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


@njit(cache=True)
def _deepest(points, near, vertices, normals, faces, around):
    """Largest depth of points under a skin; looked at are the faces around the three nearest vertices."""
    deepest = -NEAR_M
    close = vertices[near]
    foot = np.empty(3)
    for i in range(len(points)):
        p = points[i]
        first = second = third = np.inf
        a = b = c = -1
        for j in range(len(close)):
            x, y, z = p[0] - close[j, 0], p[1] - close[j, 1], p[2] - close[j, 2]
            squared = x * x + y * y + z * z
            if squared >= third:
                continue
            if squared < first:
                third, c, second, b, first, a = second, b, first, a, squared, j
            elif squared < second:
                third, c, second, b = second, b, squared, j
            else:
                third, c = squared, j
        # A face may come nearer than its corners, by less than an edge's length.
        if np.sqrt(first) - 0.008 > -deepest and deepest < 0.0:
            continue
        best, outside = np.inf, 1.0
        for at in (a, b, c):
            if at < 0:
                continue
            for f in around[near[at]]:
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
        away = np.sqrt(best)
        deepest = max(deepest, -away if outside >= 0.0 else away)
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
