"""Where cameras stand and what their lenses are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.hand.kinematics import rigid, rotation_from_vector
from handloom.synthesis.pictures.recipe import Recipe

Array = NDArray[np.float64]

DISTANCE_M = (0.16, 2.2)
_NEAR_ARM_M = 0.13
_TRIES = 40


def draw_cameras(
    points: Array, arms: list[Array], palms: list[Array], recipe: Recipe, rng: np.random.Generator
) -> tuple[Camera, ...]:
    """Cameras that look at hands, each named ``cam0``, ``cam1``, …

    Args:
        points: (N, 3) keypoints of all hands over all frames, in the world (+z is up).
        arms: for each hand, (K, 3) points along its arm; cameras keep away from them, and do not look past
            them at the hands.
        palms: for each hand, (3, 3) its axes in the world, as columns. Cameras prefer to see palms or backs.
        recipe: sizes and ranges.
        rng: decides the rest.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    target = 0.5 * (low + high)
    width, height = recipe.image_size
    # One hand is 19 cm long; more of them have to fit the picture too.
    extent = float(np.linalg.norm(points - target, axis=1).max())
    cameras: list[Camera] = []
    first = rng.uniform(0, 2 * np.pi)
    for i in range(recipe.cameras):
        view = np.deg2rad(rng.uniform(*recipe.field_of_view_deg))
        focal = 0.5 * max(width, height) / np.tan(0.5 * view)
        low_share, high_share = recipe.hand_share
        share = np.exp(rng.uniform(np.log(low_share), np.log(high_share)))
        distance = focal * 0.19 / (share * min(width, height))
        fits = 1.15 * focal * extent / (0.5 * min(width, height))
        distance = float(np.clip(max(distance, 0.88 * fits), *DISTANCE_M))
        for _ in range(_TRIES):
            around = first + 2 * np.pi * i / recipe.cameras + rng.normal(0, 0.15)
            if recipe.cameras == 1:
                around = rng.uniform(0, 2 * np.pi)
            above = np.clip(rng.normal(np.deg2rad(18.0), np.deg2rad(28.0)), -0.9, 1.45)
            away = np.array([np.cos(around) * np.cos(above), np.sin(around) * np.cos(above), np.sin(above)])
            eye = target + distance * away
            if rng.random() < _liking(away, palms) and not _in_the_way(arms, eye, target):
                break
        roll = rng.normal(0.0, np.deg2rad(12.0)) if rng.random() < 0.85 else rng.uniform(-np.pi, np.pi)
        room = max(0.5 * min(width, height) / focal - 1.05 * extent / distance, 0.02)
        aside = rng.uniform(-0.85, 0.85, 2) * room
        R = (
            rotation_from_vector([0.0, 0.0, roll])
            @ rotation_from_vector([aside[0], aside[1], 0.0])
            @ looking(-away)
        )
        K = np.array([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]])
        K[:2, 2] += rng.uniform(-0.02, 0.02, 2) * min(width, height)
        cameras.append(Camera(f"cam{i}", (width, height), K, np.zeros(5), rigid(R, -R @ eye)))
    return tuple(cameras)


def _liking(away: Array, palms: list[Array]) -> float:
    """How gladly hands are looked at from a direction: palms and backs rather than edges and finger tips."""
    _, y, z = np.abs(np.stack([axes.T @ away for axes in palms])).mean(axis=0)
    return float((0.1 + 0.9 * z**1.5) * (1.0 - 0.8 * np.clip((y - 0.4) / 0.4, 0.0, 1.0)))


def _in_the_way(arms: list[Array], eye: Array, target: Array) -> bool:
    points = np.concatenate([arm[6:] for arm in arms]) - eye
    to_target = target - eye
    distance = np.linalg.norm(to_target)
    along = points @ to_target / distance
    aside = np.sqrt(np.maximum((points * points).sum(axis=1) - along**2, 0.0))
    before = (along > 0) & (along < distance) & (aside < 0.05 + 0.07 * along / distance)
    return bool(before.any() or (np.linalg.norm(points, axis=1) < _NEAR_ARM_M).any())


def looking(forward: Array) -> Array:
    """(3, 3) R_camera_world of an upright camera that looks along a unit vector."""
    right = np.cross(forward, [0.0, 0.0, 1.0])
    norm = np.linalg.norm(right)
    right = right / norm if norm > 1e-6 else np.array([1.0, 0.0, 0.0])
    return np.stack([right, np.cross(forward, right), forward])
