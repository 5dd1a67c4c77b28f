"""Surfaces against true surfaces: distances of vertices, and F-scores of point sets (§9.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from handloom.evaluation.alignment import procrustes_aligned
from handloom.evaluation.joints import distances

Array = NDArray[np.float64]

F_THRESHOLDS_M = (0.005, 0.015)


@dataclass(frozen=True)
class FScore:
    """How much of two point sets lies near the other, in [0, 1].

    Attributes:
        precision: share of predicted points nearer than the threshold to a true one.
        recall: share of true points nearer than the threshold to a predicted one.
        f: harmonic mean; 0 where both are.
    """

    precision: float
    recall: float
    f: float


def f_scores(points: ArrayLike, target: ArrayLike, thresholds: ArrayLike = F_THRESHOLDS_M) -> list[FScore]:
    """F-scores of one predicted point set (V, 3) and one true (W, 3), one for each threshold in metres.

    A distance equal to the threshold does not count (Knapitsch et al. 2017, and FreiHAND's evaluation, where
    precision and recall have each other's names; F is the same).
    """
    limits = np.atleast_1d(np.asarray(thresholds, np.float64))
    ours, theirs = (
        x[np.isfinite(x).all(axis=-1)]
        for x in (np.asarray(points, np.float64), np.asarray(target, np.float64))
    )
    if not len(ours) or not len(theirs):
        return [FScore(0.0, 0.0, 0.0) for _ in limits]
    # Beyond the largest threshold a distance need not be known.
    bound = float(limits.max()) * (1.0 + 1e-9)
    there = _tree(theirs).query(ours, distance_upper_bound=bound)[0]
    back = _tree(ours).query(theirs, distance_upper_bound=bound)[0]
    scores = []
    for limit in limits:
        precision, recall = float((there < limit).mean()), float((back < limit).mean())
        total = precision + recall
        scores.append(FScore(precision, recall, 2 * precision * recall / total if total else 0.0))
    return scores


def mean_f_scores(points: ArrayLike, target: ArrayLike, thresholds: ArrayLike = F_THRESHOLDS_M) -> Array:
    """(K,) mean over hands of the F-scores of (N, V, 3) against (N, W, 3), hands without a truth left out."""
    known = [
        [score.f for score in f_scores(ours, theirs, thresholds)]
        for ours, theirs in zip(np.asarray(points), np.asarray(target), strict=True)
        if np.isfinite(theirs).any()
    ]
    return np.mean(known, axis=0) if known else np.full(np.size(thresholds), np.nan)


def pa_vertex_errors(vertices: ArrayLike, target: ArrayLike, *, reflection: bool = False) -> Array:
    """(..., V) distances of (..., V, 3) vertices after a Procrustes alignment of their own.

    Joints and vertices are aligned independently in FreiHAND's evaluation: PA-MPVPE is the mean of these.
    """
    return distances(procrustes_aligned(vertices, target, reflection=reflection), target)


def _tree(points: Array) -> cKDTree:
    """A tree of points; where all coincide of one, as a tree takes long to tell them apart."""
    return cKDTree(points if np.ptp(points, axis=0).any() else points[:1])
