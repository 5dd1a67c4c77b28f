"""Observations as arrays."""

from __future__ import annotations

import numpy as np

from handloom.detection import Reading, Region
from handloom.reconstruction import Observation, ObservationTable
from handloom.skeleton import HAND


def seen(target: int, view: int, value: float) -> Observation:
    region = Region(0.0, 0.0, 10.0 * value)
    return Observation(target, view, Reading(np.full((21, 2), value), np.full(21, 0.9), 0.9, 0.8, region))


FRAMES = [
    (0, []),
    (1, [seen(0, 0, 1.0), seen(0, 1, 2.0)]),
    (2, [seen(0, 0, 3.0), seen(1, 1, 4.0)]),
    (3, [seen(0, 0, 5.0), seen(1, 0, 6.0)]),
]


def test_targets_of_a_track_become_dense_arrays_the_preferred_first() -> None:
    table = ObservationTable.of(FRAMES, HAND)
    dense = table.sightings([0, 1], 0, 4, views=2, noise=0.01)
    expected = np.array([[np.nan, 1, 3, 5], [np.nan, 2, 4, np.nan]])
    assert np.array_equal(dense.xy[:, :, 0, 0], expected, equal_nan=True)
    assert np.array_equal(dense.confidence[..., 5], np.where(np.isfinite(expected), 0.9, 0.0))
    assert np.array_equal(np.isnan(dense.sigma_px), np.isnan(expected))
    assert (np.diff(dense.sigma_px[0, 1:]) > 0).all()
    assert table.sightings([1, 0], 0, 4, 2, 0.01).xy[0, 3, 0, 0] == 6.0
    assert np.isnan(table.sightings([1], 0, 2, 2, 0.01).xy).all()


def test_a_range_of_frames() -> None:
    table = ObservationTable.of(FRAMES, HAND)
    assert table.frames(2, 3).xy[:, 0, 0].tolist() == [3.0, 4.0]
    assert len(table.frames(7, 9).frame) == 0
    part = table.sightings([0], 1, 3, 2, 0.01)
    assert part.xy.shape == (2, 2, 21, 2)
    assert part.frames(1, 2).xy[0, 0, 0, 0] == 3.0


def test_arrays_and_back() -> None:
    table = ObservationTable.of(FRAMES, HAND)
    back = ObservationTable.from_arrays(table.to_arrays("hand"), "hand")
    assert all(np.array_equal(value, getattr(back, name)) for name, value in vars(table).items())
    twice = ObservationTable.concatenated([table, table])
    assert len(twice.frame) == 2 * len(table.frame)


def test_without_observations_the_shapes_hold() -> None:
    empty = ObservationTable.of([(0, []), (1, [])], HAND)
    assert empty.xy.shape == (0, 21, 2)
    assert np.isnan(empty.sightings([0], 0, 2, 3, 0.01).xy).all()
