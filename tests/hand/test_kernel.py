"""The compiled points against the model, their Jacobian against finite differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from handloom.hand import HandModel, load_open_hand
from handloom.hand.articulation import POSE, articulation, keypoints_of, skinned_points, vertices_of
from handloom.hand.kernel import points_with_jacobian
from handloom.hand.kinematics import rigid, rotation_from_vector


def random_hands(model: HandModel, count: int, rng: np.random.Generator):
    angles = rng.uniform(model.limits[..., 0], model.limits[..., 1], (count, 15, 3))
    shape = rng.normal(size=(count, model.shape_count))
    T = rigid(rotation_from_vector(rng.normal(size=(count, 3)) * 2.0), rng.normal(size=(count, 3)))
    return angles, shape, T


@pytest.mark.parametrize("side", ["left", "right"])
def test_agrees_with_model(side):
    model = load_open_hand(side)
    angles, shape, T = random_hands(model, 20, np.random.default_rng(0))
    placed, J = points_with_jacobian(model, keypoints_of(model), angles, shape, T)
    assert np.allclose(placed, model.pose(angles, shape, T).keypoints, atol=1e-12)
    assert J.shape == (20, 21, 3, POSE + model.shape_count)


def test_vertices_agree_with_model():
    model = load_open_hand()
    angles, shape, T = random_hands(model, 2, np.random.default_rng(1))
    chosen = np.arange(0, len(model.template), 17)
    placed, _ = points_with_jacobian(model, vertices_of(model, chosen), angles, shape, T)
    assert np.allclose(placed, model.pose(angles, shape, T).vertices[:, chosen], atol=1e-12)


@pytest.mark.parametrize("correctives", [False, True])
@pytest.mark.parametrize("at_zero", [False, True])
def test_jacobian(correctives, at_zero):
    rng = np.random.default_rng(2)
    model = load_open_hand()
    extra = rng.normal(0.0, 1e-3, (21, 3, 135)) if correctives else None
    points = skinned_points(model.rest_keypoints, model.keypoint_directions, model.keypoint_weights, extra)
    angles, shape, T = (x[0] for x in random_hands(model, 1, rng))
    if at_zero:
        angles, shape, T = np.zeros((15, 3)), np.zeros(model.shape_count), np.eye(4)
    _, J = points_with_jacobian(model, points, angles, shape, T)
    step = 1e-6
    for column in range(J.shape[-1]):
        ends = []
        for sign in (1.0, -1.0):
            d = np.zeros(J.shape[-1])
            d[column] = sign * step
            moved = T.copy()
            moved[:3, :3] = rotation_from_vector(d[:3]) @ T[:3, :3]
            moved[:3, 3] += d[3:6]
            ends.append(
                points_with_jacobian(
                    model, points, angles + d[6:POSE].reshape(15, 3), shape + d[POSE:], moved
                )[0]
            )
        numeric = (ends[0] - ends[1]) / (2.0 * step)
        assert np.allclose(J[..., column], numeric, atol=1e-8), column


def test_jacobian_of_points_that_ride_on_several_fingers():
    model = load_open_hand()
    weights = np.zeros((1, 16))
    weights[0, [3, 8, 15]] = 0.5, 0.3, 0.2
    points = skinned_points(model.rest_keypoints[:1], model.keypoint_directions[:1], weights)
    angles = np.full((15, 3), 0.1)
    _, J = points_with_jacobian(model, points, angles)
    for a in range(45):
        d = np.zeros(45)
        d[a] = 1e-6
        up, down = (
            points_with_jacobian(model, points, angles + s * d.reshape(15, 3))[0] for s in (1.0, -1.0)
        )
        assert np.allclose(J[..., 6 + a], (up - down) / 2e-6, atol=1e-8)


def test_wrist_away_from_origin():
    """A model whose shape moves the wrist itself still turns about it."""
    model = load_open_hand()
    moved = replace(
        model,
        rest_joints=model.rest_joints + np.array([0.01, 0.02, 0.03]),
        joint_directions=model.joint_directions + 1e-3,
    )
    points = keypoints_of(moved)
    T = rigid(rotation_from_vector([0.3, -0.4, 0.5]), [0.1, 0.2, 0.3])
    shape = np.ones(model.shape_count)
    _, J = points_with_jacobian(moved, points, np.full((15, 3), 0.2), shape, T)
    for b in range(model.shape_count):
        d = np.zeros(model.shape_count)
        d[b] = 1e-5
        up, down = (
            points_with_jacobian(moved, points, np.full((15, 3), 0.2), shape + s * d, T)[0]
            for s in (1.0, -1.0)
        )
        assert np.allclose(J[..., POSE + b], (up - down) / 2e-5, atol=1e-8)
    for axis in range(3):
        ends = []
        for s in (1.0, -1.0):
            turned = T.copy()
            turned[:3, :3] = rotation_from_vector(s * 1e-6 * np.eye(3)[axis]) @ T[:3, :3]
            ends.append(points_with_jacobian(moved, points, np.full((15, 3), 0.2), shape, turned)[0])
        assert np.allclose(J[..., axis], (ends[0] - ends[1]) / 2e-6, atol=1e-8)


def test_articulation_holds_limits():
    model = load_open_hand()
    hand = articulation(model)
    assert (hand.lowest <= hand.highest).all()
