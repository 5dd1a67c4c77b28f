"""The virtual camera that looks straight at something."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.cameras.facing import facing


def test_its_axis_lies_on_the_direction() -> None:
    directions = np.random.default_rng(0).normal([0.0, 0.0, 4.0], 1.0, (3, 5, 3))
    R = facing(directions)
    unit = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    assert R[..., 2] == pytest.approx(unit)
    assert R @ np.swapaxes(R, -1, -2) == pytest.approx(np.broadcast_to(np.eye(3), R.shape))
    assert np.linalg.det(R) == pytest.approx(np.ones((3, 5)))


def test_it_takes_the_shortest_turn() -> None:
    direction = np.array([0.3, -0.2, 1.0])
    axis = np.cross([0.0, 0.0, 1.0], direction)
    assert facing(direction) @ axis == pytest.approx(axis)
    assert facing([0.0, 0.0, 2.0]) == pytest.approx(np.eye(3))
