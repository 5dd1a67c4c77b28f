"""Chance that depends on the seed and a number alone: every kind of thing draws from streams of its own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

PERSON, TONES, SCENE, BACKGROUND, SENSOR, PLACE = range(6)


def stream(seed: int, kind: int, *numbers: int) -> np.random.Generator:
    """A generator for a kind of thing and its number."""
    return np.random.default_rng([seed, kind, *numbers])


def choose(rng: np.random.Generator, shares: Mapping[str, float]) -> str:
    """A name, drawn by its share."""
    names = sorted(shares)
    weights = np.array([shares[name] for name in names], dtype=np.float64)
    return names[int(np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(), side="right"))]
