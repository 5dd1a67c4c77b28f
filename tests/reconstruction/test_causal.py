"""Filters that know the past only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from synthetic import RIGHT_HAND, Scene

from handloom.reconstruction import CausalReconstructor, OneEuroFilter, Reconstructor, Sightings
from handloom.skeleton import HAND

Array = NDArray[np.float64]
FPS = 30.0
SCENE = Scene.of(150, tracks=[RIGHT_HAND])
TRUTH = SCENE.truth[RIGHT_HAND]


def sightings(noise_px: float = 3.0) -> Sightings:
    xy = SCENE.rig.project(TRUTH)
    xy = xy + np.random.default_rng(0).normal(0, 1, xy.shape) * noise_px
    return Sightings(xy, np.full(xy.shape[:-1], 0.95), np.full(xy.shape[:2], noise_px))


def causal() -> CausalReconstructor:
    return CausalReconstructor(Reconstructor(SCENE.rig, HAND, FPS))


def lag_of(found: Array) -> float:
    """Frames by which a motion comes late: the shift that brings it closest to the true one."""
    shifts = np.arange(-3, 4)
    inner = TRUTH[20:-5]
    misfit = np.array([((found[20 + s : len(found) - 5 + s] - inner) ** 2).sum() for s in shifts])
    best = int(np.clip(misfit.argmin(), 1, len(shifts) - 2))
    curvature, slope, _ = np.polyfit(shifts[best - 1 : best + 2], misfit[best - 1 : best + 2], 2)
    return float(-slope / (2 * curvature))


def test_the_future_changes_nothing() -> None:
    seen = sightings()
    changed = Sightings(seen.xy.copy(), seen.confidence, seen.sigma_px)
    changed.xy[:, 80:] += 50.0
    a, b = causal().solve(seen).keypoints, causal().solve(changed).keypoints
    assert np.array_equal(a.xyz[:80], b.xyz[:80])
    assert not np.array_equal(a.xyz[80:], b.xyz[80:])


def test_frame_by_frame_is_the_same_as_stretch_by_stretch() -> None:
    seen = sightings()
    one, other = causal(), causal()
    whole = one.solve(seen).keypoints.xyz
    parts = [other.solve(seen.frames(start, start + 50)).keypoints.xyz for start in (0, 50, 100)]
    assert np.array_equal(whole, np.concatenate(parts))


def test_closer_to_the_truth_than_each_frame_alone_with_little_lag() -> None:
    seen = sightings()
    found = causal().solve(seen).keypoints.xyz
    raw = Reconstructor(SCENE.rig, HAND, FPS).triangulate(seen)[2].points
    assert np.linalg.norm(found - TRUTH, axis=-1).mean() < np.linalg.norm(raw - TRUTH, axis=-1).mean()
    assert abs(lag_of(found)) < 0.5


def test_calmer_than_each_frame_alone() -> None:
    seen = sightings()
    found = causal().solve(seen).keypoints.xyz
    raw = Reconstructor(SCENE.rig, HAND, FPS).triangulate(seen)[2].points
    assert np.diff(found, n=2, axis=0).std() < 0.6 * np.diff(raw, n=2, axis=0).std()


def test_what_is_missing_stays_missing_and_starts_afresh() -> None:
    seen = sightings()
    seen.xy[:, 60:70] = np.nan
    seen.confidence[:, 60:70] = 0.0
    found = causal().solve(seen).keypoints
    assert np.isnan(found.xyz[60:70]).all()
    assert (found.views_used[60:70] == 0).all()
    assert np.isfinite(found.xyz[:60]).all()
    assert np.isfinite(found.xyz[70:]).all()
    raw = Reconstructor(SCENE.rig, HAND, FPS).triangulate(seen)[2].points
    assert np.array_equal(found.xyz[70], raw[70])


def test_a_joint_out_of_sight_does_not_unsettle_the_others() -> None:
    seen = sightings()
    seen.xy[:, :, 20] = np.nan
    seen.xy[:, 60:75, 8] = np.nan
    seen.confidence[np.isnan(seen.xy[..., 0])] = 0.0
    found = causal().solve(seen).keypoints.xyz
    raw = Reconstructor(SCENE.rig, HAND, FPS).triangulate(seen)[2].points
    assert np.array_equal(np.isnan(found), np.isnan(raw))
    assert np.diff(found[:, :8], n=2, axis=0).std() < 0.6 * np.diff(raw[:, :8], n=2, axis=0).std()
    # Back in sight, the joint is where it is seen.
    off = np.linalg.norm(found - TRUTH, axis=-1)
    raw_off = np.linalg.norm(raw - TRUTH, axis=-1)
    assert off[75:85, 8].mean() < 1.2 * raw_off[75:85, 8].mean()
    assert np.nanmean(off) < np.nanmean(raw_off)


times = st.floats(0.001, 1.0)


@settings(deadline=None)
@given(st.floats(-1e3, 1e3), st.lists(times, min_size=1, max_size=20))
def test_a_constant_signal_passes_unchanged(value: float, periods: list[float]) -> None:
    one_euro = OneEuroFilter()
    for time_s in np.cumsum(periods):
        assert one_euro.update(np.array([value]), float(time_s))[0] == pytest.approx(value, rel=1e-12)


def test_noise_is_calmed() -> None:
    noisy = np.random.default_rng(0).normal(0, 1e-3, (200, 5))
    one_euro = OneEuroFilter()
    calm = np.stack([one_euro.update(values, t / FPS) for t, values in enumerate(noisy)])
    assert calm[20:].std() < 0.6 * noisy[20:].std()


def test_a_fast_motion_is_followed() -> None:
    ramp = np.linspace(0, 3, 60)[:, None]
    slow, fast = OneEuroFilter(speed_gain=0.0), OneEuroFilter(speed_gain=20.0)
    behind = [
        abs(np.stack([f.update(v, t / FPS) for t, v in enumerate(ramp)])[-1] - ramp[-1])[0]
        for f in (slow, fast)
    ]
    assert behind[1] < 0.2 * behind[0]


def test_missing_values_stay_missing_and_start_afresh() -> None:
    one_euro = OneEuroFilter()
    signal = np.array([[1.0, 5.0], [1.0, np.nan], [1.0, np.nan], [1.0, 9.0], [1.0, 9.0]])
    found = np.stack([one_euro.update(values, t / FPS) for t, values in enumerate(signal)])
    assert np.array_equal(found, signal, equal_nan=True)


def test_missing_from_the_start() -> None:
    one_euro = OneEuroFilter()
    assert np.isnan(one_euro.update(np.array([np.nan]), 0.0)).all()
    assert one_euro.update(np.array([2.0]), 0.1)[0] == 2.0


@pytest.mark.parametrize("time_s", [1.0, 0.5])
def test_time_must_increase(time_s: float) -> None:
    one_euro = OneEuroFilter()
    one_euro.update(np.zeros(3), 1.0)
    with pytest.raises(ValueError, match="time must increase"):
        one_euro.update(np.zeros(3), time_s)


def test_a_buffer_may_be_used_again() -> None:
    signal = np.random.default_rng(0).normal(0, 1, (20, 4))
    buffer = np.empty(4)
    own, shared = OneEuroFilter(), OneEuroFilter()
    for t, values in enumerate(signal):
        buffer[:] = values
        assert np.array_equal(shared.update(buffer, t / FPS), own.update(values.copy(), t / FPS))
