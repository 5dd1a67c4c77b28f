"""Overlap of capsules: the geometry, the gradient, which pairs count."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.fitting.collision import (
    body,
    collision_residuals,
    nearest_on_segments,
    overlaps,
    pairs_between,
)
from handloom.fitting.solver import advance
from handloom.hand import load_open_hand
from handloom.hand.articulation import ANGLES, POSE
from handloom.hand.capsules import hand_capsules
from handloom.hand.kernel import points_with_jacobian
from handloom.hand.kinematics import rigid, rotation_from_vector
from handloom.synthesis.motion import random_motion

MODEL, OTHER = load_open_hand("right"), load_open_hand("left")
COLUMNS = POSE + MODEL.shape_count


def test_nearest_points_of_segments():
    rng = np.random.default_rng(0)
    u, v, w = rng.normal(size=(3, 300, 3))
    v[:30] = u[:30] * rng.normal(size=(30, 1))
    v[30:40] = 0.0
    s, t = nearest_on_segments(u, v, w)
    assert ((s >= 0) & (s <= 1) & (t >= 0) & (t <= 1)).all()
    found = np.linalg.norm(w + s[:, None] * u - t[:, None] * v, axis=1)
    grid = np.linspace(0.0, 1.0, 101)
    a = w[:, None, None] + grid[:, None, None] * u[:, None, None] - grid[:, None] * v[:, None, None]
    least = np.linalg.norm(a, axis=-1).min(axis=(1, 2))
    assert (found <= least + 1e-12).all()


def test_capsules_are_those_of_the_posed_hand():
    rng = np.random.default_rng(1)
    shape, angles = rng.normal(size=MODEL.shape_count), rng.uniform(-0.2, 1.0, (15, 3))
    T = rigid(rotation_from_vector([0.3, -1.0, 0.4]), np.array([0.1, 0.2, 0.3]))
    capsules = hand_capsules(MODEL, shape)
    starts, ends = capsules.at(MODEL.pose(angles, shape, T).T_world_joint)
    placed, _ = points_with_jacobian(MODEL, body(MODEL, shape).points, angles, shape, T)
    np.testing.assert_allclose(placed, np.concatenate([starts, ends]), atol=1e-9)


def test_neighbours_are_left_out_and_natural_poses_are_free():
    one = body(MODEL)
    names = hand_capsules(MODEL).names
    pairs = {(names[i], names[j]) for i, j in one.pairs}
    assert ("index_mcp", "index_pip") not in pairs
    assert ("index_pip", "middle_pip") in pairs
    flat, _ = points_with_jacobian(MODEL, one.points, np.zeros((15, 3)))
    assert (overlaps(flat[: len(names)], flat[len(names) :], one.radii, one.pairs) < one.allowance).all()
    angles = random_motion(MODEL, 100, 20.0, np.random.default_rng(2)).angles
    placed, _ = points_with_jacobian(MODEL, one.points, angles)
    excess = [
        (overlaps(p[: len(names)], p[len(names) :], one.radii, one.pairs) - one.allowance).max()
        for p in placed
    ]
    # A finger folded altogether presses its pad into its own base.
    assert max(excess) < 0.004


@pytest.mark.parametrize("seed", [0, 1])
def test_gradient_of_two_hands(seed):
    rng = np.random.default_rng(seed)
    models = (MODEL, OTHER)
    bodies = [body(model) for model in models]
    states = [
        (
            random_motion(model, 1, 1.0, rng).angles[0].reshape(ANGLES) + 0.2,
            rotation_from_vector(rng.normal(0.0, 0.3, 3)),
            rng.normal(0.0, 0.01, 3),
            np.zeros(model.shape_count),
        )
        for model in models
    ]
    radii = np.concatenate([one.radii for one in bodies])
    pairs, allowance = pairs_between(bodies)

    def equations(step):
        ends, J = np.empty((2, len(radii), 3)), np.zeros((2, len(radii), 3, 2 * COLUMNS))
        start = 0
        for k, (model, one, state) in enumerate(zip(models, bodies, states, strict=True)):
            angles, R, t, shape = (np.empty_like(part) for part in state)
            advance(*state, step[k * COLUMNS : (k + 1) * COLUMNS], angles, R, t, shape)
            C = len(one.radii)
            placed, D = points_with_jacobian(model, one.points, angles.reshape(15, 3), shape, rigid(R, t))
            ends[:, start : start + C] = placed.reshape(2, C, 3)
            J[:, start : start + C, :, k * COLUMNS : (k + 1) * COLUMNS] = D.reshape(2, C, 3, -1)
            start += C
        H, g = np.zeros((2 * COLUMNS, 2 * COLUMNS)), np.zeros(2 * COLUMNS)
        return collision_residuals(*ends, *J, radii, pairs, allowance, 0.002, H, g), H, g

    cost, H, g = equations(np.zeros(2 * COLUMNS))
    assert cost > 1.0
    np.testing.assert_allclose(H, H.T)
    h = 1e-7
    differences = [(equations(step)[0] - equations(-step)[0]) / (2 * h) for step in h * np.eye(2 * COLUMNS)]
    np.testing.assert_allclose(g, differences, rtol=1e-3, atol=1e-3 * np.abs(g).max())


def test_crossing_axes_part():
    starts, ends = np.array([[-1.0, 0, 0], [0, -1.0, 0]]), np.array([[1.0, 0, 0], [0, 1.0, 0]])
    J = np.zeros((2, 3, 6))
    J[0, :, :3] = J[1, :, 3:] = np.eye(3)
    H, g = np.zeros((6, 6)), np.zeros(6)
    cost = collision_residuals(
        starts, ends, J, J, np.full(2, 0.3), np.array([[0, 1]]), np.zeros(1), 1.0, H, g
    )
    assert cost == pytest.approx(0.5 * 0.6**2)
    np.testing.assert_allclose(np.abs(g), [0, 0, 0.6, 0, 0, 0.6], atol=1e-9)
    assert g[2] == -g[5]
