"""Hands as keypoints, made by the batch."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.synthesis.seen_hands import DISTANCE_M, Errors, seen_hands

EXACT = Errors(joint=0.0, chain=0.0, size=0.0, convention=0.0)


def test_the_generators_state_decides_all() -> None:
    one, other, third = (seen_hands(20, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(one.rays, other.rays)
    assert np.array_equal(one.xyz, other.xyz)
    assert not np.array_equal(one.rays, third.rays)


def test_without_errors_keypoints_lie_on_their_lines_of_sight() -> None:
    made = seen_hands(50, np.random.default_rng(0), EXACT)
    # x = u (z + d): the distance d is the only unknown.
    d = made.xyz[..., :2] / made.rays - made.xyz[..., 2:]
    assert d == pytest.approx(np.broadcast_to(np.median(d, axis=(1, 2))[:, None, None], d.shape), rel=1e-3)
    assert np.median(d, axis=(1, 2)).min() > DISTANCE_M[0] - 1e-6


def test_errors_are_shares_of_the_size_in_the_picture() -> None:
    rng = [np.random.default_rng(0) for _ in range(2)]
    exact, made = seen_hands(2000, rng[0], EXACT), seen_hands(2000, rng[1], Errors(size=0.0, convention=0.0))
    size = np.sqrt(np.square(exact.rays).sum(axis=-1).mean(axis=1))
    off = np.linalg.norm(made.rays - exact.rays, axis=-1) / size[:, None]
    assert 0.08 < off.mean() < 0.25
    assert off[:, 8].mean() > 1.3 * off[:, 5].mean()  # tips of fingers err more than knuckles


def test_hands_have_one_size_and_their_middle_at_zero() -> None:
    made = seen_hands(500, np.random.default_rng(0), EXACT)
    assert np.abs(made.xyz.mean(axis=1)).max() < 1e-9
    palm = np.linalg.norm(made.xyz[:, 9] - made.xyz[:, 0], axis=1)
    assert palm.std() < 0.10 * palm.mean()


def test_hidden_keypoints_are_less_sure() -> None:
    made = seen_hands(2000, np.random.default_rng(0), Errors(sure=0.0))
    hidden = (made.confidence < 0.6).mean(axis=0)
    assert 0.03 < hidden.mean() < 0.4
    told = seen_hands(200, np.random.default_rng(0), Errors(sure=1.0))
    assert (told.confidence == 1.0).all()
