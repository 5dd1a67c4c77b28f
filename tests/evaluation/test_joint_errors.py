"""Averages, PCK and AUC against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from handloom.evaluation.joints import auc, by_finger, distances, pck, summary


def test_distances_obey_the_mask() -> None:
    points, target = np.zeros((1, 2, 3)), np.array([[[3.0, 4.0, 0.0], [1.0, 0.0, 0.0]]])
    assert_allclose(distances(points, target, [[True, False]]), [[5.0, np.nan]])


def test_trap_7_per_joint_and_pooled_means_differ() -> None:
    errors = np.array([[1.0, 10.0], [1.0, np.nan], [1.0, np.nan]])
    found = summary(errors)
    assert found.mean == pytest.approx(5.5)
    assert found.pooled_mean == pytest.approx(13.0 / 4)
    assert found.count == 4


def test_trap_9_mean_and_median_differ() -> None:
    errors = np.array([[1.0], [1.0], [100.0]])
    assert summary(errors).mean == pytest.approx(34.0)
    assert summary(errors).median == pytest.approx(1.0)


def test_a_joint_without_samples_does_not_count() -> None:
    errors = np.array([[2.0, np.nan], [4.0, np.nan]])
    assert summary(errors).mean == pytest.approx(3.0)
    assert np.isnan(summary(np.full((2, 2), np.nan)).mean)


def test_trap_8_an_error_equal_to_the_threshold_counts() -> None:
    errors = np.array([[1.0], [2.0], [3.0], [np.nan]])
    assert_allclose(pck(errors, [0.5, 1.0, 2.5, 3.0]), [0.0, 1 / 3, 2 / 3, 1.0])


def test_trap_8_auc_is_divided_by_the_range() -> None:
    # Errors of 20 and 40 with thresholds 0, 10, … 50: curve 0 0 .5 .5 1 1, trapezoids 0 .25 .5 .75 1 over 5.
    thresholds = np.linspace(0, 50, 6)
    curve = pck(np.array([[20.0], [40.0]]), thresholds)
    assert_allclose(curve, [0, 0, 0.5, 0.5, 1, 1])
    assert auc(curve, thresholds) == pytest.approx(2.5 / 5)
    assert auc(np.ones(20), np.linspace(0.02, 0.05, 20)) == pytest.approx(1.0)


def test_trap_8_the_number_of_thresholds_matters() -> None:
    errors = np.random.default_rng(0).gamma(2.0, 6.0, (500, 21))
    areas = [auc(pck(errors, np.linspace(0, 50, n)), np.linspace(0, 50, n)) for n in (20, 100, 200)]
    assert abs(areas[0] - areas[1]) > 1e-5
    with pytest.raises(ValueError, match="increasing"):
        auc([1.0, 1.0], [2.0, 2.0])


def test_curves_may_be_averaged_before_or_after_the_area() -> None:
    errors = np.random.default_rng(1).gamma(2.0, 6.0, (100, 3))
    errors[:50, 2] = np.nan
    x = np.linspace(0, 50, 100)
    each = [auc(pck(errors[:, [j]], x), x) for j in range(3)]
    assert auc(pck(errors, x), x) == pytest.approx(np.mean(each))
    assert not np.allclose(pck(errors, x), pck(errors, x, pooled=True))


def test_pck_of_nothing_is_unknown() -> None:
    assert np.isnan(pck(np.full((3, 2), np.nan), [1.0, 2.0])).all()


def test_every_joint_belongs_to_the_wrist_or_a_finger() -> None:
    values = np.arange(21.0)
    groups = by_finger(values)
    assert list(groups) == ["wrist", "thumb", "index", "middle", "ring", "little"]
    assert groups["thumb"] == pytest.approx(2.5)
    assert groups["wrist"] == 0.0
