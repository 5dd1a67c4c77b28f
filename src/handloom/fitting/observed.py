"""What is seen of a hand, counted and cut by frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.fitting.equations import Observations

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def evidence_count(seen: Observations) -> NDArray[np.int64]:
    """(T,) keypoints of every frame, in space and in every view."""
    flat = (seen.ray_precision[..., 0] > 0.0).sum(axis=(0, 2))
    return np.asarray(flat + (seen.point_precision.trace(axis1=-2, axis2=-1) > 0.0).sum(axis=1))


def frames_of(seen: Observations, where: NDArray[np.int64] | slice) -> Observations:
    """The observations of some of the frames."""

    def cut(array: Array) -> Array:
        return np.ascontiguousarray(array[where]) if len(array) else array

    return Observations(
        points=cut(seen.points),
        point_precision=cut(seen.point_precision),
        view_R=seen.view_R,
        view_t=seen.view_t,
        rays=np.ascontiguousarray(seen.rays[:, where]),
        ray_precision=np.ascontiguousarray(seen.ray_precision[:, where]),
        expected_angles=cut(seen.expected_angles),
        expected_R=cut(seen.expected_R),
        expected_t=cut(seen.expected_t),
        expected_precision=cut(seen.expected_precision),
    )


def stretches(known: Mask, longest_gap: int) -> list[tuple[int, int]]:
    """Ranges of frames that begin and end with known ones and hold no longer gap than that."""
    where = np.flatnonzero(known)
    if not len(where):
        return []
    breaks = np.flatnonzero(np.diff(where) > longest_gap + 1)
    firsts = where[np.concatenate([[0], breaks + 1])]
    lasts = where[np.concatenate([breaks, [len(where) - 1]])]
    return [(int(a), int(b) + 1) for a, b in zip(firsts, lasts, strict=True)]


def root_mean_square(squared: Array) -> Array:
    """Root of the mean over the first axis of what is not NaN; NaN where nothing is."""
    known = np.isfinite(squared)
    count = known.sum(axis=0)
    total = np.where(known, squared, 0.0).sum(axis=0)
    return np.where(count > 0, np.sqrt(total / np.maximum(count, 1)), np.nan)
