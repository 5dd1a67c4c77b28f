"""Smooth random fields, the raw material of skin, cloth and rooms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def wave_noise(points: NDArray, wavelength: float, seed: int, waves: int = 24) -> NDArray[np.float64]:
    """A sum of plane waves in random directions, about N(0, 1).

    Args:
        points: (..., D) positions.
        wavelength: typical size of the features, in the unit of the points.
        seed: of the field.
        waves: how many are added up.

    Returns:
        (...,) values.
    """
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(points.shape[-1], waves))
    directions /= np.linalg.norm(directions, axis=0)
    frequency = 2 * np.pi / wavelength * rng.uniform(0.6, 1.6, waves)
    phase = rng.uniform(0, 2 * np.pi, waves)
    return np.sin(points @ (directions * frequency) + phase).sum(axis=-1) * np.sqrt(2 / waves)
