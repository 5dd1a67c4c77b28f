"""Crops: points, camera and joints in space follow the pixels, and the paper's rule is kept."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the learning rooms need torch: pip install 'handloom[learn]'")

from hypothesis import given, settings
from hypothesis import strategies as st
from made_samples import made_sample

from handloom.detection.regions import Region
from handloom.skeleton import HAND
from handloom.training.crop_batches import plain_crop
from handloom.training.crops import (
    Scatter,
    View,
    box_region,
    paper_region,
    scattered,
    seen_in,
)
from handloom.training.examples import Cut, examples_of

SCATTER = Scatter(rotation_deg=180.0, scale=(1 / 1.5, 1.5), shift=0.2, mirror=0.5)


def projected(K, xyz):
    points = xyz @ K.T
    return points[:, :2] / points[:, 2:]


@given(seed=st.integers(0, 10_000), side=st.sampled_from(["left", "right"]))
@settings(max_examples=40, deadline=None)
def test_joints_in_space_project_to_where_the_crop_shows_them(seed, side) -> None:
    rng = np.random.default_rng(seed)
    sample = made_sample(seed % 7, (side,))
    xyz, K = sample.hands[0].xyz, np.array(sample.camera.K)
    K[0, 1] = rng.normal(0, 3.0)  # a skewed sensor too
    xy = projected(K, xyz)
    view = scattered(box_region(xy, 1.4), 128, SCATTER, rng)
    K_crop, xyz_crop = seen_in(view, K, xyz)
    np.testing.assert_allclose(projected(K_crop, xyz_crop), view.pixels(xy), atol=1e-8)
    assert K_crop[1, 0] == pytest.approx(0.0, abs=1e-9)
    assert K_crop[0, 0] > 0
    assert K_crop[1, 1] > 0
    np.testing.assert_allclose(xyz_crop[:, 2], xyz[:, 2], atol=1e-12)
    lengths = [np.linalg.norm(points - points[0], axis=1) for points in (xyz, xyz_crop)]
    np.testing.assert_allclose(lengths[0], lengths[1], atol=1e-12)


def test_a_mirrored_crop_shows_the_other_hand() -> None:
    sample = made_sample(1)
    region = box_region(sample.hands[0].xy, 1.4)
    plain, mirrored = View(region, 64), View(region, 64, True)
    assert (plain.side("right"), mirrored.side("right"), mirrored.side("unknown")) == (
        "right",
        "left",
        "unknown",
    )
    xy = sample.hands[0].xy
    np.testing.assert_allclose(mirrored.pixels(xy)[:, 0], 64 - plain.pixels(xy)[:, 0])
    K = sample.camera.K
    a, b = (seen_in(view, K, sample.hands[0].xyz)[1] for view in (plain, mirrored))
    np.testing.assert_allclose(a * [-1, 1, 1], b)


def test_without_intrinsics_there_are_no_joints_in_space() -> None:
    K, xyz = seen_in(View(Region(5, 5, 10), 32), np.full((3, 3), np.nan), np.zeros((21, 3)))
    assert np.isnan(K).all()
    assert np.isnan(xyz).all()


def test_pixels_and_points_of_a_crop_agree() -> None:
    """A dot drawn at a joint is at that joint in the crop, in the example it is cut from, however small."""
    sample = made_sample(2, size=192)
    sample.image[:] = 0
    joint = HAND.index("index_tip")
    x, y = np.round(sample.hands[0].xy[joint]).astype(int)
    sample.hands[0].xy[joint] = x, y
    sample.image[y - 3 : y + 4, x - 3 : x + 4] = 255
    for size in (192, 80):
        (example,) = examples_of(sample, Cut("hand", size, margin=2.2))
        for rng in map(np.random.default_rng, range(5)):
            view = scattered(box_region(example.xy, 1.4), 96, Scatter(180.0, (0.8, 1.3), 0.05, 0.5), rng)
            crop = plain_crop(example, view)
            light = crop.image[..., 0].astype(float)
            rows, columns = np.mgrid[:96, :96]
            centre = np.array([(columns * light).sum(), (rows * light).sum()]) / light.sum()
            np.testing.assert_allclose(centre, crop.xy[joint], atol=0.3)


def test_the_papers_crop_is_around_the_middle_knuckle() -> None:
    xy = np.full((21, 2), np.nan)
    xy[HAND.index("middle_mcp")] = 100, 120
    xy[HAND.index("middle_tip")] = 100, 60
    region = paper_region(xy, np.ones(21, bool), (320, 320))
    # The farthest visible joint is 60 px away, so 120 px are enlarged to 256.
    assert (region.x, region.y, region.size) == (100, 120, pytest.approx(120))


@pytest.mark.parametrize(("distance", "size"), [(10, 50), (140, 256), (300, 256)])
def test_the_papers_crop_has_limits(distance, size) -> None:
    xy = np.full((21, 2), np.nan)
    xy[HAND.index("middle_mcp")] = 10, 10
    xy[HAND.index("middle_tip")] = 10 + distance, 10
    assert paper_region(xy, np.ones(21, bool), (640, 480)).size == pytest.approx(size)


def test_joints_that_are_hidden_do_not_widen_the_papers_crop() -> None:
    xy = made_sample(0).hands[0].xy
    visible = np.zeros(21, bool)
    assert paper_region(xy, visible, (320, 320)).size == 200
