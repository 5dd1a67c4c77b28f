"""Where a body says its hands are."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.detection import Reading, Region, hands_of
from handloom.skeleton import BODY


def standing(confidence: float = 1.0) -> Reading:
    """A body whose right arm hangs and whose left arm points to the right of the picture."""
    xy = np.zeros((len(BODY), 2))
    for joint, place in {
        "right_wrist": (100, 300), "right_index": (104, 330), "right_little": (96, 330),
        "left_wrist": (300, 100), "left_index": (330, 96), "left_little": (330, 104),
    }.items():  # fmt: skip
        xy[BODY.index(joint)] = place
    return Reading(xy, np.full(len(BODY), confidence), 1.0, 0.5, Region(200, 200, 400))


def test_regions_lie_around_the_knuckles_with_fingers_upwards() -> None:
    left, right = hands_of(standing())
    for region, knuckle, angle in ((left, (330, 100), np.pi / 2), (right, (100, 330), -np.pi)):
        assert np.hypot(region.x - knuckle[0], region.y - knuckle[1]) < 0.5 * region.size
        assert np.abs(np.exp(1j * region.angle) - np.exp(1j * angle)) < 0.1
        assert region.size == pytest.approx(5.4 * 30, rel=0.05)


def test_a_hidden_wrist_hints_at_nothing() -> None:
    assert hands_of(standing(confidence=0.1)) == []
