"""Bone lengths learned from noisy points."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from synthetic import body_motion, hand_motion

from handloom.reconstruction.anatomy import anatomy_of
from handloom.reconstruction.bones import CAPACITY, BoneLengths, BoneSampler
from handloom.skeleton import BODY, HAND, Skeleton

Array = NDArray[np.float64]
ANATOMY = anatomy_of(HAND)
BONES = len(HAND.bones)


def lengths_of(points: Array, skeleton: Skeleton = HAND) -> Array:
    a, b = anatomy_of(skeleton).pairs.T
    return np.asarray(np.linalg.norm(points[:, b] - points[:, a], axis=-1).mean(axis=0))


def estimate(
    truth: Array, noise: float, *, skeleton: Skeleton = HAND, metric: bool = True, missing: float = 0.0
) -> BoneLengths:
    random = np.random.default_rng(0)
    points = truth + random.normal(0, 1, truth.shape) * noise
    points[random.random(points.shape[:2]) < missing] = np.nan
    sampler = BoneSampler(anatomy_of(skeleton))
    sampler.add(points, np.broadcast_to(np.eye(3) * max(noise, 1e-6) ** 2, (*points.shape, 3)))
    return sampler.estimate(metric=metric)


def straight_hand(frames: int) -> Array:
    """Fingers held flat: the samples that say most."""
    anatomy = dict(zip(HAND.bones, ANATOMY.lengths_m, strict=False))
    points = np.zeros((len(HAND), 3))
    for (parent, child), length in anatomy.items():
        finger = HAND.index(child) - 1
        spread = 0.35 * (1 - finger // 4)
        direction = np.array([np.sin(spread), np.cos(spread), 0.0])
        points[HAND.index(child)] = points[HAND.index(parent)] + length * direction
    return np.repeat(points[None], frames, axis=0)


def test_lengths_come_out_of_noise() -> None:
    truth = straight_hand(600) * 1.15
    found = estimate(truth, 0.0015)
    assert np.allclose(found.lengths[:BONES] / lengths_of(truth)[:BONES], 1.0, atol=0.08)
    assert found.unit_m == 1.0


def test_lengths_of_a_moving_hand() -> None:
    truth = hand_motion(np.arange(900) / 30)
    found = estimate(truth, 0.001).lengths[:BONES]
    assert np.abs(found / lengths_of(truth)[:BONES] - 1).mean() < 0.06


def test_lengths_of_a_body() -> None:
    truth = body_motion(np.arange(300) / 30)
    found = estimate(truth, 0.01, skeleton=BODY)
    assert np.allclose(found.lengths / lengths_of(truth, BODY), 1.0, atol=0.08)


def test_missing_joints_are_passed_over() -> None:
    truth = straight_hand(600) * 1.1
    found = estimate(truth, 0.0015, missing=0.3)
    assert np.allclose(found.lengths[:BONES] / lengths_of(truth)[:BONES], 1.0, atol=0.08)


def test_without_samples_the_prior_stands() -> None:
    sampler = BoneSampler(ANATOMY)
    assert np.array_equal(sampler.estimate(metric=True).lengths, ANATOMY.lengths_m)
    sampler.add(np.full((5, 21, 3), np.nan), np.full((5, 21, 3, 3), np.nan))
    assert np.array_equal(sampler.estimate(metric=False).lengths, ANATOMY.lengths_m)


def test_a_bone_never_seen_follows_the_size_of_the_others() -> None:
    truth = straight_hand(300) * 1.2
    truth[:, HAND.index("little_tip")] = np.nan
    found = estimate(truth, 0.001)
    tip = ANATOMY.pairs[:, 1].tolist().index(HAND.index("little_tip"))
    assert found.lengths[tip] == pytest.approx(1.2 * ANATOMY.lengths_m[tip], rel=0.03)


def test_the_fewer_the_samples_the_closer_to_the_prior() -> None:
    def with_frames(frames: int) -> float:
        points = straight_hand(frames)
        tip = HAND.index("index_tip")
        points[:, tip] += 0.4 * (points[:, tip] - points[:, HAND.index("index_dip")])
        found = estimate(points, 0.002)
        bone = ANATOMY.pairs[:, 1].tolist().index(tip)
        return float(found.lengths[bone] / ANATOMY.lengths_m[bone])

    few, many = with_frames(1), with_frames(2000)
    assert many == pytest.approx(1.4, abs=0.06)
    assert few < 1.3


def test_curled_fingers_lean_to_the_prior() -> None:
    """Detectors shorten the bones of a curled finger: seen so alone, they say little."""
    frames = 300
    points = straight_hand(frames)
    chain = HAND.indices([f"index_{joint}" for joint in ("mcp", "pip", "dip", "tip")])
    along, out = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    for k, direction in enumerate((along, out, -along)):
        a, b = chain[k], chain[k + 1]
        length = ANATOMY.lengths_m[ANATOMY.pairs[:, 1].tolist().index(b)]
        points[:, b] = points[:, a] + 0.6 * length * direction
    found = estimate(points, 0.004)
    pip = ANATOMY.pairs[:, 1].tolist().index(chain[2])
    assert found.lengths[pip] / ANATOMY.lengths_m[pip] > 0.75


def test_straight_samples_outweigh_curled_ones() -> None:
    straight, curled = straight_hand(200), straight_hand(400)
    chain = HAND.indices([f"index_{joint}" for joint in ("mcp", "pip", "dip", "tip")])
    for k, direction in enumerate(np.array([[0, 1.0, 0], [0, 0, 1.0], [0, -1.0, 0]])):
        length = ANATOMY.lengths_m[ANATOMY.pairs[:, 1].tolist().index(chain[k + 1])]
        curled[:, chain[k + 1]] = curled[:, chain[k]] + 0.6 * length * direction
    found = estimate(np.concatenate([curled, straight]), 0.001)
    for joint in chain[1:]:
        bone = ANATOMY.pairs[:, 1].tolist().index(joint)
        assert found.lengths[bone] == pytest.approx(ANATOMY.lengths_m[bone], rel=0.08)


@pytest.mark.parametrize("metres_per_unit", [0.025, 0.001, 3.0])
def test_the_unit_of_a_rig_that_is_not_metric(metres_per_unit: float) -> None:
    truth = hand_motion(np.arange(300) / 30) / metres_per_unit
    found = estimate(truth, 0.001 / metres_per_unit, metric=False)
    assert found.unit_m == pytest.approx(metres_per_unit, rel=0.1)
    assert np.abs(found.lengths[:BONES] / lengths_of(truth)[:BONES] - 1).mean() < 0.06


def test_memory_is_constant_and_the_order_of_stretches_is_all_that_counts() -> None:
    truth = np.tile(hand_motion(np.arange(500) / 30), (20, 1, 1))
    truth += np.random.default_rng(0).normal(0, 0.001, truth.shape)
    covariance = np.broadcast_to(np.eye(3) * 1e-6, (*truth.shape, 3))
    results = []
    for size in (100, 173, 10_000):
        sampler = BoneSampler(ANATOMY)
        for start in range(0, len(truth), size):
            sampler.add(truth[start : start + size], covariance[start : start + size])
            assert len(sampler._lengths) <= CAPACITY
        results.append(sampler.estimate(metric=True).lengths)
    assert all(np.array_equal(results[0], other) for other in results[1:])
