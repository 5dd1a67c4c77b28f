"""Invented motion stays within what a hand can do."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.hand import load_open_hand
from handloom.synthesis.gestures import gesture, gesture_names
from handloom.synthesis.motion import random_motion


@pytest.mark.parametrize("name", gesture_names())
def test_gestures_are_within_the_limits(name):
    model = load_open_hand()
    np.testing.assert_allclose(model.clamp(gesture(name)), gesture(name), atol=1e-6)


@pytest.mark.parametrize("side", ["right", "left"])
def test_motion_is_smooth_and_within_the_limits(side):
    model = load_open_hand(side)
    motion = random_motion(model, 300, 30.0, np.random.default_rng(5))
    assert (motion.angles >= model.limits[..., 0]).all()
    assert (motion.angles <= model.limits[..., 1]).all()
    assert np.ptp(motion.angles[..., 0], axis=0).max() > 1.0
    posed = model.pose(motion.angles, None, motion.T_world_wrist)
    assert np.linalg.norm(np.diff(posed.keypoints, axis=0), axis=-1).max() < 0.05
    np.testing.assert_allclose(np.linalg.det(motion.T_world_wrist[:, :3, :3]), 1.0)


def test_motion_follows_its_seed():
    model = load_open_hand()
    first, second, other = (random_motion(model, 40, 30.0, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.angles, second.angles)
    assert (first.angles != other.angles).any()
