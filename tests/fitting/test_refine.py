"""Fits refined by what pictures show of the surface, on rendered hands whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_surfaces import RAISED, made_hands

from handloom.errors import FitError
from handloom.fitting import FitOptions, FrameEvidence, fit_frames
from handloom.fitting.collision import body, overlaps, pairs_between
from handloom.fitting.refine import RefineOptions, SurfaceEvidence, refine_frames, refine_hands
from handloom.hand import load_open_hand
from handloom.hand.kernel import points_with_jacobian
from handloom.hand.kinematics import rigid
from handloom.synthesis.motion import random_motion
from handloom.synthesis.stage import demo_rig

MODEL = load_open_hand()
NOISE_M = 0.006
OPTIONS = RefineOptions(fit=FitOptions(sigma_m=NOISE_M))


def vertex_error(fit, made):
    """(N,) mean distance of the vertices from the truth, millimetres."""
    found = MODEL.pose(fit.angles, fit.shape, fit.T_world_wrist).vertices
    return 1000.0 * np.linalg.norm(found - made.truth.vertices, axis=-1).mean(axis=-1)


def noisy_fit(made, seed):
    rng = np.random.default_rng(seed)
    evidence = FrameEvidence(made.truth.keypoints + rng.normal(0.0, NOISE_M, made.truth.keypoints.shape))
    return evidence, fit_frames(MODEL, evidence, OPTIONS.fit)


def with_noise(depths, seed):
    rng = np.random.default_rng(seed)
    return [depth + rng.normal(0.0, 0.003, depth.shape) * (depth > 0.0) for depth in depths]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_masks_and_then_depth_lower_the_error(seed):
    rig = demo_rig(1)
    made = made_hands(MODEL, rig, 4, seed)
    evidence, fit = noisy_fit(made, seed)
    depths = with_noise(made.depths, seed)
    by_mask = refine_frames(MODEL, fit, evidence, SurfaceEvidence(rig, masks=made.masks), OPTIONS)
    by_both = refine_frames(MODEL, fit, evidence, SurfaceEvidence(rig, made.masks, depths), OPTIONS)
    before, mask, both = (vertex_error(each, made).mean() for each in (fit, by_mask, by_both))
    assert mask < 0.85 * before
    assert both < 0.7 * mask


def test_a_second_view_of_the_outline_lowers_the_error_further():
    rig = demo_rig(2)
    made = made_hands(MODEL, rig, 4, 4)
    evidence, fit = noisy_fit(made, 4)
    one = refine_frames(MODEL, fit, evidence, SurfaceEvidence(rig, [made.masks[0], None]), OPTIONS)
    two = refine_frames(MODEL, fit, evidence, SurfaceEvidence(rig, made.masks), OPTIONS)
    assert vertex_error(two, made).mean() < 0.8 * vertex_error(one, made).mean()


def test_what_covers_the_hand_does_no_harm():
    """A bar in front of the fingers, marked as unknown: better than before, unlike a mask with a hole."""
    rig = demo_rig(1)
    made = made_hands(MODEL, rig, 3, 6)
    evidence, fit = noisy_fit(made, 6)
    covered, cut = made.masks[0].astype(float), made.masks[0].copy()
    rows = np.flatnonzero(made.masks[0][0].any(axis=1))
    bar = slice(int(rows.mean()) - 20, int(rows.mean()) + 10)
    covered[:, bar], cut[:, bar] = np.nan, False
    told = refine_frames(MODEL, fit, evidence, SurfaceEvidence(rig, [covered]), OPTIONS)
    untold = refine_frames(MODEL, fit, evidence, SurfaceEvidence(rig, [cut]), OPTIONS)
    assert vertex_error(told, made).mean() < 0.9 * vertex_error(fit, made).mean()
    assert vertex_error(told, made).mean() < vertex_error(untold, made).mean()


def test_a_known_shape_stays_and_an_unseen_frame_stays_empty():
    rig = demo_rig(1)
    made = made_hands(MODEL, rig, 2, 7)
    keypoints = made.truth.keypoints.copy()
    keypoints[1] = np.nan
    evidence = FrameEvidence(keypoints)
    fit = fit_frames(MODEL, evidence, OPTIONS.fit, shape=made.shape)
    found = refine_frames(
        MODEL, fit, evidence, SurfaceEvidence(rig, made.masks, made.depths), OPTIONS, shape_known=True
    )
    np.testing.assert_array_equal(found.shape, made.shape)
    assert np.isnan(found.angles[1]).all()
    assert not found.converged[1]
    assert found.keypoint_error_m[0] < 0.003
    assert np.isfinite(found.cost[0])


def interpenetrating(seed):
    """A right and a left hand side by side, measured 25 mm too close: fingers pass through each other."""
    rng = np.random.default_rng(seed)
    models = [load_open_hand("right"), load_open_hand("left")]
    evidence, fits = [], []
    for model, x in zip(models, (-0.03, 0.03), strict=True):
        angles = random_motion(model, 1, 1.0, rng).angles
        T = rigid(RAISED[None], np.array([[x, 0.0, 0.0]]))
        keypoints = model.pose(angles, None, T).keypoints
        evidence.append(FrameEvidence(keypoints + rng.normal(0.0, 0.002, keypoints.shape)))
        fits.append(fit_frames(model, evidence[-1], OPTIONS.fit))
    return models, fits, evidence


def deepest(models, fits):
    """Deepest overlap beyond what flesh gives way, and between the hands alone, metres."""
    bodies = [body(model, fit.shape[0]) for model, fit in zip(models, fits, strict=True)]
    ends = []
    for model, fit, one in zip(models, fits, bodies, strict=True):
        placed, _ = points_with_jacobian(model, one.points, fit.angles[0], fit.shape[0], fit.T_world_wrist[0])
        ends.append(placed.reshape(2, -1, 3))
    starts, stops = np.concatenate(ends, axis=1)
    pairs, allowance = pairs_between(bodies)
    return (overlaps(starts, stops, np.concatenate([one.radii for one in bodies]), pairs) - allowance).max()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_collision_separates_two_hands(seed):
    models, fits, evidence = interpenetrating(seed)
    found = refine_hands(models, fits, evidence, options=OPTIONS)
    before, after = deepest(models, fits), deepest(models, found)
    assert before > 0.008
    assert after < 0.35 * before
    through = refine_hands(models, fits, evidence, options=replace(OPTIONS, collision_sigma_m=0.0))
    assert deepest(models, through) > 0.8 * before


def test_fingers_that_pass_through_the_palm_are_pushed_out():
    angles = MODEL.clamp(np.zeros((1, 15, 3)))
    angles[0, 3::3, 0] = angles[0, 4::3, 0] = angles[0, 5::3, 0] = np.deg2rad(85.0)
    angles[0, 3:, 0] = np.deg2rad(100.0)
    keypoints = MODEL.pose(angles).keypoints
    evidence = FrameEvidence(keypoints)
    options = replace(OPTIONS, fit=FitOptions(sigma_m=0.004, limit_sigma=0.0))
    fit = fit_frames(MODEL, evidence, options.fit, shape=np.zeros(MODEL.shape_count))
    found = refine_frames(MODEL, fit, evidence, options=options, shape_known=True)
    before, after = deepest([MODEL], [fit]), deepest([MODEL], [found])
    assert before > 0.003
    assert after < 0.6 * before


def test_masks_of_another_size_are_refused():
    rig = demo_rig(1)
    made = made_hands(MODEL, rig, 1, 1)
    evidence, fit = noisy_fit(made, 1)
    with pytest.raises(FitError, match="cam0"):
        refine_frames(MODEL, fit, evidence, SurfaceEvidence(rig, [made.masks[0][:, ::2]]), OPTIONS)


def test_masks_without_a_camera_each_are_refused():
    rig = demo_rig(2)
    made = made_hands(MODEL, rig, 1, 1)
    evidence, fit = noisy_fit(made, 1)
    with pytest.raises(FitError, match="1 views and 2 cameras"):
        refine_frames(MODEL, fit, evidence, SurfaceEvidence(rig, made.masks[:1]), OPTIONS)


def test_hands_and_their_keypoints_are_as_many():
    rig = demo_rig(1)
    evidence, fit = noisy_fit(made_hands(MODEL, rig, 1, 1), 1)
    with pytest.raises(FitError, match="number"):
        refine_hands([MODEL, MODEL], [fit], [evidence])
