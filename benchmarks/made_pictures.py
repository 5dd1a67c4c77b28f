"""Single pictures of rendered hands with everything about them known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.hand import HandModel
from handloom.hand.kinematics import rigid, rotation_from_vector
from handloom.rendering import Lighting, SensorNoise, render, room
from handloom.synthesis.capture import cast

Array = NDArray[np.float64]

SIZE = (640, 480)
PER_HAND, FPS = 10, 1.0
DISTANCE_M = (0.30, 1.0)
FOCAL = (0.75, 1.4)  # of the width
AROUND_DEG, ABOVE_DEG, ROLL_DEG = 50.0, (-20.0, 40.0), 30.0


@dataclass(frozen=True, eq=False)
class MadePicture:
    """A picture of one hand.

    Attributes:
        image: (H, W, 3).
        camera: of known lens; the world is that of ``keypoints``.
        model: the hand, of the side shown.
        shape: (B,).
        angles: (15, 3).
        keypoints: (21, 3) in the camera's axes, metres.
    """

    image: NDArray[np.uint8]
    camera: Camera
    model: HandModel
    shape: Array
    angles: Array
    keypoints: Array


def made_pictures(seed: int) -> Iterator[MadePicture]:
    """Pictures of ever new hands, cameras, rooms and lights; never ends. A seed always gives the same."""
    rng = np.random.default_rng(seed)
    while True:
        side = "right" if rng.random() < 0.5 else "left"
        (actor,) = cast((side,), PER_HAND, FPS, rng, turn=0.9)
        for t in range(PER_HAND):
            camera = _camera(actor.posed.keypoints[t].mean(axis=0), rng)
            lighting = Lighting(key=(rng.uniform(-0.6, 0.6), -0.8, rng.uniform(0.5, 1.0)))
            room_seed, noise_seed = (int(s) for s in rng.integers(1 << 30, size=2))
            T, bend = actor.motion.T_world_wrist[t], actor.motion.wrist_bend[t]
            surface = actor.surface.at(actor.posed.vertices[t], T, bend)
            image, _ = render(camera, [surface], room(SIZE, room_seed), lighting)
            image = SensorNoise(SIZE, 2.0, noise_seed).over(image, 0)
            R, place = camera.T_camera_world[:3, :3], camera.T_camera_world[:3, 3]
            points = actor.posed.keypoints[t] @ R.T + place
            yield MadePicture(image, camera, actor.model, actor.shape, actor.motion.angles[t], points)


def _camera(target: Array, rng: np.random.Generator) -> Camera:
    """A camera in front of the hand, not quite pointed at it."""
    around = np.deg2rad(rng.uniform(-AROUND_DEG, AROUND_DEG))
    above = np.deg2rad(rng.uniform(*ABOVE_DEG))
    away = np.array([np.sin(around) * np.cos(above), -np.cos(around) * np.cos(above), np.sin(above)])
    eye = target + rng.uniform(*DISTANCE_M) * away
    right = np.cross(-away, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    aimed = np.stack([right, np.cross(-away, right), -away])
    width, height = SIZE
    focal = width * rng.uniform(*FOCAL)
    reach = np.arctan(np.array(SIZE[::-1]) / (2 * focal)) * 0.4
    aside = rng.uniform(-1.0, 1.0, 2) * reach
    roll = np.deg2rad(rng.uniform(-ROLL_DEG, ROLL_DEG))
    R = rotation_from_vector([0.0, 0.0, roll]) @ rotation_from_vector([*aside, 0.0]) @ aimed
    K = np.array([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]])
    return Camera("camera", SIZE, K, np.zeros(5), rigid(R, -R @ eye))
