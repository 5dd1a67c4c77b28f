"""Cheap smooth noise and a few materials, the stuff of backgrounds and things."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Light = NDArray[np.float32]


def smooth_noise(
    rng: np.random.Generator, size: tuple[int, int], cells: float, stretch: float = 1.0
) -> Field:
    """(h, w) of about N(0, 1): random values on a grid of ``cells`` across, joined smoothly.

    Args:
        rng: of the values.
        size: (h, w).
        cells: of the grid along the width.
        stretch: features are so many times longer along the height.
    """
    h, w = size
    columns = max(round(cells), 1) + 1
    rows = max(round(cells * h / w / stretch), 1) + 1
    grid = rng.standard_normal((rows, columns), dtype=np.float32)
    # Small features look the same joined by straight lines.
    joined = cv2.INTER_LINEAR if columns > 14 else cv2.INTER_CUBIC
    return np.asarray(1.25 * cv2.resize(grid, (w, h), interpolation=joined), dtype=np.float32)


def octaves(
    rng: np.random.Generator, size: tuple[int, int], cells: float, count: int, fall: float = 0.55
) -> Field:
    """(h, w) of about N(0, 1): noise at ``count`` scales, each half as wide and ``fall`` times as strong."""
    total = np.zeros(size, dtype=np.float32)
    weight, power = 1.0, 0.0
    for _ in range(count):
        total += np.float32(weight) * smooth_noise(rng, size, cells)
        power += weight**2
        weight, cells = weight * fall, cells * 2.1
    return np.asarray(total / np.float32(np.sqrt(power)))


def colour(rng: np.random.Generator, loud: float = 0.35, value: tuple[float, float] = (0.03, 0.7)) -> Light:
    """(3,) linear colour; ``loud`` is how far it leaves grey."""
    v = np.exp(rng.uniform(np.log(value[0]), np.log(value[1])))
    # Most of what people have around them is grey, brown or blue; hue 0 is red, 4 green, 2 blue.
    hue = rng.normal((-0.5, 2.7, 0.0)[k := int(rng.choice(3, p=[0.55, 0.2, 0.25]))], (0.35, 0.4, 2.0)[k])
    tint = 1.0 + rng.uniform(0, 2 * loud) * np.cos(hue + np.array([0.0, 2.1, 4.2]))
    return np.asarray(np.clip(v * np.clip(tint, 0.05, 2.5), 0.004, 0.95), dtype=np.float32)


def wood(rng: np.random.Generator, size: tuple[int, int]) -> Light:
    """(h, w, 3) boards of wood, grain along the width."""
    h, w = size
    base = np.array([0.36, 0.20, 0.10]) * np.exp(rng.uniform(-1.3, 0.8)) * (1.0 + rng.uniform(-0.15, 0.15, 3))
    flow = smooth_noise(rng, (w, h), 3, 4.0).T
    y = np.arange(h, dtype=np.float32)[:, None] / h
    rings = np.sin(2 * np.pi * (rng.uniform(6, 16) * y + 0.5 * flow))
    fibre = smooth_noise(rng, (w, h), 90, 14.0).T
    shade = 1.0 + 0.10 * rings + 0.10 * fibre + 0.10 * smooth_noise(rng, size, 4)
    boards = int(rng.integers(1, 6))
    if boards > 1:
        index = np.minimum((y * boards).astype(int), boards - 1)
        shade = shade * (1.0 + rng.uniform(-0.15, 0.15, boards)).astype(np.float32)[index]
        edge = np.abs(y * boards - np.round(y * boards)) < 1.2 * boards / h
        shade = np.where(edge, shade * 0.55, shade)
    return np.ascontiguousarray(np.clip(base * shade[..., None], 0.003, 0.9), dtype=np.float32)


def speckled(rng: np.random.Generator, size: tuple[int, int]) -> Light:
    """(h, w, 3) stone, paper, laminate, carpet: one colour with patches and specks."""
    base = colour(rng, 0.15, (0.05, 0.75))
    shade = (
        1.0
        + 0.05 * octaves(rng, size, 3, 3)
        + rng.uniform(0.01, 0.07) * smooth_noise(rng, size, size[1] / 2.5)
    )
    return np.clip(base * shade[..., None], 0.003, 0.95).astype(np.float32)
