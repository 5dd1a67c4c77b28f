"""Rendered hands with their masks and depth maps: truth for fits to the surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handloom.cameras import CameraRig
from handloom.hand import HandModel, PosedHand
from handloom.hand.kinematics import rigid, rotation_from_vector
from handloom.rendering.hand_surface import HandSurface
from handloom.rendering.rasteriser import rasterise
from handloom.synthesis.motion import random_motion

RAISED = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Fingers up, palm to the cameras of ``demo_rig``."""


@dataclass(frozen=True, eq=False)
class MadeHands:
    """N hands: their truth, masks per camera (N, H, W) and depth maps likewise, zero where there is none."""

    angles: np.ndarray
    shape: np.ndarray
    T_world_wrist: np.ndarray
    truth: PosedHand
    masks: list[np.ndarray]
    depths: list[np.ndarray]


def made_hands(model: HandModel, rig: CameraRig, count: int, seed: int) -> MadeHands:
    """Raised hands of random shapes in natural poses, with a forearm and a sleeve that masks leave out."""
    rng = np.random.default_rng(seed)
    angles = random_motion(model, count, 2.0, rng).angles
    shape = rng.normal(size=(count, model.shape_count))
    R = RAISED @ rotation_from_vector(rng.normal(0.0, 0.35, (count, 3)))
    T = rigid(R, rng.normal(0.0, 0.02, (count, 3)))
    truth = model.pose(angles, shape, T)
    surface = HandSurface(model)
    masks, depths = [], []
    for camera in rig:
        width, height = camera.image_size
        of_masks, of_depths = np.zeros((count, height, width), bool), np.zeros((count, height, width))
        for n in range(count):
            mesh = surface.at(truth.vertices[n], T[n])
            z = (mesh.vertices - camera.center) @ camera.axis
            drawn = rasterise(camera.project(mesh.vertices), z, mesh.faces, camera.image_size)
            of_masks[n] = drawn.mask & (drawn.face < len(model.faces))
            of_depths[n] = np.where(drawn.mask, drawn.depth, 0.0)
        masks.append(of_masks)
        depths.append(of_depths)
    return MadeHands(angles, shape, T, truth, masks, depths)
