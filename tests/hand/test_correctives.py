"""Bent joints keep their flesh; what bends elsewhere, and the landmarks, are left alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from handloom.hand import HAND_TREE, load_open_hand
from handloom.hand.correctives import bend_directions, bend_features
from handloom.hand.kinematics import rotation_from_angles, rotation_from_vector
from handloom.hand.mesh import enclosed_volume
from handloom.hand.model import pose_features
from handloom.rendering.hand_surface import wrist_loop
from handloom.skeleton import FINGERS

HINGES = [joint for joint in HAND_TREE.articulated if joint.endswith(("pip", "dip", "ip"))]


@pytest.fixture(scope="module")
def closed():
    faces = load_open_hand().faces
    loop = wrist_loop(faces)
    return np.vstack([faces, [[loop[0], b, a] for a, b in pairwise(loop[1:])]])


def bent(joint: str, degrees: float) -> np.ndarray:
    angles = np.zeros((15, 3))
    angles[HAND_TREE.articulated.index(joint), 0] = np.deg2rad(degrees)
    return angles


def lost_share(model, joint: str, degrees: float, closed) -> float:
    """Volume lost by bending, as a share of a piece of finger as long as it is thick."""
    k = HAND_TREE.articulated.index(joint)
    arm = model.template - model.rest_joints[k + 1]
    along = arm @ model.axes[k, 2]
    near = (np.abs(along) < 0.008) & (np.linalg.norm(arm, axis=1) < 0.02)
    radius = np.linalg.norm(arm[near] - along[near, None] * model.axes[k, 2], axis=1).mean()
    lost = enclosed_volume(model.template, closed) - enclosed_volume(
        model.pose(bent(joint, degrees)).vertices, closed
    )
    return float(lost / (2 * np.pi * radius**3))


@pytest.mark.parametrize("joint", HINGES)
@pytest.mark.parametrize("degrees", [45.0, 80.0])
def test_volume_around_a_bent_joint_is_kept(joint, degrees, closed):
    model = load_open_hand()
    plain = lost_share(replace(model, pose_directions=None), joint, degrees, closed)
    assert abs(lost_share(model, joint, degrees, closed)) < max(0.45 * plain, 0.02)


@pytest.mark.parametrize("finger", FINGERS[1:])
def test_a_fully_bent_middle_joint_loses_at_most_a_seventh(finger, closed):
    assert abs(lost_share(load_open_hand(), f"{finger}_pip", 110.0, closed)) < 0.14


def test_a_fist_keeps_the_volume_of_the_hand(closed):
    model = load_open_hand()
    angles = sum(
        bent(f"{finger}_{segment}", degrees)
        for finger in FINGERS[1:]
        for segment, degrees in (("mcp", 80), ("pip", 95), ("dip", 60))
    )
    flat = enclosed_volume(model.template, closed)
    plain = replace(model, pose_directions=None).pose(angles).vertices
    assert abs(enclosed_volume(model.pose(angles).vertices, closed) / flat - 1) < 0.05
    assert abs(enclosed_volume(plain, closed) / flat - 1) > 0.08


def test_knuckles_do_not_swell():
    model = load_open_hand()
    plain = replace(model, pose_directions=None)
    for k, joint in enumerate(HAND_TREE.articulated):
        angles = bent(joint, np.degrees(model.limits[k, 0, 1]))
        moved = np.linalg.norm(model.pose(angles).vertices - plain.pose(angles).vertices, axis=1)
        assert moved.max() < 0.0035, joint


def test_a_finger_moves_only_its_own_flesh_and_the_palms():
    model = load_open_hand()
    plain = replace(model, pose_directions=None)
    angles = bent("middle_pip", 90)
    moved = np.linalg.norm(model.pose(angles).vertices - plain.pose(angles).vertices, axis=1) > 1e-5
    others = [i for i, joint in enumerate(HAND_TREE.joints) if not joint.startswith(("wrist", "middle"))]
    assert moved.any()
    assert (model.weights[moved][:, others].sum(axis=1) < 0.5).all()


def test_landmarks_and_joints_do_not_follow():
    model = load_open_hand()
    plain = replace(model, pose_directions=None)
    angles = bent("index_pip", 90)
    np.testing.assert_array_equal(model.pose(angles).keypoints, plain.pose(angles).keypoints)
    np.testing.assert_array_equal(model.pose(angles).joints, plain.pose(angles).joints)


def test_features_read_the_bend_off_any_rotation():
    rng = np.random.default_rng(1)
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    for theta in (-0.4, 0.0, 0.9, 1.9):
        np.testing.assert_allclose(
            bend_features(rotation_from_vector(theta * axis), axis),
            [np.sin(theta), 1 - np.cos(theta)],
            atol=1e-12,
        )


def test_sparse_entries_become_dense_directions():
    rng = np.random.default_rng(2)
    axes, values = load_open_hand().axes, rng.normal(size=(2, 2, 3))
    directions = bend_directions(np.array([3, 3]), np.array([0, 4]), values, axes, 6)
    angles = np.zeros((15, 3))
    angles[3, 0] = 0.8
    moved = directions @ pose_features(rotation_from_angles(angles, axes))
    expected = np.sin(0.8) * values[:, 0] + (1 - np.cos(0.8)) * values[:, 1]
    np.testing.assert_allclose(moved[[0, 4]], expected, atol=1e-6)
    np.testing.assert_array_equal(moved[[1, 2, 3, 5]], 0.0)
