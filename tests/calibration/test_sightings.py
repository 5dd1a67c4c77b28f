"""The table of corners: one order whatever the input's, and views that add up to it."""

from __future__ import annotations

import numpy as np
import pytest
from plain_grid import PlainGrid

from handloom.calibration.sightings import Sightings, natural_order
from handloom.synthesis.board_scene import make_board_scene

BOARD = PlainGrid()


def empty() -> Sightings:
    return Sightings.build(BOARD, ("a", "b"), [(640, 480)] * 2, [0.0, 0.1], [], [], [], np.empty((0, 2)))


def test_cameras_come_in_natural_order_with_their_rows_and_sizes() -> None:
    s = Sightings.build(
        BOARD,
        ("cam10", "cam2"),
        [(100, 50), (640, 480)],
        [0.0],
        [0, 1],
        [0, 0],
        [3, 4],
        [(1.0, 2.0), (3.0, 4.0)],
    )
    assert s.cameras == ("cam2", "cam10")
    np.testing.assert_array_equal(s.image_sizes, [(640, 480), (100, 50)])
    np.testing.assert_array_equal(s.camera, [0, 1])
    np.testing.assert_array_equal(s.corner, [4, 3])
    assert natural_order("cam2") < natural_order("cam10")


def test_views_add_up_to_the_table() -> None:
    s = make_board_scene(BOARD, 3, 20).sightings
    assert sum(len(view.ids) for view in s.views) == len(s)
    for view in s.views:
        assert (s.camera[view.rows] == view.camera).all()
        assert (s.moment[view.rows] == view.moment).all()
        np.testing.assert_array_equal(s.pixels[view.rows], view.pixels)
    np.testing.assert_array_equal(s.counts.sum(), len(s))


def test_without_a_corner_there_is_no_view() -> None:
    assert len(empty()) == 0
    assert empty().views == ()
    assert empty().unpaired().times_s.shape == (0,)


def test_unpaired_views_share_no_moment() -> None:
    s = make_board_scene(BOARD, 3, 20).sightings
    alone = s.unpaired()
    assert len(alone.times_s) == len(s.views)
    assert ((alone.counts > 0).sum(axis=1) == 1).all()
    np.testing.assert_array_equal(alone.pixels, s.pixels)


def test_a_corner_listed_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        Sightings.build(BOARD, ("a",), [(9, 9)], [0.0], [0, 0], [0, 0], [1, 1], [(0, 0), (1, 1)])


@pytest.mark.parametrize("column", ["camera", "moment", "corner"])
def test_numbers_of_what_there_is_not_are_refused(column: str) -> None:
    numbers = {"camera": [0], "moment": [0], "corner": [0]}
    numbers[column] = [99]
    with pytest.raises(ValueError, match=column):
        Sightings.build(BOARD, ("a",), [(9, 9)], [0.0], *numbers.values(), [(0, 0)])
