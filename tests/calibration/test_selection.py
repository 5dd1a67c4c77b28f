"""Automatic choice of pictures, and coverage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lens_scenes import camera, hold_board

from handloom.calibration.boards import parse_board
from handloom.calibration.lenses.selection import CELLS, coverage, select_views
from handloom.calibration.sightings import Sightings

BOARD = parse_board("chessboard:9x6:25mm")
LENS = camera(900.0, (-0.2, 0.05, 0.001, -0.0005, 0.0))


def test_selected_views_cover_more_than_the_first_ones() -> None:
    seen = hold_board(LENS, BOARD, 120, near_m=0.5, far_m=1.5, outliers=0.0).sightings
    order = np.argsort(np.linalg.norm([v.pixels.mean(axis=0) for v in seen.views], axis=-1))
    drift = replace(seen, moment=np.argsort(order)[seen.moment].astype(np.int32))  # from one corner outwards
    drift = Sightings.build(
        BOARD,
        seen.cameras,
        seen.image_sizes,
        seen.times_s,
        drift.camera,
        drift.moment,
        drift.corner,
        seen.pixels,
    )
    chosen = select_views(drift, 0, 15)
    assert len(chosen) == 15
    assert (np.diff(chosen) > 0).all()
    best = coverage(drift.at_moments(chosen), 0)
    first = coverage(drift.at_moments(np.arange(15)), 0)
    assert best.cells_share > first.cells_share + 0.2
    assert best.cells_share > 0.9 * coverage(drift, 0).cells_share


def test_board_that_hardly_moved_is_taken_once() -> None:
    still = hold_board(LENS, BOARD, 1, outliers=0.0).sightings
    repeated = Sightings.build(
        BOARD,
        still.cameras,
        still.image_sizes,
        np.arange(30) / 30,
        np.tile(still.camera, 30),
        np.repeat(np.arange(30), len(still)),
        np.tile(still.corner, 30),
        np.tile(still.pixels, (30, 1)) + np.random.default_rng(0).normal(0, 0.1, (30 * len(still), 2)),
    )
    assert len(select_views(repeated, 0, 20)) == 1


def test_blurred_pictures_are_passed_over() -> None:
    seen = hold_board(LENS, BOARD, 60, outliers=0.0).sightings
    blur = np.ones((60, 1))
    blur[::2] = 20.0
    chosen = select_views(replace(seen, blur_px=blur), 0, 15)
    assert (chosen % 2 == 1).mean() > 0.8


def test_camera_that_saw_nothing_has_no_views_and_no_coverage() -> None:
    seen = hold_board(LENS, BOARD, 3).sightings
    nothing = seen.where(np.zeros(len(seen), dtype=bool))
    assert len(select_views(nothing, 0)) == 0
    assert coverage(nothing, 0).cells_share == 0.0


def test_coverage_measures_image_tilt_and_depth() -> None:
    wide = hold_board(LENS, BOARD, 60)
    seen = coverage(wide.sightings, 0, wide.T_world_board, ~wide.outlier)
    assert seen.corners.shape == CELLS[::-1]
    assert seen.corners.sum() == (~wide.outlier).sum()
    assert seen.cells_share > 0.8
    assert seen.reach > 0.6
    assert seen.tilt_deg[1] > 30.0
    assert seen.tilt_spread_deg > 15.0
    assert seen.depth_ratio > 2.0

    flat = hold_board(LENS, BOARD, 30, near_m=2.5, far_m=3.0, reach=0.15, tilt=0.0)
    centre = coverage(flat.sightings, 0, flat.T_world_board)
    assert centre.cells_share < 0.2
    assert centre.reach < 0.3
    assert centre.tilt_deg == pytest.approx((0.0, 0.0), abs=1e-6)
    assert centre.tilt_spread_deg == pytest.approx(0.0, abs=1e-6)
    assert centre.depth_ratio == pytest.approx(coverage(flat.sightings, 0).depth_ratio, rel=0.05)
