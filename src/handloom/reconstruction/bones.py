"""Bone lengths of one subject, learned over a whole recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.reconstruction.anatomy import Anatomy

Array = NDArray[np.float64]

CAPACITY = 4096
"""Samples kept per bone; beyond that every second one is dropped, evenly over the recording."""

LEARNED = 0.03
"""Relative accuracy that even very many samples do not go below: detector errors repeat themselves."""

EFFECTIVE = 30
"""Frames in a row that share their errors, roughly."""


@dataclass(frozen=True, eq=False)
class BoneLengths:
    """Lengths of an anatomy's pairs in one subject.

    Attributes:
        lengths: (B,) world units.
        unit_m: metres per world unit, as far as the anatomy tells: 1 for a metric rig.
    """

    lengths: Array
    unit_m: float


class BoneSampler:
    """Collects length samples of any number of frames in constant memory, deterministically."""

    def __init__(self, anatomy: Anatomy) -> None:
        self._anatomy = anatomy
        self._stride = 1
        self._seen = 0
        self._lengths = np.empty((0, len(anatomy.pairs)))
        self._weights = np.empty((0, len(anatomy.pairs)))

    def add(self, points: Array, covariance: Array) -> None:
        """Take in (T, J, 3) points with (T, J, 3, 3) covariances; NaN is passed over."""
        keep = slice(-self._seen % self._stride, None, self._stride)
        self._seen += len(points)
        lengths, weights = _samples(points[keep], covariance[keep], self._anatomy)
        self._lengths = np.concatenate([self._lengths, lengths])
        self._weights = np.concatenate([self._weights, weights])
        while len(self._lengths) > CAPACITY:
            self._lengths, self._weights = self._lengths[::2], self._weights[::2]
            self._stride *= 2

    def estimate(self, *, metric: bool) -> BoneLengths:
        """Combine the samples with the anatomy's prior.

        A bone's samples give its weighted median; curled fingers, whose length detectors underestimate, weigh
        little. The prior knows proportions well and the size less well, so the size is found first.

        Args:
            metric: whether world units are metres; otherwise their size is estimated as well.
        """
        prior = np.log(self._anatomy.lengths_m)
        median, deviation = _weighted_median(self._lengths, self._weights)
        known = np.isfinite(median) & (median > 0)
        if not known.any():
            return BoneLengths(self._anatomy.lengths_m.copy(), 1.0)
        seen = np.log(np.where(known, median, 1.0))
        spread = self._anatomy.spread
        variance = deviation**2 + LEARNED**2
        size_weight = known / (variance + spread**2)
        size = ((seen - prior) * size_weight).sum() / size_weight.sum()
        data_weight = known / variance
        logs = (seen * data_weight + (prior + size) / spread**2) / (data_weight + 1 / spread**2)
        return BoneLengths(np.exp(logs), 1.0 if metric else float(np.exp(-size)))


def _samples(points: Array, covariance: Array, anatomy: Anatomy) -> tuple[Array, Array]:
    """(T, B) lengths and weights: high where both ends are sure along the bone and the finger is straight."""
    a, b = anatomy.pairs.T
    d = points[:, b] - points[:, a]
    lengths = np.linalg.norm(d, axis=-1)
    direction = d / np.maximum(lengths, 1e-12)[..., None]
    variance = np.einsum("tbi,tbij,tbj->tb", direction, covariance[:, a] + covariance[:, b], direction)
    relative = variance / np.maximum(lengths, 1e-12) ** 2
    weights = _straightness(points, anatomy) / (relative + LEARNED**2)
    known = np.isfinite(lengths) & np.isfinite(weights)
    return np.where(known, lengths, np.nan), np.where(known, weights, 0.0)


def _straightness(points: Array, anatomy: Anatomy) -> Array:
    """(T, B) in [0, 1]: how straight the finger is that a bone belongs to; 1 for every other pair."""
    straight = np.ones((len(points), len(anatomy.pairs)))
    for chain in anatomy.chains:
        bones = np.diff(points[:, chain], axis=1)
        bones /= np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-12)
        cosine = np.einsum("tki,tki->tk", bones[:, :-1], bones[:, 1:]).min(axis=1)
        members = np.isin(anatomy.pairs, chain).all(axis=1)
        straight[:, members] = (np.clip(cosine, 0.05, 1.0) ** 2)[:, None]
    return straight


def _weighted_median(values: Array, weights: Array) -> tuple[Array, Array]:
    """Per column the weighted median and the standard deviation of its logarithm; NaN without samples."""
    median = np.full(values.shape[1], np.nan)
    deviation = np.full(values.shape[1], np.inf)
    for column in range(values.shape[1]):
        known = weights[:, column] > 0
        if not known.any():
            continue
        x, w = values[known, column], weights[known, column]
        median[column] = _middle(x, w)
        scatter = 1.4826 * _middle(np.abs(np.log(x / median[column])), w)
        count = w.sum() / w.max()
        # One sample shows no scatter at all, and a few may agree by chance.
        by_chance = 1 / np.sqrt(w.max()) / count
        deviation[column] = max(scatter, by_chance) / np.sqrt(max(count / EFFECTIVE, 1.0))
    return median, deviation


def _middle(values: Array, weights: Array) -> float:
    """The weighted median of (N,) values."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulative, cumulative[-1] / 2)])
