"""A hand through a recording: exact on exact keypoints, calmer than its evidence, honest about gaps."""

from __future__ import annotations

import numpy as np
import pytest
from moving_hands import FPS, MODEL, moving_hand, noisy_points
from numpy.testing import assert_allclose
from synthetic import arc_rig

from handloom.errors import FitError
from handloom.fitting import FitOptions, FrameEvidence, fit_frames, range_prior
from handloom.fitting.observed import evidence_count, stretches
from handloom.fitting.sequence import SequenceOptions, fit_sequence, weighed
from handloom.session import FitFlag

EXACT = SequenceOptions(
    frame=FitOptions(prior=range_prior(MODEL, 10.0), sigma_m=1e-4),
    shape_worth=1e6,
    turn=1e3,
    place=1e3,
    bend=1e4,
)


def seconds_difference(xyz):
    return np.linalg.norm(np.diff(xyz, n=2, axis=0), axis=-1).mean()


def test_exact_keypoints_give_the_hand_back():
    _, _, truth = moving_hand(20)
    fit = fit_sequence(MODEL, FrameEvidence(truth.keypoints), EXACT)
    found = MODEL.pose(fit.angles, fit.shape, fit.T_world_wrist)
    assert np.linalg.norm(found.keypoints - truth.keypoints, axis=-1).max() < 5e-4
    assert (fit.flags == 0).all()
    assert (fit.keypoint_error_m < 5e-4).all()


def test_calmer_and_nearer_than_single_frames():
    _, _, truth = moving_hand(60)
    evidence = noisy_points(truth.keypoints, 0.004)
    options = SequenceOptions(bias_m=0.0)
    fit = fit_sequence(MODEL, evidence, options)
    together = MODEL.pose(fit.angles, fit.shape, fit.T_world_wrist).keypoints
    single = fit_frames(MODEL, evidence, shape=fit.shape)
    alone = MODEL.pose(single.angles, fit.shape, single.T_world_wrist).keypoints

    def error(points):
        return np.linalg.norm(points - truth.keypoints, axis=-1).mean()

    assert error(together) < 0.7 * error(alone)
    assert seconds_difference(together) < 0.3 * seconds_difference(alone)


def test_windows_meet_without_a_seam():
    _, _, truth = moving_hand(90)
    evidence = noisy_points(truth.keypoints, 0.003)
    whole = fit_sequence(MODEL, evidence, SequenceOptions())
    parts = fit_sequence(MODEL, evidence, SequenceOptions(window=20, margin=12), shape=whole.shape)
    a = MODEL.pose(whole.angles, whole.shape, whole.T_world_wrist).keypoints
    b = MODEL.pose(parts.angles, parts.shape, parts.T_world_wrist).keypoints
    assert np.linalg.norm(a - b, axis=-1).max() < 5e-4


def test_keypoints_in_two_views():
    rig = arc_rig(2, distance=0.8)
    _, _, truth = moving_hand(30)
    pixels = rig.project(truth.keypoints)
    noisy = pixels + np.random.default_rng(0).normal(0.0, 1.0, pixels.shape)
    evidence = FrameEvidence(keypoints2d=noisy, confidence=np.ones(noisy.shape[:-1]), rig=rig)
    fit = fit_sequence(MODEL, evidence, SequenceOptions(noise=0.0, frame=FitOptions(sigma_px=1.0)))
    found = MODEL.pose(fit.angles, fit.shape, fit.T_world_wrist)
    assert np.linalg.norm(found.keypoints - truth.keypoints, axis=-1).mean() < 0.003
    assert (fit.views_used == 2).all()
    assert (fit.reprojection_px < 3.0).all()


def test_short_gaps_are_bridged_and_long_ones_left_open():
    _, _, truth = moving_hand(60)
    keypoints = truth.keypoints.copy()
    keypoints[10:15] = np.nan
    keypoints[30:45] = np.nan
    fit = fit_sequence(MODEL, FrameEvidence(keypoints), SequenceOptions(longest_gap_s=0.25), fps=FPS)
    flags = [FitFlag(int(flag)) for flag in fit.flags]
    assert all(FitFlag.FILLED in flag for flag in flags[10:15])
    assert all(FitFlag.UNSEEN in flag for flag in flags[30:45])
    assert np.isnan(fit.angles[30:45]).all()
    assert np.isnan(fit.sigma[30:45]).all()
    found = MODEL.pose(fit.angles[10:15], fit.shape, fit.T_world_wrist[10:15]).keypoints
    assert np.linalg.norm(found - truth.keypoints[10:15], axis=-1).mean() < 0.01
    assert fit.sigma[12].mean() > fit.sigma[5].mean()


def test_single_frame():
    _, _, truth = moving_hand(3)
    fit = fit_sequence(MODEL, FrameEvidence(truth.keypoints[:1]))
    assert np.isfinite(fit.angles).all()


def test_points_far_from_any_hand_are_flagged():
    _, _, truth = moving_hand(40)
    keypoints = truth.keypoints.copy()
    keypoints[20] = np.random.default_rng(0).normal(0.0, 0.1, (21, 3))
    fit = fit_sequence(MODEL, FrameEvidence(keypoints), SequenceOptions())
    assert FitFlag.RESIDUAL in FitFlag(int(fit.flags[20]))
    assert not (fit.flags[:18] & int(FitFlag.RESIDUAL)).any()


def test_a_measured_length_is_kept():
    _, _, truth = moving_hand(20)
    fit = fit_sequence(MODEL, FrameEvidence(truth.keypoints), SequenceOptions(hand_length_m=0.2))
    flat = MODEL.template + MODEL.shape_directions @ fit.shape
    assert_allclose(flat[:, 1].max(), 0.2, atol=0.002)


def test_nothing_seen():
    with pytest.raises(FitError, match="None of 5 frames"):
        fit_sequence(MODEL, FrameEvidence(np.full((5, 21, 3), np.nan)))


@pytest.mark.parametrize("length", [0.01, 1.9, -0.18, np.nan])
def test_absurd_length(length):
    _, _, truth = moving_hand(3)
    with pytest.raises(FitError, match="no human hand"):
        fit_sequence(MODEL, FrameEvidence(truth.keypoints), SequenceOptions(hand_length_m=length))


def test_stretches():
    known = np.array([0, 1, 1, 0, 1, 0, 0, 0, 1, 0], dtype=bool)
    assert stretches(known, 1) == [(1, 5), (8, 9)]
    assert stretches(known, 3) == [(1, 9)]
    assert stretches(np.zeros(3, dtype=bool), 3) == []


def test_more_views_do_not_outvote_their_common_error():
    rig = arc_rig(4, distance=0.8)
    _, _, truth = moving_hand(2)
    evidence = FrameEvidence(keypoints2d=rig.project(truth.keypoints), rig=rig)
    alone = weighed(evidence, SequenceOptions(common=0.0)).ray_precision
    shared = weighed(evidence, SequenceOptions(common=1.0)).ray_precision
    assert_allclose(shared, 0.5 * alone)
    assert (evidence_count(weighed(evidence, SequenceOptions())) == 84).all()
