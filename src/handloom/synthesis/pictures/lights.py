"""Light that suits the picture behind the hand: colours from all around, a key light from somewhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.rendering.scene import Illumination

Array = NDArray[np.float64]
Light = NDArray[np.float32]

LIGHTS = ("soft", "window", "lamp", "sun", "back", "dim", "flash")


def draw_light(
    background: Light, R_camera_world: Array, rng: np.random.Generator
) -> tuple[str, Illumination]:
    """The light of a scene whose first camera stands before a background.

    Args:
        background: (H, W, 3) linear.
        R_camera_world: (3, 3).
        rng: decides the rest.

    Returns:
        the kind of light, and the light.
    """
    kind = LIGHTS[int(rng.choice(len(LIGHTS), p=[0.27, 0.27, 0.14, 0.13, 0.07, 0.05, 0.07]))]
    small = background[:: max(background.shape[0] // 24, 1), :: max(background.shape[1] // 24, 1)].astype(
        np.float64
    )
    h, w = small.shape[:2]
    mean = small.mean(axis=(0, 1))
    level = float(np.clip(mean.mean(), 0.06, 0.6))
    # Surroundings reflect each other: what is not in the picture is greyer than what is.
    sides = np.array(
        [
            small[:, 2 * w // 3 :].mean(axis=(0, 1)), small[:, : w // 3].mean(axis=(0, 1)),
            small[2 * h // 3 :].mean(axis=(0, 1)), small[: h // 3].mean(axis=(0, 1)),
            mean, mean,
        ]
    )  # fmt: skip
    grey = sides.mean(axis=1, keepdims=True)
    cube = 0.5 * sides + 0.5 * (0.55 * grey + 0.45 * level) * (1.0 + 0.35 * (mean / mean.mean() - 1.0))
    # Cameras look at what is lit; light comes from their side too, and more of it from above.
    cube[5] *= rng.uniform(0.7, 1.5)
    cube[4] *= rng.uniform(0.6, 1.1)
    cube[2] *= rng.uniform(0.35, 0.8)
    cube[3] *= rng.uniform(1.0, 1.7)
    contrast, softness, back = {
        "soft": (rng.uniform(0.5, 1.0), 0.018, 0.1), "window": (rng.uniform(1.2, 2.4), 0.009, 0.15),
        "lamp": (rng.uniform(1.3, 2.4), 0.005, 0.15), "sun": (rng.uniform(1.6, 3.0), 0.0025, 0.2),
        "back": (rng.uniform(0.3, 0.7), 0.015, rng.uniform(1.5, 3.0)),
        "dim": (rng.uniform(0.7, 1.8), 0.008, 0.1), "flash": (rng.uniform(1.8, 3.5), 0.003, 0.0),
    }[kind]  # fmt: skip
    # In the camera's axes: mostly from above, seldom straight from behind the hand.
    if kind == "flash":
        key = np.array([rng.normal(0, 0.12), rng.normal(-0.1, 0.1), -1.0])
    else:
        key = np.array([rng.normal(0.0, 1.0), rng.normal(-0.9, 0.5), -0.15 - abs(rng.normal(0.7, 0.5))])
        if kind == "back":
            key[2] = rng.uniform(-0.3, 0.4)
    rim = np.array([rng.normal(0.0, 1.0), rng.normal(-0.6, 0.4), rng.uniform(0.3, 1.0)])
    white = mean / mean.mean()
    warm = rng.normal(0.06 if kind in ("lamp", "sun") else 0.0, 0.06)
    tint = (0.75 + 0.25 * white) * np.array([1.0 + warm, 1.0, 1.0 - warm])
    ambient = cube.mean()
    # The hand is about as bright as what is around it: reflected light of a grey of 0.45 equals the mean.
    strength = level / 0.45 / (0.62 * contrast + 1.0) * np.exp(rng.normal(0.46, 0.22))
    cube *= strength / ambient
    return kind, Illumination(
        _unit(key) @ R_camera_world, contrast * strength * 1.6 * tint, softness, _unit(rim) @ R_camera_world,
        back * strength * tint, cube, R_camera_world.copy(),
    )  # fmt: skip


def _unit(vector: Array) -> Array:
    return np.asarray(vector / np.linalg.norm(vector))
