"""Surfaces, motion, masks, two hands and penetration, each against a case with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from handloom.evaluation.masks import mask_iou
from handloom.evaluation.motion import acceleration_error, acceleration_rms
from handloom.evaluation.penetration import closed, penetration, winding_numbers
from handloom.evaluation.surface import f_scores, mean_f_scores, pa_vertex_errors
from handloom.evaluation.two_hands import average_precision, handedness_accuracy, handedness_ap, mrrpe
from handloom.hand import load_open_hand
from handloom.hand.mesh import enclosed_volume


def test_f_score_by_hand() -> None:
    target = np.array([[0.0, 0, 0], [1.0, 0, 0]])
    points = np.array([[0.004, 0, 0], [0.5, 0, 0], [0.6, 0, 0]])
    score = f_scores(points, target, [0.005])[0]
    assert (score.precision, score.recall) == (pytest.approx(1 / 3), pytest.approx(1 / 2))
    assert score.f == pytest.approx(0.4)


def test_f_score_does_not_count_a_distance_equal_to_the_threshold() -> None:
    assert f_scores(np.array([[0.25, 0, 0]]), np.zeros((1, 3)), [0.25])[0].f == 0.0


def test_f_score_needs_no_common_mesh_and_knows_nothing() -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(size=(50, 3))
    assert f_scores(np.concatenate([target, target]), target, [0.001])[0].f == 1.0
    assert f_scores(np.full((4, 3), np.nan), target, [0.001])[0].f == 0.0
    assert np.isnan(mean_f_scores(target[None], np.full((1, 50, 3), np.nan), [0.01])).all()


def test_vertices_are_aligned_by_themselves() -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(size=(2, 40, 3))
    assert_allclose(pa_vertex_errors(2.0 * target + 1.0, target), 0.0, atol=1e-12)


def test_acceleration_error_by_hand() -> None:
    still = np.zeros((5, 1, 3))
    kicked = still.copy()
    kicked[2, 0, 0] = 1.0  # second differences 1, −2, 1
    assert acceleration_error(kicked, still) == pytest.approx(4 / 3)
    assert acceleration_rms(kicked) == pytest.approx(np.sqrt(2.0))
    moving = np.arange(5.0)[:, None, None] * np.ones((5, 1, 3))
    assert acceleration_error(moving, still) == 0.0


def test_acceleration_leaves_gaps_out() -> None:
    motion = np.random.default_rng(0).normal(size=(8, 21, 3))
    motion[4] = np.nan
    assert np.isfinite(acceleration_rms(motion))
    assert np.isnan(acceleration_error(motion[:2], motion[:2]))


def test_mask_iou_by_hand() -> None:
    a, b = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    a[:2], b[1:3] = True, True
    assert mask_iou(a, b) == pytest.approx(4 / 12)
    assert mask_iou(a, b, unknown=~a) == pytest.approx(0.5)
    assert_allclose(mask_iou(np.stack([a, a]), np.stack([a, b])), [1.0, 4 / 12])


def test_two_empty_masks_agree() -> None:
    assert mask_iou(np.zeros((2, 2)), np.zeros((2, 2))) == 1.0


def test_mrrpe_does_not_see_a_common_shift() -> None:
    left, right = np.array([[0.1, 0, 0.5]]), np.array([[-0.1, 0, 0.5]])
    assert mrrpe(left + 1.0, right + 1.0, left, right) == pytest.approx(0.0)
    assert mrrpe(left + np.array([0.03, 0, 0.04]), right, left, right) == pytest.approx(0.05)


def test_handedness_accuracy_needs_both_answers() -> None:
    truth = [[1, 0], [1, 1], [0, 1]]
    assert handedness_accuracy([[0.9, 0.1], [0.9, 0.2], [np.nan, 0.7]], truth) == pytest.approx(2 / 3)


def test_average_precision_by_hand() -> None:
    # Ranked: hit, miss, hit → recall steps ½ with precisions 1 and 2/3.
    assert average_precision([0.9, 0.8, 0.7], [1, 0, 1]) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert average_precision([0.5, 0.5], [1, 0]) == pytest.approx(0.5)
    assert np.isnan(average_precision([0.5], [0]))
    assert handedness_ap([[0.9, 0.1], [0.2, 0.8]], [[1, 0], [0, 1]]) == 1.0


def _cube(low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    vertices = np.array([[x, y, z] for x in (low, high) for y in (low, high) for z in (low, high)])
    faces = np.array([
        [0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6],
        [0, 6, 4], [1, 5, 7], [1, 7, 3],
    ])  # fmt: skip
    return vertices, faces


def test_cubes_share_their_overlap() -> None:
    a, faces = _cube(0.0, 0.10)
    b, _ = _cube(0.06, 0.16)
    found = penetration(a, faces, b, faces, grid_m=0.002)
    assert found.volume_m3 == pytest.approx(0.04**3, rel=0.02)
    assert found.inside == pytest.approx(2 / 16)
    assert found.max_depth_m > 0.03
    assert penetration(a, faces, b + 0.2, faces).volume_m3 == 0.0


def test_an_open_hand_is_closed_at_the_wrist() -> None:
    hand = load_open_hand()
    vertices, faces = closed(hand.template, hand.faces)
    assert len(vertices) == len(hand.template) + 1
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    assert 1e-4 < float(enclosed_volume(vertices, faces)) < 6e-4
    inside, outside = winding_numbers([hand.rest_joints.mean(axis=0), [1.0, 0, 0]], vertices, faces)
    assert inside == pytest.approx(1.0, abs=1e-9)
    assert outside == pytest.approx(0.0, abs=1e-9)


def test_a_hand_in_itself_and_beside_itself() -> None:
    hand = load_open_hand()
    whole = float(enclosed_volume(*closed(hand.template, hand.faces)))
    shifted = hand.template + np.array([0.0, 0.0, 0.008])
    found = penetration(hand.template, hand.faces, shifted, hand.faces, grid_m=0.003)
    assert 0.2 * whole < found.volume_m3 < 0.9 * whole
    assert 0.0 < found.mean_depth_m < found.max_depth_m < 0.03
    apart = penetration(hand.template, hand.faces, hand.template + np.array([0.3, 0, 0]), hand.faces)
    assert apart.max_depth_m == 0.0


def test_meshes_that_are_not_there_cannot_be_measured() -> None:
    cube, faces = _cube(0.0, 1.0)
    with pytest.raises(ValueError, match="finite"):
        penetration(cube * np.nan, faces, cube, faces)
