"""The pose prior of one recording: what its own hand does, found from keypoints as noisy as they are.

A prior made for all hands does not know which poses this recording is about. Expectation maximisation finds
their mean and covariance without ever seeing a clean pose: every frame is fitted under the prior so far, and
counts with what its fit leaves open (empirical Bayes; Dempster, Laird & Rubin 1977, Efron & Morris 1973).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from handloom.errors import FitError
from handloom.fitting.frames import FitOptions, FrameEvidence, fit_frames
from handloom.fitting.prior import PosePrior, recorded_prior
from handloom.hand import HandModel
from handloom.hand.articulation import ANGLES, POSE

Array = NDArray[np.float64]

_ANGLES = slice(POSE - ANGLES, POSE)


def adapted_prior(
    model: HandModel,
    evidence: FrameEvidence,
    options: FitOptions | None = None,
    *,
    shape: Array | None = None,
    rounds: int = 4,
    prior_frames: float = 30.0,
    repeats: float = 1.0,
) -> PosePrior:
    """A Gaussian over the poses of a recording.

    Args:
        model: the hand.
        evidence: of N frames of one hand.
        options: how it is weighed; its prior (:func:`recorded_prior` without) is adapted.
        shape: (B,) or (N, B) where it is known.
        rounds: of expectation maximisation.
        prior_frames: independent frames that the prior is worth.
        repeats: frames that show one and the same pose; successive ones are not independent.

    Raises:
        FitError: if no frame could be fitted, or as :func:`~handloom.fitting.fit_frames` does.
        ValueError: if the prior is a mixture.
    """
    options = options or FitOptions()
    general = options.prior or recorded_prior()
    if len(general.weight) != 1:
        raise ValueError("only a single Gaussian is adapted")
    prior, initial = general, None
    for _ in range(rounds):
        fit = fit_frames(
            model, evidence, replace(options, prior=prior), shape=shape, initial=initial, with_covariance=True
        )
        assert fit.covariance is not None
        usable = np.isfinite(fit.covariance).all(axis=(1, 2)) & fit.converged
        if not usable.any():
            raise FitError(
                f"None of {len(usable)} frames could be fitted.", "Give frames that show enough of the hand."
            )
        initial = (fit.angles, fit.T_world_wrist)
        angles = fit.angles[usable].reshape(-1, ANGLES)
        left_open = fit.covariance[usable][:, _ANGLES, _ANGLES].mean(axis=0)
        share = len(angles) / (len(angles) + repeats * prior_frames)
        prior = _merged(general, angles, 0.5 * (left_open + left_open.T), share)
    return prior


def _merged(general: PosePrior, angles: Array, left_open: Array, share: float) -> PosePrior:
    """Moments of a mixture of the general prior and of (n, 45) poses, which have that share of it."""
    mean = share * angles.mean(axis=0) + (1.0 - share) * general.mean[0]
    off, shift = angles - mean, general.mean[0] - mean
    own = off.T @ off / len(angles) + left_open
    covariance = share * own + (1.0 - share) * (general.covariance[0] + np.outer(shift, shift))
    return PosePrior(mean[None], covariance[None], np.ones(1), general.metadata | {"adapted": len(angles)})
