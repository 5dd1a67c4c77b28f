"""Where the cameras of the demo stand."""

from __future__ import annotations

import numpy as np

from handloom.cameras import Camera, CameraRig
from handloom.hand.kinematics import rigid

TARGET = np.array([0.0, 0.0, 0.085])
"""What the cameras look at: the middle of raised hands whose wrists are at the height of zero."""

_ELEVATION_DEG = (6.0, 22.0, 2.0, 14.0)
_DISTANCE_M = (0.66, 0.70, 0.68, 0.72)
_DISTORTION = ((0.0, 0.0, 0.0, 0.0, 0.0), (-0.12, 0.05, 0.0006, -0.0004, 0.0))


def demo_rig(count: int, image_size: tuple[int, int] = (640, 480), spacing_deg: float = 42.0) -> CameraRig:
    """Cameras on an arc in front of raised hands; every second one has a distorting lens.

    Args:
        count: number of cameras, at least one.
        image_size: (width, height) in pixels.
        spacing_deg: angle from one camera to the next, narrowed where more than seven would close the circle.
    """
    spacing = min(spacing_deg, 300.0 / max(count, 1))
    width, height = image_size
    focal = 1.08 * width
    cameras = []
    for i in range(count):
        azimuth = np.deg2rad((i - (count - 1) / 2) * spacing)
        elevation = np.deg2rad(_ELEVATION_DEG[i % len(_ELEVATION_DEG)])
        away = np.array(
            [np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)]
        )
        eye = TARGET + _DISTANCE_M[i % len(_DISTANCE_M)] * away
        forward = -away
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        R = np.stack([right, np.cross(forward, right), forward])
        K = np.array([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]])
        distortion = np.array(_DISTORTION[i % len(_DISTORTION)])
        cameras.append(Camera(f"cam{i}", image_size, K, distortion, rigid(R, -R @ eye)))
    return CameraRig(tuple(cameras), up=np.array([0.0, 0.0, 1.0]))
