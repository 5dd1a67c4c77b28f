"""Statistics that stream agree with those of the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from recordings import faulty_session
from synthetic import RIGHT_HAND, Scene

from handloom.view.measures import accelerations, extents_px, mean_present
from handloom.view.report import statistics
from handloom.view.report.statistics import Statistics
from handloom.view.report.streams import Curve, Distribution, Moments
from handloom.view.units import NO_BREAK, LengthUnit, number, percent

VALUES = arrays(np.float64, st.integers(1, 200), elements=st.floats(1e-3, 1e3))


@given(VALUES, st.integers(1, 50))
def test_moments_in_parts_equal_those_of_the_whole(values: np.ndarray, part: int) -> None:
    moments = Moments(1)
    for start in range(0, len(values), part):
        moments.add(values[start : start + part, None])
    assert moments.mean[0] == pytest.approx(values.mean())
    assert moments.deviation[0] == pytest.approx(values.std(), abs=1e-9 * values.max())


@given(VALUES)
def test_quantiles_of_a_distribution(values: np.ndarray) -> None:
    distribution = Distribution()
    distribution.add(values)
    exact = np.sort(values)
    assert distribution.count == len(values)
    assert distribution.mean == pytest.approx(values.mean())
    assert 0.98 * exact[0] <= distribution.quantile(0.5) <= 1.02 * exact[-1]
    assert distribution.histogram(np.array([0.0, 1e6])).sum() == pytest.approx(len(values))


def test_median_of_many_values_is_close() -> None:
    values = np.random.default_rng(0).rayleigh(3.0, 50_000)
    distribution = Distribution()
    distribution.add(values)
    assert distribution.quantile(0.5) == pytest.approx(np.median(values), rel=0.01)


@given(st.integers(1, 500), st.integers(1, 60), st.integers(1, 70))
def test_curve_does_not_depend_on_the_windows(length: int, points: int, part: int) -> None:
    values = np.sin(np.arange(length))
    whole, parts = Curve(length, points), Curve(length, points)
    whole.add(0, values)
    for start in range(0, length, part):
        parts.add(start, values[start : start + part])
    assert whole.values.shape[1] <= points
    np.testing.assert_allclose(parts.values, whole.values)


def test_windows_do_not_change_the_statistics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Scene.of(70, tracks=[RIGHT_HAND]).write(
        tmp_path / "session", noise_px=1.0, noise=0.002, missing=0.1
    )
    whole = Statistics.of(session).tracks[0]
    monkeypatch.setattr(statistics, "WINDOW_FRAMES", 16)
    parts = Statistics.of(session).tracks[0]
    assert parts.jitter.count == whole.jitter.count
    assert parts.jitter.rms == pytest.approx(whole.jitter.rms)
    assert parts.bone_variation == pytest.approx(whole.bone_variation)
    assert parts.residuals.quantile(0.9) == pytest.approx(whole.residuals.quantile(0.9))
    np.testing.assert_allclose(parts.jitter_curve.values, whole.jitter_curve.values)


def test_jitter_is_the_second_difference(tmp_path: Path) -> None:
    session = faulty_session(tmp_path / "session")
    gathered = Statistics.of(session).tracks[0]
    exact = np.linalg.norm(np.diff(session.positions(RIGHT_HAND), 2, axis=0), axis=-1)
    assert gathered.jitter.rms == pytest.approx(np.sqrt(np.mean(exact**2)))


def test_coverage_counts_what_a_view_misses(tmp_path: Path) -> None:
    gathered = Statistics.of(faulty_session(tmp_path / "session")).tracks[0]
    assert [view.frames_seen for view in gathered.views] == [60, 52, 60]
    assert gathered.coverage == 1.0


def test_acceleration_is_unknown_across_missing_frames() -> None:
    xyz = np.zeros((4, 1, 3))
    assert np.isnan(accelerations(xyz, np.array([0, 1, 3, 4]))).all()


def test_mean_of_nothing_is_nan_without_a_warning() -> None:
    assert np.isnan(mean_present(np.full((2, 3), np.nan), axis=1)).all()


def test_extent_of_a_single_point_is_not_known() -> None:
    points = np.full((3, 2), np.nan)
    points[0] = 5.0
    assert np.isnan(extents_px(points))
    points[1] = [8.0, 9.0]
    assert extents_px(points) == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("unit", "text"),
    [("m", "3.40 mm"), ("board-square", "0.00340 board squares"), ("unknown", "0.00340 units")],
)
def test_lengths_in_words(unit: str, text: str) -> None:
    assert LengthUnit.of(unit).text(0.0034).replace(NO_BREAK, " ") == text


def test_figures_are_never_rounded_to_perfection() -> None:
    assert percent(0.9999) == f"99.9{NO_BREAK}%"
    assert percent(1.0) == f"100{NO_BREAK}%"
    assert number(float("nan")) == "–"
    assert number(1234.5) == "1234"
