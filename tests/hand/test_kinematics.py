"""Chains of joints: rotations, transforms, skinning."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from handloom.hand import HAND_TREE, load_open_hand
from handloom.hand.kinematics import (
    angles_from_rotation,
    joint_transforms,
    rigid,
    rotation_from_angles,
    rotation_from_vector,
    skin,
    skinning_transforms,
    vector_from_rotation,
)

component = st.floats(-4.0, 4.0)


@given(st.tuples(component, component, component))
def test_rotation_from_vector_is_rodrigues(vector):
    np.testing.assert_allclose(
        rotation_from_vector(vector), Rotation.from_rotvec(vector).as_matrix(), atol=1e-9
    )


def test_rotation_is_smooth_through_zero():
    tiny = rotation_from_vector([1e-9, -2e-9, 0.0])
    np.testing.assert_allclose(tiny, [[1, 0, -2e-9], [0, 1, -1e-9], [2e-9, 1e-9, 1]], atol=1e-15)


@pytest.mark.parametrize("side", ["right", "left"])
def test_angles_come_back_from_rotations(side):
    model = load_open_hand(side)
    angles = np.random.default_rng(1).uniform(-1.4, 1.4, (20, 15, 3))
    again = angles_from_rotation(rotation_from_angles(angles, model.axes), model.axes)
    np.testing.assert_allclose(again, angles, atol=1e-9)


def test_vectors_come_back_from_rotations():
    vectors = np.random.default_rng(2).uniform(-1.8, 1.8, (4, 5, 3))
    np.testing.assert_allclose(vector_from_rotation(rotation_from_vector(vectors)), vectors, atol=1e-12)


def test_without_rotation_joints_and_points_stay():
    joints = load_open_hand().rest_joints
    T = joint_transforms(joints, np.broadcast_to(np.eye(3), (16, 3, 3)), HAND_TREE.parents)
    np.testing.assert_allclose(T[:, :3, 3], joints, atol=1e-15)
    A = skinning_transforms(joints, T)
    np.testing.assert_allclose(A, np.broadcast_to(np.eye(4), A.shape), atol=1e-15)


def test_a_turned_joint_moves_its_descendants_only():
    joints = load_open_hand().rest_joints
    rotations = np.repeat(np.eye(3)[None], 16, axis=0)
    turned = HAND_TREE.index("index_pip")
    rotations[turned] = rotation_from_vector([0.7, 0.0, 0.0])
    T = joint_transforms(joints, rotations, HAND_TREE.parents)
    moved = np.linalg.norm(T[:, :3, 3] - joints, axis=1) > 1e-9
    assert [HAND_TREE.joints[i] for i in np.flatnonzero(moved)] == ["index_dip"]
    bone = np.linalg.norm(T[turned + 1, :3, 3] - T[turned, :3, 3])
    np.testing.assert_allclose(bone, np.linalg.norm(joints[turned + 1] - joints[turned]), atol=1e-12)


def test_skinning_by_one_joint_is_its_rigid_motion():
    rng = np.random.default_rng(0)
    joints = rng.normal(size=(2, 3))
    rotations = rotation_from_vector(rng.normal(size=(2, 3)))
    T = joint_transforms(joints, rotations, (-1, 0))
    point = rng.normal(size=(1, 3))
    posed = skin(point, [[0.0, 1.0]], skinning_transforms(joints, T))
    expected = (T[1] @ rigid(np.eye(3), -joints[1]) @ [*point[0], 1.0])[:3]
    np.testing.assert_allclose(posed[0], expected, atol=1e-12)
