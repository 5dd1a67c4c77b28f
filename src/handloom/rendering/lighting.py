"""Light in a scene: one soft key light that casts shadows, and the sky and floor around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.rendering.rasteriser import rasterise

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Lighting:
    """Where light comes from, in linear intensities.

    Attributes:
        key: (3,) direction towards the key light, world frame; need not be a unit vector.
        key_strength: intensity of the key light.
        up: (3,) direction of the sky.
        sky: (r, g, b) light from above.
        floor: (r, g, b) light from below.
    """

    key: tuple[float, float, float] = (0.3, -0.6, 0.8)
    key_strength: float = 0.75
    up: tuple[float, float, float] = (0.0, 0.0, 1.0)
    sky: tuple[float, float, float] = (0.42, 0.43, 0.46)
    floor: tuple[float, float, float] = (0.24, 0.21, 0.19)


@dataclass(frozen=True, eq=False)
class ShadowMap:
    """Depth of the scene seen from a far light.

    Attributes:
        depth: (n, n) distance from the light's plane.
        T_map_world: (3, 4) world points to map column, row and depth.
    """

    depth: NDArray[np.float32]
    T_map_world: Array


def shadow_map(vertices: Array, faces: NDArray[np.int64], direction: Array, size: int = 320) -> ShadowMap:
    """Draw the scene from the direction of the key light, orthographically."""
    z = -np.asarray(direction, dtype=np.float64) / np.linalg.norm(direction)
    x = np.cross(z, [0.0, 0.0, 1.0] if abs(z[2]) < 0.9 else [0.0, 1.0, 0.0])
    x /= np.linalg.norm(x)
    R = np.stack([x, np.cross(z, x), z])
    local = vertices @ R.T
    low, high = local.min(axis=0), local.max(axis=0)
    scale = (size - 5) / max(float((high - low)[:2].max()), 1e-6)
    # Far away, perspective-correct interpolation becomes linear.
    scaled = np.array([scale, scale, 1.0])
    shift = np.array([2.0, 2.0, 50.0]) - low * scaled
    mapped = local * scaled + shift
    drawn = rasterise(mapped[:, :2], mapped[:, 2], faces, (size, size), cull=False)
    return ShadowMap(drawn.depth, np.column_stack([R * scaled[:, None], shift]))
