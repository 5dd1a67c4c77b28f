"""Distances of points, how they are averaged, and the share of them within a threshold (§1.14, §9.1).

A point counts where its truth is known and the mask says so. Two rules of averaging are in use and differ as
soon as validity varies between joints: over each joint's samples first and then over the joints (hand3d,
FreiHAND, InterHand2.6M), or over everything at once ("pooled").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.skeleton import FINGERS, HAND

Array = NDArray[np.float64]

WRIST_GROUP = "wrist"
"""What :func:`by_finger` calls the joint that belongs to no finger."""


def distances(points: ArrayLike, target: ArrayLike, valid: ArrayLike | None = None) -> Array:
    """(..., J) Euclidean distances of (..., J, D) points, NaN where the mask (..., J) says no."""
    apart = np.linalg.norm(np.asarray(points, np.float64) - np.asarray(target, np.float64), axis=-1)
    return np.asarray(apart if valid is None else np.where(np.asarray(valid, bool), apart, np.nan))


def mean(values: ArrayLike) -> float:
    """Mean without NaN; NaN of nothing."""
    values = np.asarray(values, np.float64)
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def per_joint_mean(errors: Array) -> Array:
    """(J,) mean of (N, J) errors over each joint's valid samples; NaN for a joint without any."""
    count = np.isfinite(errors).sum(axis=0)
    total = np.where(np.isfinite(errors), errors, 0.0).sum(axis=0)
    return np.asarray(np.where(count > 0, total / np.where(count > 0, count, 1), np.nan))


def per_joint_median(errors: Array) -> Array:
    """(J,) median of (N, J) errors over each joint's valid samples; NaN for a joint without any."""
    known = np.isfinite(errors)
    if known.all() and len(errors):
        return np.median(errors, axis=0)
    columns = (column[seen] for column, seen in zip(errors.T, known.T, strict=True))
    return np.array([np.median(column) if column.size else np.nan for column in columns])


@dataclass(frozen=True)
class ErrorSummary:
    """Errors in one number each, of the unit of the errors.

    Attributes:
        mean: over each joint's samples, then over the joints.
        median: median over each joint's samples, then the mean over the joints.
        pooled_mean, pooled_median: over all samples and joints at once.
        count: of single distances that went in.
    """

    mean: float
    median: float
    pooled_mean: float
    pooled_median: float
    count: int


def summary(errors: Array) -> ErrorSummary:
    """All averages of (N, J) errors, NaN left out."""
    known = errors[np.isfinite(errors)]
    return ErrorSummary(
        mean(per_joint_mean(errors)),
        mean(per_joint_median(errors)),
        mean(known),
        float(np.median(known)) if known.size else float("nan"),
        int(known.size),
    )


def pck(errors: Array, thresholds: ArrayLike, *, pooled: bool = False) -> Array:
    """(K,) share of errors that are at most each threshold; a distance equal to it counts.

    Args:
        errors: (N, J), NaN left out.
        thresholds: (K,) of the errors' unit.
        pooled: over everything at once; otherwise per joint, then averaged over the joints that have any.

    Returns:
        NaN where there is no error at all.
    """
    limits = np.asarray(thresholds, np.float64)
    columns = [errors.ravel()] if pooled else list(errors.T)
    shares = []
    for column in columns:
        known = np.sort(column[np.isfinite(column)])
        if known.size:
            shares.append(np.searchsorted(known, limits, side="right") / known.size)
    return np.mean(shares, axis=0) if shares else np.full(limits.shape, np.nan)


def auc(curve: ArrayLike, thresholds: ArrayLike) -> float:
    """Area under a PCK curve by the trapezoidal rule, divided by the thresholds' range: 1 is perfect.

    The trapezoid over each joint's curve and the mean over joints may change places, so the curve of
    :func:`pck` gives the AUC of hand3d and FreiHAND.
    """
    x, y = np.asarray(thresholds, np.float64), np.asarray(curve, np.float64)
    if x.ndim != 1 or len(x) < 2 or (np.diff(x) <= 0).any():
        raise ValueError("thresholds must be increasing, two at least")
    return float(np.trapezoid(y, x) / (x[-1] - x[0]))


def finger_groups() -> dict[str, list[int]]:
    """Joint indices of the wrist and of every finger."""
    fingers = {f: HAND.indices(j for j in HAND.joints if j.startswith(f"{f}_")) for f in FINGERS}
    return {WRIST_GROUP: [HAND.index("wrist")], **fingers}


def by_finger(values: ArrayLike) -> dict[str, float]:
    """Mean of (..., 21) values for the wrist and every finger, NaN left out."""
    values = np.asarray(values, np.float64)
    return {name: mean(values[..., joints]) for name, joints in finger_groups().items()}
