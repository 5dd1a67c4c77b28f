"""What does not belong to a hand's pose does not reach the network."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.hand.kinematics import rotation_from_vector
from handloom.lifting.normalisation import INPUTS, normalised
from handloom.synthesis.seen_hands import seen_hands

MIRROR = np.array([-1.0, 1.0])


@pytest.fixture(scope="module")
def rays() -> np.ndarray:
    return seen_hands(5, np.random.default_rng(0)).rays


def _turned(rays: np.ndarray, vector: list[float]) -> np.ndarray:
    """The same hands seen by a camera turned about its centre."""
    seen = np.concatenate([rays, np.ones_like(rays[..., :1])], axis=-1) @ rotation_from_vector(vector).T
    return seen[..., :2] / seen[..., 2:]


def test_a_left_hand_is_its_mirror_image(rays: np.ndarray) -> None:
    one, other = normalised(rays, False), normalised(rays * MIRROR, True)
    assert other.inputs == pytest.approx(one.inputs)
    points = np.random.default_rng(1).normal(size=(5, 21, 3))
    assert other.turned_back(points) == pytest.approx(one.turned_back(points) * [-1.0, 1.0, 1.0])


def test_a_turned_picture_changes_nothing(rays: np.ndarray) -> None:
    assert normalised(_turned(rays, [0.0, 0.0, 2.0]), False).inputs == pytest.approx(
        normalised(rays, False).inputs, abs=1e-5
    )


def test_a_hand_at_the_rim_is_seen_as_in_the_middle(rays: np.ndarray) -> None:
    # The middle of the keypoints is found in the picture, whose scale is not even: a small difference stays.
    aside = normalised(_turned(rays, [0.4, -0.5, 0.0]), False).inputs
    assert aside == pytest.approx(normalised(rays, False).inputs, abs=0.06)


@pytest.mark.parametrize("left", [False, True])
def test_points_turned_there_and_back_face_the_hand(rays: np.ndarray, left: bool) -> None:
    view = normalised(rays, left)
    points = np.random.default_rng(1).normal(size=(5, 21, 3))
    facing = view.facing
    if left:
        facing = np.diag([-1.0, 1.0, 1.0]) @ facing @ np.diag([-1.0, 1.0, 1.0])
    assert view.turned_back(view.turned(points)) == pytest.approx(points @ facing)


def test_a_missing_keypoint_is_zero_and_unsure(rays: np.ndarray) -> None:
    rays = rays.copy()
    rays[:, 8] = np.nan
    inputs = normalised(rays, False, np.full(21, 0.9)).inputs
    assert inputs.shape == (5, INPUTS)
    assert np.isfinite(inputs).all()
    assert (inputs[:, 16:18] == 0.0).all()
    assert (inputs[:, 42 + 8] == 0.0).all()
    assert inputs[:, 42 + 7] == pytest.approx(np.full(5, 0.9))


def test_a_hand_without_extent_is_no_number_out_of_bounds() -> None:
    assert np.isfinite(normalised(np.zeros((21, 2)), False).inputs).all()
