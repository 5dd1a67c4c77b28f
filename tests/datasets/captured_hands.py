"""Samples of hands in front of cameras whose truth is known, for writers of layouts."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation
from synthetic import hand_motion

from handloom.cameras import Camera
from handloom.datasets import HandLabel, Sample

SIZE = (160, 120)
HANDS = {"right": hand_motion(np.arange(30) / 10.0), "left": hand_motion(np.arange(30) / 10.0, "left")}


def camera(name: str, degrees: float) -> Camera:
    """A camera a metre from the hands that looks at them from the side."""
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("y", degrees, degrees=True).as_matrix()
    T[:3, 3] = [0.01, 0.02, 1.0]
    K = np.array([[150.0, 0.0, 79.5], [0.0, 150.0, 59.5], [0.0, 0.0, 1.0]])
    return Camera(name, SIZE, K, np.zeros(4), T)


def capture(
    frame: int,
    view: Camera,
    sides: tuple[str, ...] = ("right", "left"),
    *,
    moment: str | None = None,
    unseen: tuple[int, ...] = (),
) -> Sample:
    """What a camera sees of a frame of the motion.

    Args:
        frame: of the motion.
        view: the camera.
        sides: of the hands, in this order.
        moment: of the sample.
        unseen: joints without a label.
    """
    hands = []
    for side in sides:
        points = HANDS[side][frame] - [0.17 if side == "right" else -0.17, 0.0, 0.0]
        xyz = points @ view.T_camera_world[:3, :3].T + view.T_camera_world[:3, 3]
        xyz[list(unseen)] = np.nan
        xy = view.project(points)
        xy[list(unseen)] = np.nan
        visible = np.arange(21) % 3 > 0
        hands.append(HandLabel(side, xy, xyz, visible=visible & np.isfinite(xy[:, 0])))
    image = np.random.default_rng(frame).integers(0, 255, (SIZE[1] // 8, SIZE[0] // 8, 3), dtype=np.uint8)
    image = image.repeat(8, axis=0).repeat(8, axis=1)
    return Sample(f"{frame}-{view.name}", image, view, tuple(hands), moment=moment)
