"""Decoding a single-shot detector, on outputs made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from handloom.detection.bodies import PERSON_GRIDS
from handloom.detection.hands import PALM_GRIDS
from handloom.detection.single_shot import anchor_centres, decode

SIDE = 192
KEYPOINTS = 7


def outputs(anchors: NDArray, planted: list[tuple[int, NDArray, float]]) -> tuple[NDArray, NDArray]:
    """Raw outputs with these points (centre, extent, keypoints in [0, 1]) and this logit at some anchors."""
    values = np.random.default_rng(0).normal(0, 5, (len(anchors), 4 + 2 * KEYPOINTS)).astype(np.float32)
    logits = np.full(len(anchors), -20.0, np.float32)
    for anchor, points, logit in planted:
        offsets = points - anchors[anchor]
        offsets[1] = points[1]
        values[anchor] = (offsets * SIDE).ravel()
        logits[anchor] = logit
    return values, logits


def box(x: float, y: float, width: float, height: float) -> NDArray:
    keypoints = np.array([x, y]) + np.linspace(-0.05, 0.05, 2 * KEYPOINTS).reshape(KEYPOINTS, 2)
    return np.concatenate([[[x, y], [width, height]], keypoints])


@pytest.fixture(scope="module")
def anchors() -> NDArray:
    return anchor_centres(PALM_GRIDS)


def test_number_of_anchors(anchors: NDArray) -> None:
    assert anchors.shape == (2016, 2)
    assert anchor_centres(PERSON_GRIDS).shape == (2254, 2)


def test_anchors_are_stored_row_by_row(anchors: NDArray) -> None:
    assert np.allclose(anchors[:3], [[0.5 / 24, 0.5 / 24]] * 2 + [[1.5 / 24, 0.5 / 24]])
    assert np.allclose(anchors[48], (0.5 / 24, 1.5 / 24))
    assert np.allclose(anchors[2 * 24 * 24 : 2 * 24 * 24 + 6], 0.5 / 12)
    assert ((anchors > 0) & (anchors < 1)).all()


def test_planted_boxes_come_back_best_first(anchors: NDArray) -> None:
    weak, strong = box(0.2, 0.3, 0.1, 0.2), box(0.7, 0.6, 0.3, 0.25)
    found = decode(*outputs(anchors, [(40, weak, 1.0), (1500, strong, 3.0)]), anchors, SIDE, threshold=0.5)
    assert [b.score for b in found] == pytest.approx([1 / (1 + np.exp(-3.0)), 1 / (1 + np.exp(-1.0))])
    for planted, decoded in zip((strong, weak), found, strict=True):
        assert np.allclose(decoded.centre, planted[0], atol=1e-5)
        assert np.allclose(decoded.extent, planted[1], atol=1e-5)
        assert np.allclose(decoded.keypoints, planted[2:], atol=1e-5)


def test_overlapping_boxes_are_blended_by_score(anchors: NDArray) -> None:
    a, b = box(0.50, 0.5, 0.20, 0.2), box(0.52, 0.5, 0.24, 0.2)
    (found,) = decode(*outputs(anchors, [(100, a, 2.0), (101, b, 0.5)]), anchors, SIDE, threshold=0.5)
    scores = 1 / (1 + np.exp(-np.array([2.0, 0.5])))
    share = scores / scores.sum()
    assert found.score == pytest.approx(scores[0])
    assert np.allclose(found.keypoints, share[0] * a[2:] + share[1] * b[2:], atol=1e-5)
    assert found.centre[0] == pytest.approx(share[0] * 0.50 + share[1] * 0.52, abs=1e-5)
    assert found.extent[0] == pytest.approx(share[0] * 0.20 + share[1] * 0.24, abs=1e-5)


def test_boxes_side_by_side_stay_two(anchors: NDArray) -> None:
    a, b = box(0.4, 0.5, 0.2, 0.2), box(0.55, 0.5, 0.2, 0.2)
    assert len(decode(*outputs(anchors, [(3, a, 2.0), (9, b, 2.0)]), anchors, SIDE, threshold=0.5)) == 2


def test_nothing_above_the_threshold_is_nothing(anchors: NDArray) -> None:
    assert decode(*outputs(anchors, []), anchors, SIDE, threshold=0.5) == []
    sure = outputs(anchors, [(5, box(0.5, 0.5, 0.1, 0.1), 0.1)])
    assert decode(*sure, anchors, SIDE, threshold=0.6) == []


def test_extreme_logits_do_not_overflow(anchors: NDArray) -> None:
    values, logits = outputs(anchors, [(5, box(0.5, 0.5, 0.1, 0.1), 5e4)])
    logits[6:] = -5e4
    (found,) = decode(values, logits, anchors, SIDE, threshold=0.5)
    assert found.score == pytest.approx(1.0)


def test_box_without_area_does_not_divide_by_zero(anchors: NDArray) -> None:
    flat = box(0.5, 0.5, 0.0, 0.0)
    found = decode(*outputs(anchors, [(5, flat, 2.0), (7, flat, 1.0)]), anchors, SIDE, threshold=0.5)
    assert len(found) in (1, 2)
    assert all(np.isfinite(b.keypoints).all() for b in found)
