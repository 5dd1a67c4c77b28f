"""Cameras with known truth."""

from __future__ import annotations

import numpy as np

from handloom.cameras import Camera, CameraRig

# A polynomial fitted to the middle of the picture: it turns round at a radius of 0.585, inside the corners.
FOLDING = (-0.0139598, 1.4192899, -0.00353398, -0.0035674, -6.3943241)
LENSES = {
    "none": ("brown-conrady", (0.0, 0.0, 0.0, 0.0, 0.0)),
    "four": ("brown-conrady", (-0.2, 0.08, 0.001, -0.0007)),
    "five": ("brown-conrady", (-0.3383569, 0.0967271, -0.0013512, 0.0031558, -0.0037489)),
    "folding": ("brown-conrady", FOLDING),
    "rational": ("brown-conrady", (0.3, -0.05, 0.001, -0.0004, 0.01, 0.6, 0.02, 0.03)),
    "fisheye": ("fisheye", (0.05, -0.012, 0.004, -0.0011)),
}


def look_at(center, target=(0.0, 0.0, 0.0), up=(0.0, 0.0, 1.0)):
    """(4, 4) T_camera_world of a camera at ``center`` that looks at ``target``."""
    forward = np.subtract(target, center) / np.linalg.norm(np.subtract(target, center))
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    T = np.eye(4)
    T[:3, :3] = [right, np.cross(forward, right), forward]
    T[:3, 3] = -T[:3, :3] @ center
    return T


def camera(lens="five", name="cam0", center=(0.7, -0.9, 0.5), image_size=(1280, 720), skew=0.0):
    model, coefficients = LENSES[lens]
    K = [[905.5, skew, 640.25], [0.0, 899.0, 352.5], [0.0, 0.0, 1.0]]
    return Camera(name, image_size, np.array(K), np.array(coefficients), look_at(center), model)


def rig(lenses=("five", "four", "folding"), unit="m", up=(0.0, 0.0, 1.0), image_size=(1280, 720)):
    angles = np.linspace(0.3, 2.4, len(lenses))
    cameras = tuple(
        camera(lens, f"cam_{i}", (np.cos(angle), np.sin(angle), 0.4 + 0.1 * i), image_size)
        for i, (lens, angle) in enumerate(zip(lenses, angles, strict=True))
    )
    return CameraRig(cameras, unit, None if up is None else np.array(up))
