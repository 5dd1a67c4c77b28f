"""A rig of one camera of which no more than the field of view is known."""

from __future__ import annotations

import numpy as np

from handloom.cameras import Camera, CameraRig
from handloom.errors import RigError

FOV_DEG = (5.0, 170.0)


def one_camera(name: str, image_size: tuple[int, int], fov_deg: float) -> CameraRig:
    """The world is the camera's own: +X right, +Y down, +Z forward, metres.

    Args:
        name: of the view.
        image_size: (width, height).
        fov_deg: field of view across the longer side.

    Raises:
        RigError: for a field of view that no lens without distortion has.
    """
    if not FOV_DEG[0] <= fov_deg <= FOV_DEG[1]:
        raise RigError(
            f"A field of view of {fov_deg:g}° is not possible.",
            f"Give degrees across the longer side of the picture, {FOV_DEG[0]:g} to {FOV_DEG[1]:g}.",
        )
    width, height = image_size
    focal = max(width, height) / 2.0 / float(np.tan(np.deg2rad(fov_deg) / 2.0))
    K = np.array([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]])
    camera = Camera(name, image_size, K, np.zeros(5), np.eye(4), "brown-conrady")
    return CameraRig((camera,), unit="m")
