"""Alignments against the loops of the papers' code, and what cannot be aligned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from handloom.evaluation.alignment import bone_scaled, is_reflected, procrustes_aligned, root_aligned


def _official(target: np.ndarray, points: np.ndarray) -> np.ndarray:
    """§9.2 with SciPy, one sample at a time."""
    centre_a, centre_b = target.mean(0), points.mean(0)
    a, b = target - centre_a, points - centre_b
    size_a, size_b = np.linalg.norm(a), np.linalg.norm(b)
    R, scale = orthogonal_procrustes(a / size_a, b / size_b)
    return (b / size_b) @ R.T * scale * size_a + centre_a


def _random(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.normal(0, 0.05, (count, 21, 3)) + np.array([0, 0, 0.7])
    return target, target + rng.normal(0, 0.02, target.shape)


def test_equal_to_scipys_loop() -> None:
    target, points = _random(200)
    mirrored = points * [-1, 1, 1]
    for ours in (points, mirrored):
        expected = np.stack([_official(a, b) for a, b in zip(target, ours, strict=True)])
        assert_allclose(procrustes_aligned(ours, target, reflection=True), expected, atol=1e-12)


def test_oracle_4_mirrored_hand_has_no_error_with_reflection() -> None:
    target, _ = _random(5)
    mirrored = target * [-1, 1, 1]
    forgiven = procrustes_aligned(mirrored, target, reflection=True)
    assert np.abs(forgiven - target).max() < 1e-12
    assert np.linalg.norm(procrustes_aligned(mirrored, target) - target, axis=-1).mean() > 0.01
    assert is_reflected(mirrored, target).all()
    assert not is_reflected(target, target).any()


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100), reflection=st.booleans())
@settings(max_examples=30, deadline=None)
def test_any_similarity_is_undone(seed: int, scale: float, reflection: bool) -> None:
    target, _ = _random(3, seed)
    R = Rotation.random(random_state=seed).as_matrix()
    moved = scale * target @ R.T + [1.0, -2.0, 3.0]
    assert_allclose(procrustes_aligned(moved, target, reflection=reflection), target, atol=1e-10)


def test_rigid_alignment_keeps_the_size() -> None:
    target, _ = _random(3)
    aligned = procrustes_aligned(2.0 * target, target, scaling=False)
    sizes = [np.linalg.norm(x - x.mean(axis=1, keepdims=True), axis=(1, 2)) for x in (aligned, target)]
    assert_allclose(sizes[0], 2.0 * sizes[1])


def test_umeyama_is_no_worse_than_any_other_rotation() -> None:
    target, points = _random(1, 3)
    points = points * [-1, 1, 1]
    best = ((procrustes_aligned(points, target) - target) ** 2).sum()
    centred = points[0] - points[0].mean(0)
    for seed in range(50):
        turned = centred @ Rotation.random(random_state=seed).as_matrix().T
        a = target[0] - target[0].mean(0)
        scale = max((turned * a).sum() / (turned**2).sum(), 0.0)
        assert best <= ((scale * turned - a) ** 2).sum() + 1e-12


def test_all_points_equal_go_to_the_centre() -> None:
    target, _ = _random(2)
    for points in (np.zeros_like(target), np.full_like(target, 0.3)):
        aligned = procrustes_aligned(points, target, reflection=True)
        assert_allclose(aligned, np.broadcast_to(target.mean(1, keepdims=True), target.shape), atol=1e-12)


def test_collinear_points_have_one_error() -> None:
    target, _ = _random(4)
    line = np.linspace(0, 1, 21)[:, None] * np.array([1.0, 2.0, 3.0])
    errors = []
    for R in Rotation.random(3, random_state=0).as_matrix():
        aligned = procrustes_aligned(np.broadcast_to(line @ R.T, target.shape), target)
        assert np.isfinite(aligned).all()
        errors.append(np.linalg.norm(aligned - target, axis=-1).mean())
    assert_allclose(errors, errors[0], rtol=1e-9)


def test_missing_points_are_left_out() -> None:
    target, points = _random(3)
    gaps = points.copy()
    gaps[1, 4:8] = np.nan
    aligned = procrustes_aligned(gaps, target)
    keep = [j for j in range(21) if not 4 <= j < 8]
    assert_allclose(aligned[1, keep], procrustes_aligned(points[1, keep], target[1, keep]), atol=1e-12)
    assert np.isnan(aligned[1, 4:8]).all()
    assert_allclose(aligned[[0, 2]], procrustes_aligned(points[[0, 2]], target[[0, 2]]), atol=1e-12)


def test_nothing_known_is_nan() -> None:
    target, points = _random(2)
    target[0] = np.nan
    aligned = procrustes_aligned(points, target)
    assert np.isnan(aligned[0]).all()
    assert np.isfinite(aligned[1]).all()


def test_no_hands_at_all() -> None:
    assert procrustes_aligned(np.zeros((0, 21, 3)), np.zeros((0, 21, 3))).shape == (0, 21, 3)


def test_one_target_for_many_and_many_axes() -> None:
    target, points = _random(6)
    many = procrustes_aligned(points.reshape(2, 3, 21, 3), target[0])
    assert_allclose(many[1, 2], procrustes_aligned(points[5], target[0]), atol=1e-12)


def test_root_lies_on_the_true_root() -> None:
    target, points = _random(2)
    aligned = root_aligned(points, target, 9)
    assert_allclose(aligned[:, 9], target[:, 9])
    assert_allclose(aligned[:, 3] - aligned[:, 9], points[:, 3] - points[:, 9])


def test_scale_translation_of_ho3d() -> None:
    target, points = _random(2)
    aligned = bone_scaled(points, target, (0, 9), 0)
    assert_allclose(aligned[:, 0], target[:, 0])
    assert_allclose(
        np.linalg.norm(aligned[:, 9] - aligned[:, 0], axis=1),
        np.linalg.norm(target[:, 9] - target[:, 0], axis=1),
    )


@pytest.mark.parametrize("root", [0, 9])
def test_bone_without_length_keeps_finite(root: int) -> None:
    target, _ = _random(1)
    assert_allclose(
        bone_scaled(np.zeros_like(target), target, (0, 9), root), np.repeat(target[:, [root]], 21, 1)
    )
