"""The lifting network without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from handloom.errors import ModelError
from handloom.evaluation.alignment import procrustes_aligned
from handloom.evaluation.joints import distances, mean
from handloom.lifting import Lifter, load_lifter
from handloom.lifting.weights import read_weights
from handloom.synthesis.seen_hands import Errors, seen_hands

MIRROR = np.array([-1.0, 1.0, 1.0])


def _pa_mm(points: np.ndarray, truth: np.ndarray) -> float:
    return 1e3 * mean(distances(procrustes_aligned(points, truth), truth))


@pytest.mark.parametrize("side", ["right", "left"])
def test_hands_are_lifted(side: str) -> None:
    made = seen_hands(300, np.random.default_rng(0), Errors(joint=0.01, chain=0.01, convention=0.0))
    sign = 1.0 if side == "right" else -1.0
    lifted = load_lifter().lift(made.rays * [sign, 1.0], side)
    assert _pa_mm(lifted, made.xyz * [sign, 1.0, 1.0]) < 8.0
    # Not only the pose: the axes are those of a camera that looks straight at the hand, which it does here.
    assert 1e3 * mean(distances(lifted, made.xyz * [sign, 1.0, 1.0])) < 11.0


def test_the_wrong_side_is_worse() -> None:
    made = seen_hands(300, np.random.default_rng(0))
    right, wrong = (_pa_mm(load_lifter().lift(made.rays, side), made.xyz) for side in ("right", "left"))
    assert wrong > 1.5 * right


def test_sides_may_differ_from_hand_to_hand() -> None:
    rays = seen_hands(2, np.random.default_rng(0)).rays
    lifter = load_lifter()
    both = lifter.lift(rays, ["left", "right"])
    assert both[0] == pytest.approx(lifter.lift(rays[0], "left"), abs=1e-6)
    assert both[1] == pytest.approx(lifter.lift(rays[1], "right"), abs=1e-6)


def test_what_comes_along_is_small_and_says_how_it_was_made() -> None:
    lifter = load_lifter()
    assert lifter.metadata["seed"] == "0"
    assert lifter.metadata["network"] == "lifter"
    assert sum(W.nbytes + b.nbytes for W, b in lifter.layers) < 2_000_000


def test_another_networks_weights_are_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "other.safetensors"
    save_file({"enter.weight": np.zeros((3, 3), np.float32)}, path)
    with pytest.raises(ModelError, match="holds no lifting network"):
        Lifter.read(path)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{}")
    with pytest.raises(ModelError, match="no safetensors file"):
        read_weights(path)
    with pytest.raises(ModelError, match="There is no file"):
        read_weights(tmp_path / "missing.safetensors")
