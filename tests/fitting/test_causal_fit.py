"""Live fits: within the budget, calmer than their evidence, found again after being lost."""

from __future__ import annotations

import numpy as np
from moving_hands import FPS, MODEL, moving_hand, noisy_points

from handloom.fitting import FrameEvidence, fit_frames
from handloom.fitting.causal import CausalFit

NOTHING = FrameEvidence(np.full((1, 21, 3), np.nan))


def frame(evidence, n):
    covariance = None if evidence.covariance is None else evidence.covariance[n : n + 1]
    return FrameEvidence(evidence.keypoints3d[n : n + 1], covariance)


def keypoints(hand, shape):
    return MODEL.pose(hand.angles, shape, hand.T_world_wrist).keypoints


def test_nearer_and_calmer_than_single_frames():
    shape, _, truth = moving_hand(60)
    evidence = noisy_points(truth.keypoints, 0.004)
    live = CausalFit(MODEL, shape, fps=FPS)
    found = np.stack([keypoints(live.update(frame(evidence, n)), shape) for n in range(60)])
    single = fit_frames(MODEL, evidence, shape=shape)
    alone = MODEL.pose(single.angles, shape, single.T_world_wrist).keypoints

    def error(points):
        return np.linalg.norm(points - truth.keypoints, axis=-1).mean()

    def jitter(points):
        return np.linalg.norm(np.diff(points, n=2, axis=0), axis=-1).mean()

    assert error(found) < 0.95 * error(alone)
    assert jitter(found) < 0.7 * jitter(alone)


def test_nothing_seen_gives_nothing():
    shape, _, truth = moving_hand(5)
    evidence = FrameEvidence(truth.keypoints)
    live = CausalFit(MODEL, shape)
    assert live.update(NOTHING) is None
    assert live.update(frame(evidence, 0)) is not None
    assert live.update(NOTHING) is None
    assert live.update(frame(evidence, 2)) is not None


def test_another_place_is_found_at_once():
    shape, _, truth = moving_hand(40)
    evidence = FrameEvidence(truth.keypoints)
    live = CausalFit(MODEL, shape)
    for n in range(10):
        live.update(frame(evidence, n))
    away = FrameEvidence(truth.keypoints[39:40] + 0.5)
    hand = live.update(away)
    assert hand.restarted
    assert np.linalg.norm(keypoints(hand, shape) - away.keypoints3d[0], axis=-1).max() < 0.01
