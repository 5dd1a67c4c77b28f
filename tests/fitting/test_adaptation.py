"""The prior that learns which poses a recording is about."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.errors import FitError
from handloom.fitting import FitOptions, FrameEvidence, PosePrior, adapted_prior, fit_frames, recorded_prior
from handloom.hand import load_open_hand
from handloom.synthesis.gestures import gesture
from handloom.synthesis.motion import random_motion

MODEL = load_open_hand()
NOISE_M = 0.003


def noisy(angles: np.ndarray, seed: int = 0) -> tuple[FrameEvidence, np.ndarray, np.ndarray]:
    truth = MODEL.pose(angles).keypoints
    noise = np.random.default_rng(seed).normal(0.0, NOISE_M, truth.shape)
    return FrameEvidence(truth + noise), truth, np.zeros(MODEL.shape_count)


def error(evidence: FrameEvidence, truth: np.ndarray, shape: np.ndarray, prior: PosePrior) -> float:
    fit = fit_frames(MODEL, evidence, FitOptions(prior=prior, sigma_m=NOISE_M), shape=shape)
    found = MODEL.pose(fit.angles, shape, fit.T_world_wrist).keypoints
    return float(np.linalg.norm(found - truth, axis=-1).mean())


def test_adapting_removes_noise_that_the_general_prior_leaves():
    rng = np.random.default_rng(1)
    few = MODEL.clamp(gesture("point") + rng.normal(0.0, 0.05, (150, 15, 3)))
    evidence, truth, shape = noisy(few)
    options = FitOptions(sigma_m=NOISE_M)
    adapted = adapted_prior(MODEL, evidence, options, shape=shape)
    assert error(evidence, truth, shape, adapted) < 0.96 * error(evidence, truth, shape, recorded_prior())


def test_adapting_does_not_narrow_a_prior_that_is_right():
    angles = random_motion(MODEL, 200, 4.0, np.random.default_rng(2)).angles
    evidence, truth, shape = noisy(angles)
    adapted = adapted_prior(MODEL, evidence, FitOptions(sigma_m=NOISE_M), shape=shape)
    assert error(evidence, truth, shape, adapted) < error(evidence, truth, shape, recorded_prior())


def test_repeated_frames_count_less():
    evidence, _, shape = noisy(np.repeat(gesture("fist")[None], 20, axis=0))
    options = FitOptions(sigma_m=NOISE_M)
    free = adapted_prior(MODEL, evidence, options, shape=shape, rounds=1)
    held = adapted_prior(MODEL, evidence, options, shape=shape, rounds=1, repeats=20.0)
    general = recorded_prior().mean
    assert np.linalg.norm(held.mean - general) < 0.3 * np.linalg.norm(free.mean - general)


def test_frames_without_a_hand_take_no_part():
    evidence, _, shape = noisy(np.repeat(gesture("hook")[None], 6, axis=0))
    assert evidence.keypoints3d is not None
    evidence.keypoints3d[[1, 4]] = np.nan
    adapted = adapted_prior(MODEL, evidence, shape=shape, rounds=2)
    assert adapted.metadata["adapted"] == 4


def test_nothing_to_adapt_to():
    nothing = FrameEvidence(np.full((3, 21, 3), np.nan))
    with pytest.raises(FitError, match="None of 3 frames"):
        adapted_prior(MODEL, nothing, shape=np.zeros(MODEL.shape_count))


def test_mixture_is_not_adapted():
    one = recorded_prior()
    two = PosePrior(np.tile(one.mean, (2, 1)), np.tile(one.covariance, (2, 1, 1)), np.full(2, 0.5))
    evidence, _, _ = noisy(np.zeros((2, 15, 3)))
    with pytest.raises(ValueError, match="single Gaussian"):
        adapted_prior(MODEL, evidence, FitOptions(prior=two))
