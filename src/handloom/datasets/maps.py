"""Depth and normals as 16-bit pictures, to a known precision; 0 is unknown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DEPTH_UNIT_M = 1e-4
"""Resolution of stored depth: a tenth of a millimetre, up to 6.5 m."""

_MIDDLE, _RANGE = 32768, 32767


def encoded_depth(depth: NDArray[np.float32], unit_m: float = DEPTH_UNIT_M) -> NDArray[np.uint16]:
    """(H, W) metres, NaN unknown, as multiples of ``unit_m``; what is farther than they reach is unknown."""
    steps = np.round(depth.astype(np.float64) / unit_m)
    known = (steps >= 1) & (steps <= np.iinfo(np.uint16).max)
    return np.where(known, steps, 0).astype(np.uint16)


def decoded_depth(steps: NDArray[np.uint16], unit_m: float = DEPTH_UNIT_M) -> NDArray[np.float32]:
    """(H, W) metres, NaN where unknown."""
    return np.where(steps == 0, np.nan, steps * unit_m).astype(np.float32)


def encoded_normals(normals: NDArray[np.float32]) -> NDArray[np.uint16]:
    """(H, W, 3) unit vectors, NaN unknown, as 32768 + 32767 n."""
    known = np.isfinite(normals).all(axis=-1, keepdims=True)
    steps = np.clip(np.round(_MIDDLE + _RANGE * normals.astype(np.float64)), 1, 2 * _MIDDLE - 1)
    return np.where(known, np.where(known, steps, 0), 0).astype(np.uint16)


def decoded_normals(steps: NDArray[np.uint16]) -> NDArray[np.float32]:
    """(H, W, 3) vectors, NaN where unknown."""
    unknown = (steps == 0).all(axis=-1, keepdims=True)
    return np.where(unknown, np.nan, (steps.astype(np.float64) - _MIDDLE) / _RANGE).astype(np.float32)
