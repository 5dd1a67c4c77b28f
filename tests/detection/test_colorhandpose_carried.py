"""The weights that handloom carries: they are what their sums say, and they see made hands."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.datasets.sample import hand_pixels
from handloom.detection.colorhandpose import ColorHandPoseDetector, find_weights
from handloom.detection.colorhandpose.weights import NETWORKS
from handloom.evaluation.masks import mask_iou
from handloom.synthesis.pictures import Recipe, draw_sample

RECIPE = Recipe(image_size=(256, 256), hands={"one": 1.0})


@pytest.fixture(scope="module")
def samples():
    """Made pictures of one hand, whole and in the picture, of a seed that no training had."""
    found = []
    for index in range(40):
        (sample,) = draw_sample(RECIPE, 77_000, index)
        (hand,) = sample.hands
        if np.isfinite(hand.xy).all() and (hand.xy > 4).all() and (hand.xy < 251).all():
            found.append((sample.image, hand.xy, hand_pixels(sample.parts)))
    return found[:12]


@pytest.fixture(scope="module")
def detector():
    return ColorHandPoseDetector()


def test_all_networks_are_carried_and_unchanged():
    weights = find_weights()
    assert set(weights.sha256) == set(NETWORKS)
    assert weights.lifts


def test_hands_are_found_where_they_are(detector, samples):
    hits = 0
    for image, xy, _ in samples:
        centre = xy.mean(axis=0)
        regions = detector.find(image)[:1]
        hits += any(abs(r.x - centre[0]) < r.size / 2 and abs(r.y - centre[1]) < r.size / 2 for r in regions)
    assert hits >= 0.7 * len(samples)


def test_found_regions_are_those_in_which_hands_are_read_again(detector, samples):
    """Upright and around the joints, since they were seen on the way."""
    hits = 0
    for image, xy, _ in samples:
        aim = detector.region_of(xy)
        for region in detector.find(image)[:1]:
            turn = np.angle(np.exp(1j * (region.angle - aim.angle)))
            away = np.hypot(region.x - aim.x, region.y - aim.y) + abs(region.size - aim.size)
            hits += abs(turn) < 0.6 and away < 0.4 * aim.size
    assert hits >= 0.6 * len(samples)


def test_masks_are_the_hands(detector, samples):
    ious = [mask_iou(detector.mask(image), true) for image, _, true in samples]
    assert np.median(ious) > 0.75


def test_joints_are_read_near_where_they_are(detector, samples):
    """In widths of the hand's box: an untrained network is a quarter of one off."""
    off = [
        np.linalg.norm(detector.read(image, detector.region_of(xy)).xy - xy, axis=1).mean()
        / np.ptp(xy, axis=0).max()
        for image, xy, _ in samples
    ]
    assert np.median(off) < 0.12


def test_a_reading_has_joints_in_space_of_a_hands_size(detector, samples):
    image, xy, _ = samples[0]
    world = detector.read(image, detector.region_of(xy)).world
    assert 0.12 < np.linalg.norm(world[12] - world[0]) + 0.08 < 0.35


def test_nothing_is_no_hand(detector):
    grey = np.full((240, 320, 3), 120, np.uint8)
    assert detector.find(grey) == []
