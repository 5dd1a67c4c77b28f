"""Two hands in one picture: where they are to each other, and which is which (§9.4, InterHand2.6M)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.evaluation.joints import mean

Array = NDArray[np.float64]


def relative_root_errors(
    left: ArrayLike, right: ArrayLike, true_left: ArrayLike, true_right: ArrayLike
) -> Array:
    """(...,) ‖(root_left − root_right) − true (root_left − root_right)‖ of (..., 3) wrists in one frame.

    MRRPE is their mean over the pictures of interacting hands in which both wrists are labelled
    (Moon et al. 2020). Both predicted wrists must be metric and in one camera's axes. InterNet forms them
    from its relative depth, the right hand's root depth and its 2D wrists; nets with weak perspective have
    none without a stated recipe, so figures of different papers are not comparable.
    """
    ours = np.asarray(left, np.float64) - np.asarray(right, np.float64)
    theirs = np.asarray(true_left, np.float64) - np.asarray(true_right, np.float64)
    return np.asarray(np.linalg.norm(ours - theirs, axis=-1))


def mrrpe(left: ArrayLike, right: ArrayLike, true_left: ArrayLike, true_right: ArrayLike) -> float:
    """Mean of :func:`relative_root_errors`, NaN left out."""
    return mean(relative_root_errors(left, right, true_left, true_right))


def handedness_accuracy(predicted: ArrayLike, truth: ArrayLike, threshold: float = 0.5) -> float:
    """Share of pictures in which both answers are right, as in InterHand2.6M's code.

    Args:
        predicted: (N, 2) probabilities that a right and that a left hand is there; NaN counts as no.
        truth: (N, 2) whether they are.
        threshold: above which a hand is said to be there.
    """
    said = np.nan_to_num(np.asarray(predicted, np.float64)) > threshold
    return mean((said == np.asarray(truth, bool)).all(axis=-1).astype(np.float64))


def average_precision(scores: ArrayLike, truth: ArrayLike) -> float:
    """Area under the precision-recall curve without interpolation: Σ (R_n − R_{n−1}) P_n.

    Equal scores are one step. APh of InterHand2.6M is the mean over right and left hands.

    Args:
        scores: (N,) higher is surer; NaN is surest of no.
        truth: (N,) whether it is one.

    Returns:
        NaN where nothing is one.
    """
    scores = np.nan_to_num(np.asarray(scores, np.float64), nan=-np.inf)
    truth = np.asarray(truth, bool)
    if not truth.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ranked, score = truth[order], scores[order]
    last_of_score = np.append(score[1:] != score[:-1], True)
    hits = np.cumsum(ranked)[last_of_score]
    shown = (np.arange(len(ranked)) + 1)[last_of_score]
    recall = np.concatenate([[0.0], hits / truth.sum()])
    return float((np.diff(recall) * hits / shown).sum())


def handedness_ap(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Mean of the average precisions of (N, 2) answers "right", "left"."""
    predicted, truth = np.asarray(predicted, np.float64), np.asarray(truth, bool)
    return mean([average_precision(predicted[:, k], truth[:, k]) for k in (0, 1)])
