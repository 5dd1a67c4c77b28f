"""Textures of cloth: knitted, woven, striped, checked, plain; for sleeves and for tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.synthesis.pictures.patterns import smooth_noise

Texture = NDArray[np.float32]
CLOTHS = ("plain", "knit", "denim", "stripes", "checks", "fleece")


def cloth_colour(rng: np.random.Generator) -> NDArray[np.float64]:
    """(3,) linear colour as clothes have: often dark, grey or white, seldom loud."""
    value = rng.choice([0.02, 0.05, 0.12, 0.3, 0.55]) * rng.uniform(0.7, 1.3)
    hue = rng.normal(2.7, 0.5) if rng.random() < 0.5 else rng.uniform(0, 2 * np.pi)
    loud = rng.choice([0.05, 0.25, 0.8], p=[0.45, 0.35, 0.2])
    return np.asarray(
        value * (1.0 + loud * np.cos(hue + np.array([0.0, 2.1, 4.2]))).clip(0.08, 2.0).clip(0, 1.6)
    )


def cloth(kind: str, size: tuple[int, int], rng: np.random.Generator, threads: float = 90.0) -> Texture:
    """(h, w, 4) linear colour and gloss.

    Args:
        kind: one of ``CLOTHS``.
        size: (h, w).
        rng: decides colours and folds.
        threads: across the texture.
    """
    h, w = size
    y, x = np.meshgrid(np.arange(h, dtype=np.float32) / h, np.arange(w, dtype=np.float32) / w, indexing="ij")
    base, second = cloth_colour(rng).astype(np.float32), cloth_colour(rng).astype(np.float32)
    shade = 1.0 + 0.10 * smooth_noise(rng, size, 6) + 0.05 * smooth_noise(rng, size, 40)
    colour = np.broadcast_to(base, (h, w, 3))
    if kind == "stripes":
        wide = rng.uniform(6, 20)
        mask = (np.sin(2 * np.pi * wide * (y if rng.random() < 0.6 else x)) > rng.uniform(-0.3, 0.7))[
            ..., None
        ]
        colour = np.where(mask, base, second)
    elif kind == "checks":
        wide = rng.uniform(5, 14)
        mask = 0.5 * (np.sin(2 * np.pi * wide * x) > 0) + 0.5 * (np.sin(2 * np.pi * wide * y) > 0)
        colour = base + mask[..., None] * (second - base)
    elif kind == "knit":
        shade = shade * (0.78 + 0.3 * np.abs(np.sin(np.pi * threads * 0.6 * x))) * (
            0.9 + 0.12 * np.sin(2 * np.pi * threads * 0.6 * y)
        )  # fmt: skip
    elif kind == "denim":
        twill = np.sin(2 * np.pi * threads * (x + y))
        pale = np.array([0.35, 0.42, 0.5])
        indigo = np.array([0.03, 0.05, 0.11]) * rng.uniform(0.6, 2.5)
        colour = indigo + (0.12 + 0.10 * twill + 0.1 * smooth_noise(rng, size, 12))[..., None] * pale
    elif kind == "fleece":
        shade = shade * (1.0 + 0.16 * smooth_noise(rng, size, 70))
    else:
        shade = shade * (1.0 + 0.05 * np.sin(2 * np.pi * threads * x) * np.sin(2 * np.pi * threads * y))
    texture = np.empty((h, w, 4), dtype=np.float32)
    texture[..., :3] = np.clip(colour * shade[..., None], 0.003, 0.9)
    texture[..., 3] = 0.006
    return texture
