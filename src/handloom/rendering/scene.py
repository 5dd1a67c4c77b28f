"""Scenes of many textured meshes under a key light, a rim light and light from all around.

What :func:`expose` gives is linear light before any camera: background, blur, noise and tone curve come
after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.hand.mesh import vertex_normals
from handloom.rendering.radiance import radiance
from handloom.rendering.rasteriser import Fragments, rasterise

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Light = NDArray[np.float32]

_SHADOW_SIZES = (48, 192)
_SHADOW_BLUR = 2.5
"""Texels of a shadow's edge: a softer light needs a coarser map."""
_HARDNESS = 160.0
_SHADOW_START_M = 0.0035
_SHADOW_DEEPEST_M = 0.5
"""The exponential of a larger depth would be near the largest float32."""
_FAR = 50.0


@dataclass(frozen=True, eq=False)
class Mesh:
    """A textured mesh in the world.

    Attributes:
        vertices: (V, 3) metres.
        faces: (F, 3) counter-clockwise seen from outside.
        uv: (U, 2) texture coordinates in [0, 1], origin bottom left.
        uv_faces: (F, 3) indices into ``uv``.
        texture: (F,) index of every face's texture in the scene.
        label: (F,) what the face belongs to, of the caller's choice.
        openness: (V,) share of the ambient light that reaches a vertex.
    """

    vertices: Array
    faces: Indices
    uv: Array
    uv_faces: Indices
    texture: Indices
    label: Indices
    openness: Array


@dataclass(frozen=True, eq=False)
class Textures:
    """Textures of several sizes in one array, in the order in which meshes count them.

    Attributes:
        texels: (N, 4) float32 linear colour and gloss, texture after texture.
        sizes: (height, width) of each.
        scatter: how far light wanders under each surface, from 0 (stone) to 1 (skin).
    """

    texels: NDArray[np.float32]
    sizes: tuple[tuple[int, int], ...]
    scatter: tuple[float, ...]

    @classmethod
    def of(cls, pictures: Sequence[NDArray[np.float32]], scatter: Sequence[float]) -> Textures:
        """Textures from (h, w, 4) pictures."""
        texels = [picture.reshape(-1, 4) for picture in pictures] or [np.zeros((0, 4), np.float32)]
        sizes = tuple((picture.shape[0], picture.shape[1]) for picture in pictures)
        return cls(np.ascontiguousarray(np.concatenate(texels)), sizes, tuple(scatter))


@dataclass(frozen=True, eq=False)
class Illumination:
    """Linear light of a scene.

    Attributes:
        key: (3,) unit direction towards the key light, world frame.
        key_colour: (3,).
        softness: width of the edge of its shadows, metres.
        rim: (3,) unit direction towards a second light, which casts no shadow.
        rim_colour: (3,).
        cube: (6, 3) colour of the ambient light from +x, −x, +y, −y, +z, −z.
        R_cube_world: (3, 3) takes world directions into the axes of ``cube``.
    """

    key: Array
    key_colour: Array
    softness: float
    rim: Array
    rim_colour: Array
    cube: Array
    R_cube_world: Array


@dataclass(frozen=True, eq=False)
class Exposure:
    """A scene seen by a camera.

    Attributes:
        light: (H, W, 4) float32 linear red, green, blue times coverage, and coverage.
        fragments: what stands at the centre of every pixel.
    """

    light: Light
    fragments: Fragments


@dataclass(frozen=True, eq=False)
class Scene:
    """Meshes joined into one, with their normals and the shadow map of the key light.

    Attributes:
        mesh: all of them.
        normals: (V, 3).
        atlas, things: their textures; indices of meshes count those of the atlas first.
        illumination: the light.
    """

    mesh: Mesh
    normals: Array
    atlas: Textures
    things: Textures
    illumination: Illumination
    shadow: Light
    T_map_world: Array

    @classmethod
    def of(
        cls, meshes: Sequence[Mesh], atlas: Textures, things: Textures, light: Illumination, focus: Array
    ) -> Scene:
        """Join meshes. The shadow map covers the (N, 3) points of ``focus``; beyond them all is lit."""
        mesh = join(meshes)
        normals = vertex_normals(mesh.vertices, mesh.faces)
        shadow, T = _shadow(mesh, focus, light)
        return cls(mesh, normals, atlas, things, light, shadow, T)


def join(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh of several."""
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes)])
    uv_starts = np.cumsum([0, *(len(m.uv) for m in meshes)])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + start for m, start in zip(meshes, starts, strict=False)]),
        np.concatenate([m.uv for m in meshes]),
        np.concatenate([m.uv_faces + start for m, start in zip(meshes, uv_starts, strict=False)]),
        np.concatenate([m.texture for m in meshes]),
        np.concatenate([m.label for m in meshes]),
        np.concatenate([m.openness for m in meshes]),
    )


def expose(camera: Camera, scene: Scene, *, supersample: int = 2) -> Exposure:
    """Draw a scene.

    Args:
        camera: with an ``image_size``; lens distortion is applied to every vertex.
        scene: the meshes and their light.
        supersample: samples per pixel and axis.
    """
    assert camera.image_size is not None
    width, height = camera.image_size
    mesh, light = scene.mesh, scene.illumination
    pixels = camera.project(mesh.vertices)
    depth = (mesh.vertices - camera.center) @ camera.axis
    centres = rasterise(pixels, depth, mesh.faces, (width, height))
    out = np.zeros((height, width, 4), dtype=np.float32)
    box = _box(pixels, width, height)
    if box is None:
        return Exposure(out, centres)
    left, top, right, bottom = box
    # Sample centres lie symmetrically inside the pixel, whose own centre is the integer.
    samples = (pixels - [left, top] + 0.5) * supersample - 0.5
    fine = rasterise(samples, depth, mesh.faces, ((right - left) * supersample, (bottom - top) * supersample))
    region = np.zeros((bottom - top, right - left, 4), dtype=np.float32)
    radiance(
        fine.face, fine.barycentric, mesh.vertices, scene.normals, mesh.openness, mesh.faces, mesh.uv,
        mesh.uv_faces, mesh.texture, _table(scene.atlas, scene.things),
        np.array([*scene.atlas.scatter, *scene.things.scatter]), scene.atlas.texels, scene.things.texels,
        camera.center, light.key, light.key_colour, light.rim, light.rim_colour, light.cube,
        light.R_cube_world, scene.shadow, scene.T_map_world, _HARDNESS, supersample, region,
    )  # fmt: skip
    out[top:bottom, left:right] = region
    return Exposure(out, centres)


def _table(atlas: Textures, things: Textures) -> Indices:
    rows = []
    for which, textures in enumerate((atlas, things)):
        first = 0
        for h, w in textures.sizes:
            rows.append((which, first, h, w))
            first += h * w
    return np.array(rows, dtype=np.int64).reshape(-1, 4)


def _shadow(mesh: Mesh, focus: Array, light: Illumination) -> tuple[Light, Array]:
    """Blurred exponential of the depth seen from the key light, and (3, 4) world to its texels and depth."""
    z = -light.key
    x = np.cross(z, [0.0, 0.0, 1.0] if abs(z[2]) < 0.9 else [0.0, 1.0, 0.0])
    x /= np.linalg.norm(x)
    R = np.stack([x, np.cross(z, x), z])
    near, local = focus @ R.T, mesh.vertices @ R.T
    low, high = near.min(axis=0), near.max(axis=0)
    extent = max(float((high - low)[:2].max()), 1e-6)
    size = int(np.clip(17 + _SHADOW_BLUR * extent / light.softness, *_SHADOW_SIZES))
    scale = (size - 17) / extent
    # Far away, perspective-correct interpolation becomes linear.
    scaled = np.array([scale, scale, 1.0])
    shift = np.array([8.0, 8.0, _FAR]) - low * scaled
    mapped = local * scaled + shift
    drawn = rasterise(mapped[:, :2], mapped[:, 2], mesh.faces, (size, size))
    # Where hands are far from each other along the light, depth counts from a place behind the nearest.
    start = _FAR + max(float(high[2] - low[2]) - _SHADOW_DEEPEST_M, 0.0)
    depth = np.clip(
        drawn.depth - np.float32(start), -0.5, high[2] - low[2] - (start - _FAR), dtype=np.float32
    )
    blurred = cv2.GaussianBlur(cv2.exp(_HARDNESS * depth), (0, 0), max(light.softness * scale, 0.7))
    shift[2] -= start + _SHADOW_START_M
    return np.asarray(blurred), np.column_stack([R * scaled[:, None], shift])


def _box(pixels: Array, width: int, height: int) -> tuple[int, int, int, int] | None:
    seen = pixels[np.isfinite(pixels).all(axis=1)]
    if not len(seen):
        return None
    left, top = np.maximum(np.floor(seen.min(axis=0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(seen.max(axis=0)).astype(int) + 1, [width, height])
    return (left, top, right, bottom) if left < right and top < bottom else None
