"""Colours of skin over all of Fitzpatrick's six types, from measured colour.

The individual typology angle ITA = atan((L* − 50) / b*) sorts skin by its reflectance (Chardon et al. 1991);
its classes stand for the types (Del Bino & Bernerd 2013). b* and a* go with lightness as in measurements
of unexposed and exposed skin: b* is largest for intermediate tones, a* is 7 to 15. Palms hold little melanin
and differ far less between people than backs of hands do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TYPES = ("I", "II", "III", "IV", "V", "VI")
ITA_DEG = ((55.0, 66.0), (41.0, 55.0), (28.0, 41.0), (10.0, 28.0), (-30.0, 10.0), (-58.0, -30.0))
"""Range of the typology angle of each type."""
_RED = ((7.0, 12.0), (8.0, 13.0), (9.0, 14.0), (9.5, 14.5), (10.0, 14.5), (7.5, 12.0))
_YELLOW = ((11.0, 15.0), (13.0, 17.5), (15.0, 20.0), (17.0, 22.0), (16.0, 21.0), (9.0, 15.0))


def skin_colours(kind: int, rng: np.random.Generator) -> tuple[Array, Array, float]:
    """Linear (3,) colours of the back and the palm of a hand of a Fitzpatrick type 0 to 5, and its ITA."""
    angle = rng.uniform(*ITA_DEG[kind])
    b = rng.uniform(*_YELLOW[kind])
    a = rng.uniform(*_RED[kind])
    back = np.array([50.0 + b * np.tan(np.deg2rad(angle)), a, b])
    palm = np.array([rng.uniform(62.0, 69.0), rng.uniform(12.0, 17.0), rng.uniform(13.0, 18.0)])
    share = np.interp(back[0], [30.0, 60.0, 75.0], [0.58, 0.55, 0.35])
    palm = (1 - share) * back + share * palm
    palm[0] = max(palm[0], back[0] + rng.uniform(0.0, 2.0))
    return linear_from_lab(back), linear_from_lab(palm), float(angle)


def linear_from_lab(lab: Array) -> Array:
    """(..., 3) linear sRGB of CIELAB colours under D65."""
    L, a, b = np.moveaxis(np.asarray(lab, dtype=np.float64), -1, 0)
    fy = (L + 16.0) / 116.0
    f = np.stack([fy + a / 500.0, fy, fy - b / 200.0], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * [0.95047, 1.0, 1.08883]
    M = np.array(
        [
            [3.2404542, -1.5371385, -0.4985314],
            [-0.9692660, 1.8760108, 0.0415560],
            [0.0556434, -0.2040259, 1.0572252],
        ]
    )
    return np.asarray(np.clip(xyz @ M.T, 0.004, 1.0))
