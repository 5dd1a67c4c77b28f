"""Score maps: targets as published, places read back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handloom.detection.colorhandpose.scoremaps import (
    argmax,
    cells_of,
    gaussian_maps,
    peaks,
    pixels_of,
    resized,
    soft_argmax,
)

SIDE = 256


def test_maps_are_the_published_gaussians():
    (one,) = gaussian_maps([[100.0, 60.0]], [True], SIDE)
    assert one[60, 100] == 1.0
    assert one[60, 125] == pytest.approx(np.exp(-1.0))
    assert one[85, 125] == pytest.approx(np.exp(-2.0))


def test_maps_scale_with_the_crop():
    (large,) = gaussian_maps([[101.5, 61.5]], [True], 256, cells=32)
    (small,) = gaussian_maps([[50.5, 30.5]], [True], 128, cells=32)
    np.testing.assert_allclose(large, small, atol=1e-6)


@pytest.mark.parametrize("xy", [[300.0, 20.0], [-1.0, 5.0], [np.nan, np.nan]])
def test_a_joint_outside_the_crop_has_an_empty_map(xy):
    assert not gaussian_maps([xy], [True], SIDE).any()


def test_a_hidden_joint_has_an_empty_map():
    assert not gaussian_maps([[50.0, 50.0]], [False], SIDE).any()


@given(st.floats(30, 225), st.floats(30, 225), st.sampled_from([32, 64]))
def test_soft_argmax_finds_a_gaussian_between_cells(x, y, cells):
    maps = gaussian_maps([[x, y]], [True], SIDE, cells)
    np.testing.assert_allclose(soft_argmax(maps, SIDE), [[x, y]], atol=0.15)


@given(st.floats(10, 245), st.floats(10, 245))
def test_argmax_finds_a_gaussian_to_within_a_cell(x, y):
    maps = gaussian_maps([[x, y]], [True], SIDE, 32)
    np.testing.assert_allclose(argmax(maps, SIDE), [[x, y]], atol=4.6)


def test_soft_argmax_heeds_the_highest_of_two_peaks():
    high, low = gaussian_maps([[60.0, 60.0], [200.0, 190.0]], [True, True], SIDE, 32)
    np.testing.assert_allclose(soft_argmax((high + 0.8 * low)[None], SIDE), [[60.0, 60.0]], atol=0.3)


def test_a_map_without_positive_values_gives_its_greatest():
    maps = np.full((1, 32, 32), -2.0, np.float32)
    maps[0, 5, 9] = -1.0
    np.testing.assert_allclose(soft_argmax(maps, SIDE), [pixels_of([9, 5], 8)])


def test_cells_lie_in_the_middle_of_the_pixels_they_cover():
    assert pixels_of(0, 8) == 3.5
    assert pixels_of(31, 8) == 251.5
    assert cells_of(pixels_of(7.3, 4), 4) == pytest.approx(7.3)


def test_confidence_is_the_peak_and_stays_a_probability():
    maps = np.stack([np.full((4, 4), 0.3), np.full((4, 4), 7.0), np.full((4, 4), -1.0)]).astype(np.float32)
    np.testing.assert_allclose(peaks(maps), [0.3, 1.0, 0.0], rtol=1e-6)


def test_coarser_maps_are_means_of_finer_ones():
    maps = np.random.default_rng(0).random((3, 64, 64)).astype(np.float32)
    np.testing.assert_allclose(resized(maps, 32), maps.reshape(3, 32, 2, 32, 2).mean((2, 4)), atol=1e-6)
