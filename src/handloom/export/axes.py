"""The world of the rig as other programs expect it: +Y up, in the unit of the format."""

from __future__ import annotations

import numpy as np

from handloom.cameras import CameraRig
from handloom.keypoints import Array


def world_to_y_up(rig: CameraRig) -> Array:
    """Rotation (3, 3) that takes the rig's up to +Y; the origin stays.

    The horizontal part of the world's X axis stays +X (of its Z axis, +Z, where X is upright): a Y-up world
    is left as it is, OpenCV axes become (x, -y, -z), a Z-up world becomes (x, z, -y). Where the rig does not
    know its up, its first camera is taken to be level: up is that camera's -Y.
    """
    up = -rig.cameras[0].T_camera_world[1, :3] if rig.up is None else np.asarray(rig.up, dtype=np.float64)
    up = up / np.linalg.norm(up)
    if abs(up[0]) < 0.9:
        x = np.array([1.0, 0.0, 0.0]) - up[0] * up
        x /= np.linalg.norm(x)
    else:
        x = np.cross(up, [0.0, 0.0, 1.0])
        x /= np.linalg.norm(x)
    return np.stack([x, up, np.cross(x, up)])


def scale_to(unit: str, rig: CameraRig) -> tuple[float, str]:
    """Factor from the rig's unit to ``unit`` and the name of what results.

    Args:
        unit: ``"m"``, ``"cm"`` or ``"mm"``.

    Returns:
        The factor and ``unit`` for a rig in metres; 1 and the rig's own word for its unit otherwise.
    """
    if rig.unit == "m":
        return {"m": 1.0, "cm": 100.0, "mm": 1000.0}[unit], unit
    return 1.0, rig.unit
