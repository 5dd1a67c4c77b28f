"""Statistics of a stream: what is kept has the same size however long the recording is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.keypoints import Array


class Curve:
    """The mean of values over equal stretches of a timeline of known length.

    Args:
        length: T, number of frames of the timeline.
        points: at most so many stretches.
        rows: number of curves kept together.
    """

    def __init__(self, length: int, points: int = 1000, rows: int = 1) -> None:
        self.step = max(1, -(-length // points))
        count = max(1, -(-length // self.step))
        self._sum = np.zeros((rows, count))
        self._count = np.zeros((rows, count))

    def add(self, start: int, values: Array) -> None:
        """Take (rows, n) values of the frames at positions ``start`` on; NaN is passed over."""
        values = np.atleast_2d(values)
        bucket = (start + np.arange(values.shape[1])) // self.step
        present = np.isfinite(values)
        for row in range(len(values)):
            np.add.at(self._sum[row], bucket, np.where(present[row], values[row], 0.0))
            np.add.at(self._count[row], bucket, present[row])

    @property
    def values(self) -> Array:
        """(rows, K) means; NaN where nothing was present."""
        empty = np.full(self._sum.shape, np.nan)
        return np.divide(self._sum, self._count, out=empty, where=self._count > 0)

    @property
    def positions(self) -> NDArray[np.int64]:
        """(K,) position on the timeline of each stretch's first frame."""
        return np.arange(self._sum.shape[1]) * self.step


class Distribution:
    """Positive values counted in bins of equal ratio, fine enough for quantiles to 0.5 %."""

    _LOW, _HIGH, _BINS = 1e-6, 1e6, 2800

    def __init__(self) -> None:
        self._counts = np.zeros(self._BINS, dtype=np.int64)
        self._sum_of_squares = 0.0
        self._sum = 0.0

    def add(self, values: Array) -> None:
        """Take values of any shape; NaN is passed over."""
        values = values[np.isfinite(values)]
        self._counts += np.histogram(np.clip(values, self._LOW, 0.999 * self._HIGH), self._edges)[0]
        self._sum += float(values.sum())
        self._sum_of_squares += float(np.square(values).sum())

    @property
    def count(self) -> int:
        """Number of values taken."""
        return int(self._counts.sum())

    @property
    def mean(self) -> float:
        """Mean; NaN without values."""
        return self._sum / self.count if self.count else float("nan")

    @property
    def rms(self) -> float:
        """Root mean square; NaN without values."""
        return float(np.sqrt(self._sum_of_squares / self.count)) if self.count else float("nan")

    def quantile(self, fraction: float) -> float:
        """The value below which a fraction lies; NaN without values, 0 for what is too small to tell."""
        if not self.count:
            return float("nan")
        below = np.concatenate([[0], np.cumsum(self._counts)])
        logs = np.interp(fraction * self.count, below, np.log(self._edges))
        value = float(np.exp(logs))
        return value if value > 1.1 * self._LOW else 0.0

    def histogram(self, edges: Array) -> Array:
        """(n,) number of values between (n+1,) edges."""
        below = np.concatenate([[0], np.cumsum(self._counts)])
        return np.diff(np.interp(np.log(np.maximum(edges, self._LOW)), np.log(self._edges), below))

    @property
    def _edges(self) -> Array:
        return np.geomspace(self._LOW, self._HIGH, self._BINS + 1)


class Moments:
    """Mean and standard deviation of several quantities at once.

    Args:
        size: number of quantities.
    """

    def __init__(self, size: int) -> None:
        self._count = np.zeros(size)
        self._mean = np.zeros(size)
        self._squares = np.zeros(size)

    def add(self, values: Array) -> None:
        """Take (n, size) values; NaN is passed over. Chan, Golub and LeVeque's update, stable in one pass."""
        present = np.isfinite(values)
        count = present.sum(axis=0)
        mean = np.where(present, values, 0.0).sum(axis=0) / np.maximum(count, 1)
        squares = np.square(np.where(present, values - mean, 0.0)).sum(axis=0)
        total = self._count + count
        share = count / np.maximum(total, 1)
        delta = mean - self._mean
        self._squares += squares + np.square(delta) * self._count * share
        self._mean += delta * share
        self._count = total

    @property
    def mean(self) -> Array:
        """(size,); NaN without values."""
        return np.where(self._count > 0, self._mean, np.nan)

    @property
    def deviation(self) -> Array:
        """(size,) standard deviation; NaN without values."""
        variance = self._squares / np.maximum(self._count, 1)
        return np.where(self._count > 0, np.sqrt(variance), np.nan)
