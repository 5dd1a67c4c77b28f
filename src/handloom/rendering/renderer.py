"""Pictures of textured meshes: rasterise, light like skin, smooth the edges, lay over a background.

Shading is Phong with a wrapped diffuse term that lets red light leak round the terminator (a cheap stand-in
for light scattered under the skin), one shadow map and box-filtered supersampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.rendering.lighting import Lighting, shadow_map
from handloom.rendering.rasteriser import rasterise

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

GAMMA = 2.2


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
    camera: Camera, surfaces: Sequence[Surface], background: Image, lighting: Lighting, *, supersample: int = 2
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
        raise ValueError(f"camera {camera.name} takes pictures of {camera.image_size}, background is {(width, height)}")
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
    _shade(
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
        np.array(lighting.sky),
        np.array(lighting.floor),
        shadows.depth,
        shadows.T_map_world,
        supersample,
        image[top:bottom, left:right],
        coverage[top:bottom, left:right],
    )
    return image, coverage


def vertex_normals(vertices: Array, faces: NDArray[np.int64]) -> Array:
    """(V, 3) area-weighted unit normals."""
    return _vertex_normals(np.ascontiguousarray(vertices, dtype=np.float64), np.ascontiguousarray(faces))


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


@njit(cache=True)
def _vertex_normals(vertices, faces):
    normals = np.zeros_like(vertices)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = vertices[b] - vertices[a]
        vx, vy, vz = vertices[c] - vertices[a]
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in range(3):
            i = faces[f, corner]
            normals[i, 0] += x
            normals[i, 1] += y
            normals[i, 2] += z
    for i in range(len(normals)):
        normals[i] /= max(np.sqrt((normals[i] * normals[i]).sum()), 1e-30)
    return normals


@njit(cache=True, error_model="numpy")
def _shade(
    face, barycentric, vertices, normals, faces, uv, uv_faces, surface_of, textures, eye,
    key, key_strength, up, sky, floor, shadow_depth, T_map_world, supersample, image, coverage,
):  # fmt: skip
    height, width = coverage.shape
    texture_height, texture_width = textures.shape[1], textures.shape[2]
    map_size = len(shadow_depth)
    wrap = (0.42, 0.24, 0.18)
    share = 1.0 / (supersample * supersample)
    n, p, t = np.zeros(3), np.zeros(3), np.zeros(2)
    albedo, colour = np.zeros(4), np.zeros(3)
    for y in range(height):
        for x in range(width):
            covered = 0
            colour[:] = 0.0
            for sample in range(supersample * supersample):
                sy, sx = y * supersample + sample // supersample, x * supersample + sample % supersample
                f = face[sy, sx]
                if f < 0:
                    continue
                covered += 1
                n[:] = 0.0
                p[:] = 0.0
                t[:] = 0.0
                for corner in range(3):
                    b = barycentric[sy, sx, corner]
                    i = faces[f, corner]
                    for axis in range(3):
                        n[axis] += b * normals[i, axis]
                        p[axis] += b * vertices[i, axis]
                    for axis in range(2):
                        t[axis] += b * uv[uv_faces[f, corner], axis]
                n /= np.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2])

                # Bilinear texture.
                u = min(max(t[0] * texture_width - 0.5, 0.0), texture_width - 1.001)
                v = min(max((1.0 - t[1]) * texture_height - 0.5, 0.0), texture_height - 1.001)
                u0, v0 = int(u), int(v)
                du, dv = u - u0, v - v0
                s = surface_of[f]
                for channel in range(4):
                    albedo[channel] = (1 - dv) * (
                        (1 - du) * textures[s, v0, u0, channel] + du * textures[s, v0, u0 + 1, channel]
                    ) + dv * (
                        (1 - du) * textures[s, v0 + 1, u0, channel] + du * textures[s, v0 + 1, u0 + 1, channel]
                    )

                # Share of the key light that reaches the point, softened over nine texels.
                mx = T_map_world[0, 0] * p[0] + T_map_world[0, 1] * p[1] + T_map_world[0, 2] * p[2] + T_map_world[0, 3]
                my = T_map_world[1, 0] * p[0] + T_map_world[1, 1] * p[1] + T_map_world[1, 2] * p[2] + T_map_world[1, 3]
                mz = T_map_world[2, 0] * p[0] + T_map_world[2, 1] * p[1] + T_map_world[2, 2] * p[2] + T_map_world[2, 3]
                lit = 0.0
                for oy in range(-1, 2):
                    for ox in range(-1, 2):
                        column = min(max(int(round(mx)) + ox, 0), map_size - 1)
                        row = min(max(int(round(my)) + oy, 0), map_size - 1)
                        lit += min(max((shadow_depth[row, column] - mz + 0.009) / 0.004, 0.0), 1.0)
                lit /= 9.0

                to_eye = eye - p
                to_eye /= np.sqrt(to_eye[0] * to_eye[0] + to_eye[1] * to_eye[1] + to_eye[2] * to_eye[2])
                half = key + to_eye
                half /= np.sqrt(half[0] * half[0] + half[1] * half[1] + half[2] * half[2])
                facing = n[0] * key[0] + n[1] * key[1] + n[2] * key[2]
                above = 0.5 + 0.5 * (n[0] * up[0] + n[1] * up[1] + n[2] * up[2])
                shine = max(n[0] * half[0] + n[1] * half[1] + n[2] * half[2], 0.0) ** 24
                # Grazing skin looks darker against a bright room: a little of the ambient light is lost there.
                grazing = 0.72 + 0.28 * max(n[0] * to_eye[0] + n[1] * to_eye[1] + n[2] * to_eye[2], 0.0)
                specular = albedo[3] * shine * lit * key_strength
                for channel in range(3):
                    w = wrap[channel]
                    diffuse = max((facing + w) / (1.0 + w), 0.0) * (lit + w * (1.0 - lit) * 0.6)
                    ambient = (above * sky[channel] + (1.0 - above) * floor[channel]) * grazing
                    colour[channel] += albedo[channel] * (ambient + key_strength * diffuse) + specular
            if covered == 0:
                continue
            alpha = covered * share
            coverage[y, x] = alpha
            for channel in range(3):
                behind = (image[y, x, channel] / 255.0) ** GAMMA
                value = colour[channel] * share + (1.0 - alpha) * behind
                image[y, x, channel] = np.uint8(255.0 * min(value, 1.0) ** (1.0 / GAMMA) + 0.5)
