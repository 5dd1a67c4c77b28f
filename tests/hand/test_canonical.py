"""The canonical frame: the oracles of the published label code, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from handloom.hand.canonical import at_root, canonical, placed
from handloom.skeleton import HAND

WRIST, MIDDLE, MIDDLE_PIP, INDEX, INDEX_PIP, LITTLE = HAND.indices(
    ["wrist", "middle_mcp", "middle_pip", "index_mcp", "index_pip", "little_mcp"]
)


def hands(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal((0.1, -0.2, 0.6), 0.05, (*shape, 21, 3))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("root", ["palm", "wrist"])
def test_the_knuckles_lie_where_the_published_labels_have_them(side, root):
    points, R, _, _ = canonical(hands(1, 50), side, root=root)
    np.testing.assert_allclose(points[:, WRIST], 0.0, atol=1e-12)
    np.testing.assert_allclose(points[:, MIDDLE, [0, 2]], 0.0, atol=1e-12)
    assert (points[:, MIDDLE, 1] < 0).all()
    np.testing.assert_allclose(points[:, LITTLE, 2], 0.0, atol=1e-12)
    assert (points[:, LITTLE, 0] > 0).all()
    np.testing.assert_allclose(np.linalg.norm(points[:, MIDDLE_PIP] - points[:, MIDDLE], axis=1), 1.0)
    np.testing.assert_allclose(np.linalg.det(R), 1.0)
    np.testing.assert_allclose(R @ np.swapaxes(R, 1, 2), np.broadcast_to(np.eye(3), R.shape), atol=1e-12)


@given(st.integers(0, 10_000), st.sampled_from(["left", "right"]), st.sampled_from(["palm", "wrist"]))
def test_placed_undoes_canonical(seed, side, root):
    xyz = hands(seed, 2, 3)
    points, R, scale, origin = canonical(xyz, side, root=root)
    np.testing.assert_allclose(placed(points, R, side, scale, origin, root=root), xyz, atol=1e-12)


def test_labels_that_have_the_palm_first_keep_it():
    xyz = at_root(hands(2, 4), "palm", "wrist")
    hand = canonical(xyz, "left", given="palm")
    back = placed(hand.points, hand.R, "left", hand.scale, hand.origin, wanted="palm")
    np.testing.assert_allclose(hand.origin, xyz[:, WRIST])
    np.testing.assert_allclose(back, xyz, atol=1e-12)


def test_mirror_images_of_each_other_have_the_same_canonical_points():
    xyz = hands(3, 10)
    left = canonical(xyz, "left").points
    right = canonical(xyz * [-1.0, 1.0, 1.0], "right").points
    np.testing.assert_allclose(left, right, atol=1e-12)


def test_turning_and_enlarging_a_hand_leaves_its_canonical_points():
    xyz, turn = hands(4, 10), Rotation.from_rotvec([0.3, -2.0, 1.1]).as_matrix()
    was, now = canonical(xyz, "right"), canonical(3.0 * xyz @ turn, "right")
    np.testing.assert_allclose(now.points, was.points, atol=1e-12)
    np.testing.assert_allclose(now.R, was.R @ turn, atol=1e-12)
    np.testing.assert_allclose(now.scale, 3.0 * was.scale)


def test_sides_may_differ_within_a_batch():
    xyz = hands(5, 2)
    both = canonical(xyz, np.array(["left", "right"]))
    for i, side in enumerate(("left", "right")):
        np.testing.assert_allclose(both.points[i], canonical(xyz[i], side).points)
    np.testing.assert_allclose(
        placed(both.points, both.R, np.array(["left", "right"]), both.scale, both.origin), xyz
    )


def test_the_scale_bone_can_be_the_index_finger_of_the_papers_text():
    hand = canonical(hands(6), "left", bone=("index_mcp", "index_pip"))
    assert np.linalg.norm(hand.points[INDEX_PIP] - hand.points[INDEX]) == pytest.approx(1.0)
    assert hand.points[MIDDLE, [0, 2]] == pytest.approx(0.0, abs=1e-12)


def test_a_missing_knuckle_gives_nan_and_spares_the_other_hands():
    xyz = hands(7, 2)
    xyz[0, MIDDLE] = np.nan
    hand = canonical(xyz, "left")
    assert np.isnan(hand.points[0]).all()
    assert np.isfinite(hand.points[1]).all()


def test_a_bone_without_length_gives_nan():
    xyz = hands(8)
    xyz[MIDDLE_PIP] = xyz[MIDDLE]
    assert np.isnan(canonical(xyz, "left").points).all()


def test_an_unknown_side_is_refused():
    with pytest.raises(ValueError, match="left"):
        canonical(hands(9), "unknown")


def test_an_unknown_root_is_refused():
    with pytest.raises(ValueError, match="palm"):
        canonical(hands(9), "left", root="elbow")
