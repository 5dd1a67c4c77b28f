"""Pictures of textured meshes: rasterise, light like skin, smooth the edges, lay over a background.

Edges are smoothed by box-filtered supersampling; the light is that of :mod:`handloom.rendering.shading`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.hand.mesh import vertex_normals
from handloom.rendering.lighting import Lighting, shadow_map
from handloom.rendering.rasteriser import rasterise
from handloom.rendering.shading import DECODE, ENCODE, shade

Array = NDArray[np.float64]
Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Surface:
    """A textured mesh in the world.

    Attributes:
        vertices: (V, 3) metres.
        faces: (F, 3) counter-clockwise seen from outside.
        uv: (U, 2) texture coordinates in [0, 1], origin bottom left.
        uv_faces: (F, 3) indices into ``uv``.
        texture: (h, w, 4) linear red, green, blue and gloss in [0, 1].
    """

    vertices: Array
    faces: NDArray[np.int64]
    uv: Array
    uv_faces: NDArray[np.int64]
    texture: NDArray[np.float32]


def render(
    camera: Camera,
    surfaces: Sequence[Surface],
    background: Image,
    lighting: Lighting,
    *,
    supersample: int = 2,
) -> tuple[Image, NDArray[np.float32]]:
    """Draw surfaces over a background.

    Args:
        camera: with an ``image_size``; lens distortion is applied to every vertex.
        surfaces: all with textures of one size.
        background: (H, W, 3) sRGB picture of the camera's size.
        lighting: the light of the scene.
        supersample: samples per pixel and axis.

    Returns:
        (H, W, 3) picture, and (H, W) coverage in [0, 1].

    Raises:
        ValueError: if the background does not have the camera's size.
    """
    height, width = background.shape[:2]
    if camera.image_size != (width, height):
        raise ValueError(
            f"camera {camera.name} takes pictures of {camera.image_size}, background is {(width, height)}"
        )
    image, coverage = background.copy(), np.zeros((height, width), dtype=np.float32)
    vertices = np.concatenate([s.vertices for s in surfaces])
    starts = np.cumsum([0, *(len(s.vertices) for s in surfaces)])
    faces = np.concatenate([s.faces + start for s, start in zip(surfaces, starts, strict=False)])
    pixels = camera.project(vertices)
    depth = (vertices - camera.center) @ camera.T_camera_world[2, :3]

    box = _box(pixels, width, height)
    if box is None:
        return image, coverage
    left, top, right, bottom = box
    # Sample centres lie symmetrically inside the pixel, whose own centre is the integer.
    samples = (pixels - [left, top] + 0.5) * supersample - 0.5
    fragments = rasterise(samples, depth, faces, ((right - left) * supersample, (bottom - top) * supersample))

    uv_starts = np.cumsum([0, *(len(s.uv) for s in surfaces)])
    shadows = shadow_map(vertices, faces, np.array(lighting.key))
    shade(
        fragments.face,
        fragments.barycentric,
        vertices,
        vertex_normals(vertices, faces),
        faces,
        np.concatenate([s.uv for s in surfaces]),
        np.concatenate([s.uv_faces + start for s, start in zip(surfaces, uv_starts, strict=False)]),
        np.repeat(np.arange(len(surfaces)), [len(s.faces) for s in surfaces]),
        np.stack([s.texture for s in surfaces]),
        camera.center,
        _unit(lighting.key),
        lighting.key_strength,
        _unit(lighting.up),
        np.array(lighting.sky, dtype=np.float64),
        np.array(lighting.floor, dtype=np.float64),
        shadows.depth,
        shadows.T_map_world,
        ENCODE,
        DECODE,
        supersample,
        image[top:bottom, left:right],
        coverage[top:bottom, left:right],
    )
    return image, coverage


def _unit(vector: Sequence[float]) -> Array:
    v = np.asarray(vector, dtype=np.float64)
    return v / np.linalg.norm(v)


def _box(pixels: Array, width: int, height: int) -> tuple[int, int, int, int] | None:
    seen = pixels[np.isfinite(pixels).all(axis=1)]
    if not len(seen):
        return None
    left, top = np.maximum(np.floor(seen.min(axis=0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(seen.max(axis=0)).astype(int) + 1, [width, height])
    return (left, top, right, bottom) if left < right and top < bottom else None
