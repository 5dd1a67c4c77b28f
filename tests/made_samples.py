"""Samples with a known truth: open hands before a camera, every joint a disc in the masks."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from handloom.cameras import Camera
from handloom.datasets import HandLabel, HandParameters, ManoParameters, Sample
from handloom.datasets.sample import FIRST_PART, PERSON
from handloom.hand import HandModel, load_open_hand
from handloom.hand.kinematics import rigid, rotation_from_vector
from handloom.hand.tree import HAND_TREE
from handloom.skeleton import HAND

SIZE = 96


@lru_cache
def hand_model(side: str) -> HandModel:
    return load_open_hand(side)


def made_hand(side: str, seed: int, camera: Camera, *, x: float = 0.0, mano: bool = False) -> HandLabel:
    model, rng = hand_model(side), np.random.default_rng(seed)
    angles = 0.3 * rng.uniform(model.limits[..., 0], model.limits[..., 1])
    shape = 0.3 * rng.normal(size=model.shape_count)
    T = rigid(rotation_from_vector(rng.normal(0, 0.4, 3)), np.array([x - 0.02, 0.03, 0.5]))
    posed = model.pose(angles, shape, T)
    xy = camera.project(posed.keypoints)
    pose = rng.normal(0, 0.3, 48)
    return HandLabel(
        side,
        xy,
        posed.keypoints,
        visible=(rng.random(21) < 0.8) & ((xy >= 0) & (xy < camera.image_size[0])).all(axis=1),
        box=np.concatenate([xy.min(axis=0), xy.max(axis=0)]),
        vertices=posed.vertices,
        faces=model.faces.astype(np.int64),
        mano=ManoParameters(pose, rng.normal(size=10), np.full(3, np.nan), False) if mano else None,
        parameters=HandParameters(angles, shape, T),
    )


def made_camera(size: int = SIZE) -> Camera:
    K = np.array([[1.4 * size, 0, size / 2 - 0.5], [0, 1.38 * size, size / 2 + 0.5], [0, 0, 1]])
    return Camera("camera", (size, size), K, np.zeros(4), np.eye(4))


def made_sample(
    number: int, sides: tuple[str, ...] = ("right",), *, size: int = SIZE, mano: bool = False
) -> Sample:
    """A sample whose pictures agree with its labels."""
    camera, rng = made_camera(size), np.random.default_rng(number)
    places = {"left": 0.07, "right": 0.0} if len(sides) == 2 else dict.fromkeys(sides, 0.0)
    hands = tuple(made_hand(side, number, camera, x=places[side], mano=mano) for side in sides)
    coarse = rng.integers(0, 256, (size // 8, size // 8, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    parts = np.zeros((size, size), np.uint8)
    parts[-10:, :] = PERSON
    depth = np.full((size, size), np.nan, np.float32)
    for hand in hands:
        for joint, name in enumerate(HAND_TREE.joints):
            centre = tuple(int(v) for v in np.round(hand.xy[_keypoint(name)]))
            cv2.circle(parts, centre, 2, FIRST_PART[hand.side] + joint, -1)
            cv2.circle(depth, centre, 2, float(hand.xyz[_keypoint(name), 2]), -1)
    normals = np.where(np.isnan(depth)[..., None], np.nan, np.array([0.0, 0.6, -0.8])).astype(np.float32)
    return Sample(
        f"made/{number:05d}", image, camera, hands, parts, depth, normals,
        moment=f"moment {number}", frame=("made", number), conditions={"tone": "III", "light": 0.5},
    )  # fmt: skip


def _keypoint(joint: str) -> int:
    return HAND.index(joint)


def made_samples(count: int, sides: tuple[str, ...] = ("right",), **options) -> list[Sample]:
    return [made_sample(number, sides, **options) for number in range(count)]
