"""A z-buffer rasteriser: which triangle covers each pixel, and where inside it.

Vertices come already projected, so every camera model of the project, lens distortion included, is exact at
the vertices; within a triangle (a few millimetres of hand) edges are taken as straight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

NOTHING = -1
"""Face index of a pixel that no triangle covers."""


@dataclass(frozen=True, eq=False)
class Fragments:
    """What a camera sees, pixel by pixel.

    Attributes:
        face: (h, w) int32 index of the nearest face, ``NOTHING`` where there is none.
        barycentric: (h, w, 3) float32 perspective-correct weights of the face's corners.
        depth: (h, w) float32 distance along the optical axis; infinite where there is no face.
    """

    face: NDArray[np.int32]
    barycentric: NDArray[np.float32]
    depth: NDArray[np.float32]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(h, w) pixels covered by the mesh."""
        return self.face != NOTHING


def rasterise(
    pixels: NDArray, depth: NDArray, faces: NDArray, image_size: tuple[int, int], *, cull: bool = True
) -> Fragments:
    """Draw triangles into a z-buffer.

    Args:
        pixels: (V, 2) projected vertices; (0, 0) is the centre of the top-left pixel.
            Faces with a NaN are left out.
        depth: (V,) distance of the vertices along the optical axis, positive in front of the camera.
        faces: (F, 3) vertex indices, counter-clockwise seen from outside.
        image_size: (width, height) of the picture.
        cull: leave out faces seen from behind.
    """
    width, height = image_size
    face = np.full((height, width), NOTHING, dtype=np.int32)
    barycentric = np.zeros((height, width, 3), dtype=np.float32)
    nearest = np.full((height, width), np.inf, dtype=np.float32)
    _draw(
        np.ascontiguousarray(pixels, dtype=np.float64),
        np.ascontiguousarray(depth, dtype=np.float64),
        np.ascontiguousarray(faces, dtype=np.int64),
        cull,
        face,
        barycentric,
        nearest,
    )
    return Fragments(face, barycentric, nearest)


@njit(cache=True, error_model="numpy")
def _draw(pixels, depth, faces, cull, face, barycentric, nearest):
    height, width = face.shape
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        if not (depth[a] > 0 and depth[b] > 0 and depth[c] > 0):
            continue
        ax, ay, bx, by, cx, cy = (
            pixels[a, 0],
            pixels[a, 1],
            pixels[b, 0],
            pixels[b, 1],
            pixels[c, 0],
            pixels[c, 1],
        )
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        # The y axis points down, so a face seen from outside turns the negative way.
        if not (area < 0 or (not cull and area > 0)):
            continue
        left = max(0, int(np.ceil(min(ax, bx, cx))))
        right = min(width - 1, int(np.floor(max(ax, bx, cx))))
        top = max(0, int(np.ceil(min(ay, by, cy))))
        bottom = min(height - 1, int(np.floor(max(ay, by, cy))))
        nearness_a, nearness_b, nearness_c = 1.0 / depth[a], 1.0 / depth[b], 1.0 / depth[c]
        scale = 1.0 / area
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                u = ((bx - x) * (cy - y) - (by - y) * (cx - x)) * scale
                v = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) * scale
                # Not 1 − u − v: neighbours must round their common edge alike, or cracks open.
                w = ((ax - x) * (by - y) - (ay - y) * (bx - x)) * scale
                if u < 0 or v < 0 or w < 0:
                    continue
                # 1/z is linear in the picture, z is not.
                u, v, w = u * nearness_a, v * nearness_b, w * nearness_c
                z = 1.0 / (u + v + w)
                if z < nearest[y, x]:
                    nearest[y, x] = z
                    face[y, x] = f
                    barycentric[y, x, 0] = u * z
                    barycentric[y, x, 1] = v * z
                    barycentric[y, x, 2] = w * z
