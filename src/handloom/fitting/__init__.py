"""The parametric hand fitted to what cameras saw: residuals, one solver, priors."""

from __future__ import annotations

from handloom.fitting.adaptation import adapted_prior
from handloom.fitting.frames import (
    ExpectedState,
    FitOptions,
    FrameEvidence,
    HandFit,
    fit_frames,
    keypoint_covariance,
)
from handloom.fitting.prior import PosePrior, range_prior, recorded_prior

__all__ = [
    "ExpectedState",
    "FitOptions",
    "FrameEvidence",
    "HandFit",
    "PosePrior",
    "adapted_prior",
    "fit_frames",
    "keypoint_covariance",
    "range_prior",
    "recorded_prior",
]
