"""Inverse kinematics against forward kinematics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handloom.hand import HAND_TREE, HandModel, load_open_hand
from handloom.hand.inverse import inverse_kinematics
from handloom.hand.kinematics import rigid, rotation_from_vector
from handloom.skeleton import HAND


def hand_of_joint_centres(side: str = "right") -> HandModel:
    """The open hand with keypoints where its joints are, as in MANO."""
    model = load_open_hand(side)
    rest, directions = model.rest_keypoints.copy(), model.keypoint_directions.copy()
    weights = np.zeros((len(HAND), len(HAND_TREE)))
    for k, name in enumerate(HAND.joints):
        joint = HAND_TREE.index(HAND.joints[k - 1] if name.endswith("_tip") else name)
        weights[k, joint] = 1.0
        if not name.endswith("_tip"):
            rest[k], directions[k] = model.rest_joints[joint], model.joint_directions[joint]
    return replace(
        model, rest_keypoints=rest, keypoint_directions=directions, keypoint_weights=weights,
        keypoint_pose_directions=None,
    )  # fmt: skip


def random_hands(model: HandModel, count: int, seed: int):
    rng = np.random.default_rng(seed)
    angles = rng.uniform(model.limits[..., 0], model.limits[..., 1], (count, 15, 3))
    shape = rng.normal(size=(count, model.shape_count))
    T = rigid(rotation_from_vector(rng.normal(size=(count, 3)) * 2.0), rng.normal(size=(count, 3)))
    return angles, shape, T


@pytest.mark.parametrize("side", ["left", "right"])
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_exact_where_keypoints_are_joints(side, seed):
    model = hand_of_joint_centres(side)
    angles, shape, T = random_hands(model, 20, seed)
    keypoints = model.pose(angles, shape, T).keypoints
    found, place = inverse_kinematics(model, keypoints, shape)
    assert np.abs(model.pose(found, shape, place).keypoints - keypoints).max() < 1e-6
    assert np.allclose(place, T, atol=1e-6)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_close_where_keypoints_are_landmarks(seed):
    model = load_open_hand()
    angles, shape, T = random_hands(model, 50, seed)
    keypoints = model.pose(angles, shape, T).keypoints
    found, place = inverse_kinematics(model, keypoints, shape)
    distance = np.linalg.norm(model.pose(found, shape, place).keypoints - keypoints, axis=-1)
    assert distance.mean() < 0.5e-3
    assert distance.max() < 15e-3


def test_batch_axes():
    model = load_open_hand()
    angles, shape, T = random_hands(model, 6, 0)
    keypoints = model.pose(angles, shape, T).keypoints
    flat = inverse_kinematics(model, keypoints, shape)
    folded = inverse_kinematics(model, keypoints.reshape(2, 3, 21, 3), shape.reshape(2, 3, -1))
    assert folded[0].shape == (2, 3, 15, 3)
    assert folded[1].shape == (2, 3, 4, 4)
    assert np.array_equal(folded[0].reshape(flat[0].shape), flat[0])
    assert inverse_kinematics(model, keypoints[0])[0].shape == (15, 3)


def test_missing_keypoint_leaves_its_joint_neutral():
    model = hand_of_joint_centres()
    angles, shape, T = random_hands(model, 1, 1)
    keypoints = model.pose(angles, shape, T).keypoints
    keypoints[0, HAND.index("middle_tip")] = np.nan
    found, place = inverse_kinematics(model, keypoints, shape)
    assert np.array_equal(found[0, HAND_TREE.articulated.index("middle_dip")], np.zeros(3))
    rest = model.pose(found, shape, place).keypoints - keypoints
    assert np.nanmax(np.abs(rest)) < 1e-6


def test_palm_with_two_keypoints_is_placed_by_all():
    model = load_open_hand()
    angles, shape, T = random_hands(model, 20, 2)
    keypoints = model.pose(0.2 * angles, shape, T).keypoints
    keypoints[:, HAND.indices(["wrist", "thumb_cmc", "ring_mcp", "little_mcp"])] = np.nan
    _, place = inverse_kinematics(model, keypoints, shape)
    turned = place[:, :3, :3] @ T[:, :3, :3].swapaxes(1, 2)
    assert np.degrees(np.arccos(np.clip((np.trace(turned, axis1=1, axis2=2) - 1) / 2, -1, 1))).max() < 35.0


@pytest.mark.parametrize("kept", [1, 2])
def test_hardly_any_keypoint_gives_finite_angles(kept):
    model = load_open_hand()
    keypoints = np.full((1, 21, 3), np.nan)
    keypoints[0, :kept] = model.rest_keypoints[:kept] + 0.3
    angles, place = inverse_kinematics(model, keypoints)
    assert np.isfinite(angles).all()
    assert np.allclose(place[0, :3, :3] @ place[0, :3, :3].T, np.eye(3))


def test_collinear_palm():
    model = load_open_hand()
    keypoints = np.zeros((1, 21, 3))
    keypoints[0, :, 1] = np.linspace(0.0, 0.2, 21)
    angles, place = inverse_kinematics(model, keypoints)
    assert np.isfinite(angles).all()
    assert np.isclose(np.linalg.det(place[0, :3, :3]), 1.0)


def test_no_keypoint_gives_nan():
    model = load_open_hand()
    angles, place = inverse_kinematics(model, np.full((2, 21, 3), np.nan))
    assert np.isnan(angles).all()
    assert np.isnan(place[:, :3]).all()
