"""The shadow that hands and arms throw on a table or a wall behind them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.rendering.rasteriser import rasterise
from handloom.rendering.scene import Scene

Array = NDArray[np.float64]
Light = NDArray[np.float32]

_COARSE = 2
_DEEPEST = 0.62


def cast_shadow(background: Light, camera: Camera, scene: Scene, gap: float) -> Light:
    """A background darkened where the key light is kept from it.

    Args:
        background: (H, W, 3) linear.
        camera: its plane faces the camera.
        scene: what stands in the light.
        gap: metres from the deepest point of the hands to the plane.
    """
    assert camera.image_size is not None
    light = scene.illumination
    forward = camera.axis
    falling = -float(light.key @ forward)
    if falling < 0.25:
        return background
    vertices = scene.mesh.vertices
    hands = vertices[np.unique(scene.mesh.faces[scene.mesh.label > 1])]
    plane = float((hands @ forward).max()) + gap
    # What is already behind the plane throws nothing on it.
    reach = np.maximum(plane - vertices @ forward, 0.0)
    on_plane = vertices - light.key * (reach / falling)[:, None]
    width, height = camera.image_size
    size = -(-width // _COARSE), -(-height // _COARSE)
    pixels = (camera.project(on_plane) + 0.5) / _COARSE - 0.5
    drawn = rasterise(pixels, (on_plane - camera.center) @ forward, scene.mesh.faces, size, cull=False)
    share = float(light.key_colour.mean() * falling)
    deep = _DEEPEST * share / (share + float(light.cube.mean()))
    pixels_per_metre = float(camera.K[0, 0]) / (plane - float(camera.center @ forward)) / _COARSE
    blur = max((0.004 + 1.6 * light.softness) * pixels_per_metre, 0.6)
    shadow = cv2.GaussianBlur(drawn.mask.astype(np.float32), (0, 0), blur)
    shadow = cv2.resize(shadow, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(background * (1.0 - np.float32(deep) * shadow)[..., None], dtype=np.float32)
