"""Rotated squares and the crops taken from them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handloom.detection.regions import Region, letterbox, upright_angle, wrap_angle

coordinate = st.floats(-2000, 2000)
regions = st.builds(Region, coordinate, coordinate, st.floats(1, 1000), st.floats(-7, 7))


@settings(deadline=None)
@given(regions, st.integers(16, 300))
def test_crop_corners_lie_where_the_square_is(region: Region, side: int) -> None:
    affine = region.to_image(side)
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]]) @ affine[:, :2].T + affine[:, 2]
    assert np.allclose(corners.mean(axis=0), (region.x, region.y), atol=1e-6)
    edges = np.roll(corners, -1, axis=0) - corners
    assert np.allclose(np.linalg.norm(edges, axis=1), region.size)
    assert np.allclose(edges[0] / region.size, (np.cos(region.angle), np.sin(region.angle)), atol=1e-6)


@pytest.mark.parametrize("angle", [0.0, 0.4, -1.2, np.pi / 2, 3.0])
def test_what_a_crop_shows_is_mapped_back_to_where_it_was(angle: float) -> None:
    spots = np.array([[150.0, 120.0], [190.0, 140.0], [170.0, 165.0]])
    region = Region(168.3, 139.6, 120.0, angle)
    affine = region.to_image(224)
    for spot in spots:
        x, y = np.meshgrid(np.arange(320.0), np.arange(240.0))
        blob = 255 * np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / (2 * 3.0**2))
        crop = region.crop(np.repeat(blob[..., None], 3, axis=2).astype(np.uint8), 224)[..., 0].astype(float)
        v, u = np.mgrid[:224, :224]
        centre = np.array([(u * crop).sum(), (v * crop).sum()]) / crop.sum()
        assert np.allclose(centre @ affine[:, :2].T + affine[:, 2], spot, atol=0.1)


def test_outside_the_picture_the_border_repeats_or_is_black() -> None:
    image = np.full((40, 40, 3), 200, np.uint8)
    region = Region(0.0, 20.0, 20.0)
    assert (region.crop(image, 32) == 200).all()
    black = region.crop(image, 32, replicate=False)
    assert (black[:, :14] == 0).all()
    assert (black[:, 18:] == 200).all()


def test_an_upright_region_of_its_own_size_is_a_slice() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    assert np.array_equal(Region(32.0, 32.0, 32.0).crop(image, 32), image[16:48, 16:48])


@settings(deadline=None)
@given(regions, regions)
def test_overlap_is_a_symmetric_share(a: Region, b: Region) -> None:
    assert 0.0 <= a.overlap(b) <= 1.0 + 1e-9
    assert a.overlap(b) == pytest.approx(b.overlap(a))
    assert a.overlap(a) == pytest.approx(1.0)


def test_overlap_of_shifted_squares() -> None:
    assert Region(0, 0, 2).overlap(Region(1, 0, 2)) == pytest.approx(1 / 3)
    assert Region(0, 0, 2).overlap(Region(2, 0, 2)) == 0.0
    assert Region(0, 0, 2).overlap(Region(0, 0, 2, np.pi / 4)) == pytest.approx(0.5)


@settings(deadline=None)
@given(st.floats(-50, 50))
def test_wrapping_keeps_the_direction(angle: float) -> None:
    wrapped = wrap_angle(angle)
    assert -np.pi <= wrapped <= np.pi
    assert np.cos(wrapped) == pytest.approx(np.cos(angle), abs=1e-9)
    assert np.sin(wrapped) == pytest.approx(np.sin(angle), abs=1e-9)


@settings(deadline=None)
@given(coordinate, coordinate, st.floats(-np.pi, np.pi), st.floats(1, 500))
def test_upright_angle_turns_the_direction_upwards(x: float, y: float, heading: float, length: float) -> None:
    origin = np.array([x, y])
    tip = origin + length * np.array([np.cos(heading), np.sin(heading)])
    affine = Region(x, y, 100.0, upright_angle(origin, tip)).to_image(100)
    in_crop = np.linalg.solve(affine[:, :2], np.stack([origin, tip], axis=1) - affine[:, 2:])
    direction = in_crop[:, 1] - in_crop[:, 0]
    assert np.allclose(direction, (0.0, -length), atol=1e-6)


def test_letterbox_holds_the_whole_picture() -> None:
    frame = letterbox((640, 480))
    assert (frame.x, frame.y, frame.size, frame.angle) == (320.0, 240.0, 640.0, 0.0)
    image = np.full((480, 640, 3), 255, np.uint8)
    crop = frame.crop(image, 192, replicate=False)
    rows = np.flatnonzero((crop == 255).all(axis=(1, 2)))
    assert (rows[0], rows[-1]) == (24, 167)
    assert cv2.mean(crop[:20])[0] == 0


def test_inside_means_the_centre() -> None:
    assert Region(0.0, 0.0, 50.0).inside((10, 10))
    assert not Region(10.0, 5.0, 50.0).inside((10, 10))
    assert not Region(-0.1, 5.0, 50.0).inside((10, 10))
