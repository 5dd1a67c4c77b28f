"""A timeline of constant rate for formats that know no other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.keypoints import Array


def constant_rate(times_s: Array) -> tuple[float, NDArray[np.int64]]:
    """Sample a timeline at the rate of its most common step.

    Args:
        times_s: (T,) seconds, increasing.

    Returns:
        The rate in frames per second and, for every sample from the first time on, the index of the frame
        nearest in time; -1 where none is within three quarters of a step, as in a gap of the recording. A
        timeline that already has a constant rate is returned frame by frame.
    """
    if len(times_s) < 2:
        return 30.0, np.arange(len(times_s))
    steps = np.diff(times_s)
    typical = steps[np.abs(steps - np.median(steps)) <= 0.1 * np.median(steps)]
    step = float(typical.mean())
    samples = times_s[0] + step * np.arange(round((times_s[-1] - times_s[0]) / step) + 1)
    after = np.clip(times_s.searchsorted(samples), 1, len(times_s) - 1)
    nearest = np.where(samples - times_s[after - 1] < times_s[after] - samples, after - 1, after)
    return 1.0 / step, np.where(np.abs(times_s[nearest] - samples) <= 0.75 * step, nearest, -1)


def sampled(values: Array, index: NDArray[np.int64]) -> Array:
    """Rows of ``values`` (T, ...) at ``index`` (N,); NaN where the index is -1."""
    missing = (index < 0).reshape(-1, *(1,) * (values.ndim - 1))
    return np.where(missing, np.nan, values[index])
