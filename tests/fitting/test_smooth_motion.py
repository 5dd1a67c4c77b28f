"""The banded system: its gradient, its covariance, its minimum."""

from __future__ import annotations

import numpy as np
from moving_hands import MODEL, moving_hand, noisy_points
from numpy.testing import assert_allclose

from handloom.fitting import FitOptions
from handloom.fitting.frames import observations, terms_of
from handloom.fitting.motion import (
    BAND,
    Acceleration,
    States,
    _equations,
    add_accelerations,
    advance_all,
    pose_covariance,
    smooth_motion,
)
from handloom.hand.articulation import POSE, articulation, keypoints_of

SIGMA = np.repeat([0.02, 0.003, 0.03], [3, 3, 45])
MOTION = Acceleration(1.0 / SIGMA, 6.0)


def problem(frames):
    shape, motion, truth = moving_hand(frames)
    evidence = noisy_points(truth.keypoints, 0.003)
    options = FitOptions()
    T = motion.T_world_wrist
    states = States(
        motion.angles.reshape(frames, -1).copy(),
        T[:, :3, :3].copy(),
        T[:, :3, 3].copy(),
        np.tile(shape, (frames, 1)),
    )
    parts = (
        articulation(MODEL),
        keypoints_of(MODEL),
        observations(evidence, options),
        terms_of(MODEL, options),
    )
    return parts, states


def moved(states, step):
    new = States(*(np.empty_like(array) for array in states))
    advance_all(*states, step.reshape(-1, POSE), *new)
    return new


def test_gradient_of_accelerations_by_differences():
    _, states = problem(6)
    states = moved(states, np.random.default_rng(0).normal(0.0, 0.05, 6 * POSE))

    def cost(at):
        return add_accelerations(
            at.angles, at.R, at.t, *MOTION, np.zeros((6 * POSE, BAND + 1)), np.zeros((6, POSE))
        )

    g = np.zeros((6, POSE))
    add_accelerations(states.angles, states.R, states.t, *MOTION, np.zeros((6 * POSE, BAND + 1)), g)
    numeric = np.empty(6 * POSE)
    for i in range(6 * POSE):
        step = np.zeros(6 * POSE)
        step[i] = 1e-6
        numeric[i] = (cost(moved(states, step)) - cost(moved(states, -step))) / 2e-6
    # The rotation's derivative is that of the logarithm to first order in the turn.
    assert_allclose(g.reshape(-1), numeric, rtol=0.02, atol=0.02 * np.abs(numeric).max())


def test_minimum_is_at_rest():
    parts, states = problem(12)
    found, rest = smooth_motion(*parts, states, MOTION, 40, 1e-8)
    assert rest
    again, _ = smooth_motion(*parts, found, MOTION, 10, 1e-8)
    assert_allclose(again.angles, found.angles, atol=1e-3)
    assert_allclose(again.t, found.t, atol=1e-4)


def test_covariance_is_the_inverse_of_the_whole_matrix():
    for frames in (1, 4, 5):
        parts, states = problem(frames)
        band, _, _ = _equations(*parts, states, MOTION)
        size = frames * POSE
        whole = np.zeros((size, size))
        for column in range(size):
            for offset in range(min(BAND + 1, size - column)):
                whole[column + offset, column] = whole[column, column + offset] = band[column, offset]
        inverse = np.linalg.inv(whole + 1e-9 * np.eye(size))
        blocks = pose_covariance(*parts, states, MOTION)
        for n in range(frames):
            part = slice(n * POSE, (n + 1) * POSE)
            assert_allclose(blocks[n], inverse[part, part], rtol=1e-6, atol=1e-9 * np.abs(inverse).max())
