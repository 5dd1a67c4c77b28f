"""Rooms to stand behind a hand: soft light on a wall, blurred things, a desk, the grain of a sensor."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.rendering.noise import wave_noise

Image = NDArray[np.uint8]


def room(image_size: tuple[int, int], seed: int) -> Image:
    """(H, W, 3) sRGB picture of an invented room, out of focus."""
    rng = np.random.default_rng(seed)
    width, height = image_size
    x, y = np.meshgrid(np.linspace(0, width / height, width), np.linspace(0, 1, height))
    wall = rng.uniform(0.45, 0.8) * (1.0 + rng.uniform(-0.08, 0.08, 3))
    light = 1.0 + rng.uniform(-0.25, 0.25) * (x - 0.6) + rng.uniform(-0.3, 0.1) * (y - 0.5)
    picture = wall * light[..., None]
    for _ in range(int(rng.integers(4, 8))):
        left, top = rng.uniform(-0.1, width / height), rng.uniform(0.0, 0.6)
        inside = (
            (x > left) & (x < left + rng.uniform(0.06, 0.3)) & (y > top) & (y < top + rng.uniform(0.1, 0.5))
        )
        picture[inside] = rng.uniform(0.12, 0.75) * (1.0 + rng.uniform(-0.22, 0.22, 3))
    edge = rng.uniform(0.74, 0.9) + rng.uniform(-0.06, 0.06) * (x - 0.6)
    grain = wave_noise(np.stack([x * 0.6, y * 9.0], axis=-1), 0.5, seed + 1)
    desk = np.array([0.42, 0.33, 0.25]) * rng.uniform(0.6, 1.3) * (1.0 + 0.05 * grain[..., None])
    picture = np.where((y > edge)[..., None], desk, picture)
    blur = 0.009 * width
    blurred = cv2.GaussianBlur(picture, (0, 0), blur, borderType=cv2.BORDER_REFLECT)
    picture = blurred * (1.0 + 0.006 * wave_noise(np.stack([x, y], axis=-1), 0.08, seed + 2)[..., None])
    return (255 * np.clip(picture, 0, 1)).round().astype(np.uint8)


class SensorNoise:
    """The grain of a camera: one field of noise, laid over every picture at another place.

    Args:
        image_size: (width, height).
        sigma: standard deviation in grey levels.
        seed: of the field.
    """

    def __init__(self, image_size: tuple[int, int], sigma: float, seed: int) -> None:
        width, height = image_size
        rng = np.random.default_rng(seed)
        field = rng.normal(0.0, sigma, (height + 64, width + 64, 3))
        self._field = np.clip(np.rint(field), -127, 127).astype(np.int16)
        self._shape = (height, width)

    def over(self, image: Image, frame: int) -> Image:
        """The picture with grain; the same frame number gives the same grain."""
        top, left = (37 * frame) % 64, (23 * frame + frame // 64) % 64
        grain = self._field[top : top + self._shape[0], left : left + self._shape[1]]
        return np.clip(image.astype(np.int16) + grain, 0, 255).astype(np.uint8)
