"""Fits of single frames to what was measured of hands whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from handloom.cameras import Camera, CameraRig
from handloom.errors import FitError
from handloom.fitting import (
    ExpectedState,
    FitOptions,
    FrameEvidence,
    fit_frames,
    keypoint_covariance,
    range_prior,
    recorded_prior,
)
from handloom.hand import load_open_hand
from handloom.hand.kinematics import rigid, rotation_from_vector
from handloom.synthesis.motion import random_motion

MODEL = load_open_hand()
EXACT = FitOptions(prior=range_prior(MODEL), sigma_m=1e-4)


def hands(count, seed=0, model=MODEL):
    rng = np.random.default_rng(seed)
    angles = rng.uniform(model.limits[..., 0], model.limits[..., 1], (count, 15, 3))
    shape = rng.normal(size=(count, model.shape_count))
    T = rigid(rotation_from_vector(rng.normal(size=(count, 3)) * 2.0), rng.normal(0.0, 0.3, (count, 3)))
    return shape, model.pose(angles, shape, T)


def natural(count, seed=0):
    rng = np.random.default_rng(seed)
    motion = random_motion(MODEL, count, 4.0, rng)
    return motion.angles, rigid(rotation_from_vector(rng.normal(0.0, 0.5, (count, 3))), np.zeros((count, 3)))


def rig(views):
    K = np.array([[900.0, 0.0, 640.0], [0.0, 900.0, 360.0], [0.0, 0.0, 1.0]])
    cameras = []
    for c in range(views):
        R = rotation_from_vector([0.0, 0.8 * c, 0.0])
        cameras.append(
            Camera(
                f"cam{c}", (1280, 720), K, np.array([0.05, -0.02, 0.0, 0.0, 0.0]), rigid(R, [0.0, 0.0, 0.5])
            )
        )
    return CameraRig(tuple(cameras))


@pytest.mark.parametrize("side", ["left", "right"])
def test_clean_keypoints(side):
    model = load_open_hand(side)
    shape, truth = hands(200, model=model)
    fit = fit_frames(
        model, FrameEvidence(truth.keypoints), FitOptions(prior=range_prior(model), sigma_m=1e-4), shape=shape
    )
    found = model.pose(fit.angles, fit.shape, fit.T_world_wrist).keypoints
    assert np.linalg.norm(found - truth.keypoints, axis=-1).max() < 1e-4
    assert fit.converged.all()
    assert fit.limit_excess.max() < np.deg2rad(1.0)


def test_shape_is_found():
    shape, truth = hands(50)
    fit = fit_frames(MODEL, FrameEvidence(truth.keypoints), EXACT)
    assert fit.keypoint_error_m.max() < 3e-4
    assert np.abs(fit.shape[:, 0] - shape[:, 0]).mean() < 0.2


def test_fit_removes_noise():
    rng = np.random.default_rng(4)
    angles, T = natural(200)
    truth = MODEL.pose(angles, None, T).keypoints
    noisy = truth + rng.normal(0.0, 0.003, truth.shape)
    fit = fit_frames(MODEL, FrameEvidence(noisy), FitOptions(), shape=np.zeros(MODEL.shape_count))
    found = MODEL.pose(fit.angles, None, fit.T_world_wrist).keypoints
    assert (
        np.linalg.norm(found - truth, axis=-1).mean() < 0.62 * np.linalg.norm(noisy - truth, axis=-1).mean()
    )


def test_covariance_says_what_to_trust():
    """A keypoint that its covariance calls bad does not disturb the others."""
    _, truth = hands(20)
    keypoints = truth.keypoints.copy()
    keypoints[:, 8] += 0.05
    covariance = np.broadcast_to(1e-8 * np.eye(3), (20, 21, 3, 3)).copy()
    covariance[:, 8] = np.eye(3)
    shape, _ = hands(20)
    fit = fit_frames(MODEL, FrameEvidence(keypoints, covariance), EXACT, shape=shape)
    found = MODEL.pose(fit.angles, shape, fit.T_world_wrist).keypoints
    distance = np.linalg.norm(found - truth.keypoints, axis=-1)
    assert np.delete(distance, 8, axis=1).max() < 1e-3


def test_robust_to_a_stray_keypoint():
    shape, truth = hands(40)
    keypoints = truth.keypoints.copy()
    keypoints[:, 12] += [0.0, 0.2, 0.0]
    fit = fit_frames(MODEL, FrameEvidence(keypoints), FitOptions(prior=range_prior(MODEL)), shape=shape)
    found = MODEL.pose(fit.angles, shape, fit.T_world_wrist).keypoints
    assert np.median(np.delete(np.linalg.norm(found - truth.keypoints, axis=-1), 12, axis=1)) < 2e-3


@pytest.mark.parametrize("views", [2, 3])
def test_views(views):
    angles, T = natural(20)
    truth, cameras = MODEL.pose(angles, None, T).keypoints, rig(views)
    fit = fit_frames(
        MODEL,
        FrameEvidence(keypoints2d=cameras.project(truth), rig=cameras),
        FitOptions(sigma_px=0.2),
        shape=np.zeros(MODEL.shape_count),
    )
    found = MODEL.pose(fit.angles, None, fit.T_world_wrist).keypoints
    assert np.linalg.norm(found - truth, axis=-1).mean() < 1e-3
    assert fit.reprojection_px.max() < 1.0


def test_one_view_finds_the_place():
    angles, T = natural(20)
    truth, camera = MODEL.pose(angles, None, T).keypoints, rig(1)
    fit = fit_frames(
        MODEL,
        FrameEvidence(keypoints2d=camera.project(truth), rig=camera),
        FitOptions(sigma_px=1.0),
        shape=np.zeros(MODEL.shape_count),
    )
    assert np.median(np.linalg.norm(fit.T_world_wrist[:, :3, 3] - T[:, :3, 3], axis=-1)) < 0.03
    assert np.median(fit.reprojection_px) < 2.0


def test_unseen_keypoints_and_views_do_not_count():
    angles, T = natural(5)
    truth, cameras = MODEL.pose(angles, None, T).keypoints, rig(2)
    pixels = cameras.project(truth)
    pixels[1, :, 4:9] = np.nan
    confidence = np.ones(pixels.shape[:3])
    pixels[0, :, 2] += 400.0
    confidence[0, :, 2] = 0.0
    fit = fit_frames(
        MODEL,
        FrameEvidence(keypoints2d=pixels, confidence=confidence, rig=cameras),
        FitOptions(sigma_px=0.2),
        shape=np.zeros(MODEL.shape_count),
    )
    found = MODEL.pose(fit.angles, None, fit.T_world_wrist).keypoints
    assert np.linalg.norm(found - truth, axis=-1).mean() < 3e-3


def test_frame_without_a_hand_is_nan():
    _, truth = hands(3)
    keypoints = truth.keypoints.copy()
    keypoints[1] = np.nan
    fit = fit_frames(MODEL, FrameEvidence(keypoints), EXACT)
    assert np.isnan(fit.angles[1]).all()
    assert np.isnan(fit.cost[1])
    assert not fit.converged[1]
    assert np.isfinite(fit.angles[[0, 2]]).all()


def test_expected_state_holds_what_is_not_seen():
    angles, T = natural(1)
    shape = np.zeros(MODEL.shape_count)
    truth = MODEL.pose(angles, shape, T).keypoints.copy()
    truth[:, 5:9] = np.nan
    target = angles.copy()
    expected = ExpectedState(target, T, np.r_[np.full(6, np.inf), np.full(45, 0.02)])
    fit = fit_frames(MODEL, FrameEvidence(truth, expected=expected), FitOptions(), shape=shape)
    assert np.abs(fit.angles[:, 3:6] - target[:, 3:6]).max() < 0.05


def test_covariance_covers_the_error():
    rng = np.random.default_rng(7)
    angles, T = natural(100)
    shape = np.zeros(MODEL.shape_count)
    truth = MODEL.pose(angles, shape, T).keypoints
    fit = fit_frames(
        MODEL, FrameEvidence(truth + rng.normal(0.0, 0.003, truth.shape)), FitOptions(), shape=shape,
        with_covariance=True,
    )  # fmt: skip
    error = MODEL.pose(fit.angles, shape, fit.T_world_wrist).keypoints - truth
    claimed = np.trace(keypoint_covariance(MODEL, fit), axis1=-2, axis2=-1).mean()
    assert 0.6 < np.square(error).sum(axis=-1).mean() / claimed < 1.5


def test_prior_is_written_down():
    prior = recorded_prior()
    assert prior.mean.shape == (1, 45)
    assert "generated" in prior.metadata["sources"]
    assert prior.distance(MODEL.clamp(np.zeros((15, 3)))).shape == ()


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (FrameEvidence(), "nothing to fit"),
        (FrameEvidence(keypoints2d=np.zeros((1, 1, 21, 2))), "without their cameras"),
        (FrameEvidence(np.zeros((1, 20, 3))), "shape"),
        (FrameEvidence(np.zeros((1, 21, 3)), np.zeros((1, 21, 3))), "shape"),
    ],
)
def test_evidence_that_does_not_fit(evidence, words):
    with pytest.raises(FitError, match=words):
        fit_frames(MODEL, evidence)


def test_prior_that_is_no_distribution():
    with pytest.raises(ValueError, match="positive definite"):
        replace(recorded_prior(), covariance=np.zeros((1, 45, 45)))
