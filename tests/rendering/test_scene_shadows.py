"""Shadows of a scene: cast on what is behind, whatever the distances along the light."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.cameras import Camera
from handloom.hand.kinematics import rigid
from handloom.rendering.scene import Illumination, Mesh, Scene, Textures, expose

GREY = Textures.of([np.full((4, 4, 4), [0.5, 0.5, 0.5, 0.0], np.float32)], (0.0,))
NOTHING = Textures.of([], ())
# A camera beside the light, looking down at 1.2 m.
DOWN = rigid(np.diag([1.0, -1.0, -1.0]), [0.0, 0.0, 1.2])
CAMERA = Camera("above", (64, 64), np.array([[60.0, 0, 31.5], [0, 60.0, 31.5], [0, 0, 1]]), np.zeros(5), DOWN)
LIGHT = Illumination(
    np.array([0.0, 0.6, 0.8]), np.ones(3), 0.003, np.array([0.0, 0.0, -1.0]), np.zeros(3),
    np.full((6, 3), 0.1), np.eye(3),
)  # fmt: skip


def square(z: float, half: float, y: float = 0.0) -> Mesh:
    """A level square that looks up."""
    corners = np.array([[-half, y - half, z], [half, y - half, z], [half, y + half, z], [-half, y + half, z]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    uv = np.array([[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]])
    return Mesh(corners, faces, uv, faces, np.zeros(2, np.int64), np.zeros(2, np.int64), np.ones(4))


@pytest.mark.parametrize("height", [0.1, 0.4, 0.9])
def test_shadow_falls_beside_what_casts_it(height: float) -> None:
    above = square(height, 0.05, y=0.6 / 0.8 * height)
    floor = square(0.0, 0.4)
    focus = np.concatenate([floor.vertices, above.vertices])
    alone, shaded = (
        expose(CAMERA, Scene.of(meshes, GREY, NOTHING, LIGHT, focus)).light[..., 0]
        for meshes in ([floor], [floor, above])
    )
    assert np.isfinite(shaded).all()
    column, row = np.rint(CAMERA.project(np.zeros(3))).astype(int)
    assert shaded[row, column] < 0.5 * alone[row, column]
    beside = CAMERA.project(np.array([0.25, -0.2, 0.0])).round().astype(int)
    assert shaded[beside[1], beside[0]] == pytest.approx(alone[beside[1], beside[0]], rel=0.05)
