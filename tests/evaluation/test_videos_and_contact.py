"""What an evaluation says of hands that move and of hands that touch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_hands import made, noisy

from handloom.evaluation import Hands, evaluate
from handloom.evaluation.contact import DEPTH, VOLUME, contact
from handloom.evaluation.errors import ACCELERATION
from handloom.evaluation.motion import acceleration_error, following
from handloom.hand import load_open_hand

COUNT = 12


def _video(step: int = 1) -> Hands:
    """One hand, smoothly bent and turned over twelve frames of a video that begins at frame 40."""
    hands = made(1, seed=3)
    t = np.arange(COUNT)[:, None, None] / COUNT
    xyz = hands.xyz * (1.0 + 0.3 * np.sin(4.0 * t) * [1.0, 0.4, 0.1])
    xy = 480.0 * xyz[..., :2] / xyz[..., 2:] + 112.0
    frames = tuple(("walk", 40 + step * n) for n in range(COUNT))
    keys = tuple(f"{n:05d}" for n in range(COUNT))
    return Hands(keys, ("right",) * COUNT, xyz, xy, np.ones((COUNT, 21), bool), frames=frames)


def _of_root(hands: Hands) -> np.ndarray:
    return (hands.xyz - hands.xyz[:, :1])[:, 1:]


@pytest.mark.parametrize("step", [1, 3])
def test_acceleration_of_a_video_is_that_of_its_joints_about_the_root(step: int) -> None:
    truth = _video(step)
    guess = noisy(truth)
    order = np.random.default_rng(1).permutation(COUNT)
    result = evaluate("ho3d", guess, truth.take(order))
    expected = 1000.0 * acceleration_error(_of_root(guess), _of_root(truth))
    assert result.figures[ACCELERATION] == pytest.approx(expected)
    assert result.found[ACCELERATION] == pytest.approx(expected)
    # A hand that never moves is wrong by the true acceleration.
    still = 1000.0 * acceleration_error(np.zeros((COUNT, 20, 3)), _of_root(truth))
    assert result.baselines["zero"][ACCELERATION] == pytest.approx(still)
    assert evaluate("ho3d", truth, truth).figures[ACCELERATION] == pytest.approx(0.0, abs=1e-9)


def test_frame_that_was_not_found_is_no_jump() -> None:
    truth = _video()
    seen = [n for n in range(COUNT) if n != 5]
    result = evaluate("ho3d", truth.take(seen), truth)
    assert result.figures[ACCELERATION] == pytest.approx(0.0, abs=1e-9)
    assert result.figures["MPJPE, mm"] > 1.0


def test_pictures_that_do_not_follow_each_other_have_no_acceleration() -> None:
    truth = _video()
    for frames in ((), tuple((f"video {n}", 0) for n in range(COUNT))):
        assert ACCELERATION not in evaluate("ho3d", truth, replace(truth, frames=frames)).figures


def test_rows_follow_within_a_video_and_a_side() -> None:
    truth = _video()
    truth = replace(truth, sides=("left", *truth.sides[1:]), frames=(*truth.frames[:-1], ("run", 51)))
    before, here, after = following(truth)
    assert here.tolist() == list(range(2, COUNT - 2))
    assert (here - before == 1).all()
    assert (after - here == 1).all()


def test_two_hands_of_one_side_in_a_picture_are_not_mistaken_for_each_other() -> None:
    truth = _video()
    frames = (*truth.frames[:6], ("walk", 45), *truth.frames[7:])
    _, here, _ = following(replace(truth, frames=frames))
    # Frames 45 (twice) and 46 (now missing) are out.
    assert here.tolist() == [1, 2, 3, 8, 9, 10]


def _pairs(apart: float, count: int = 2) -> Hands:
    """The two hands of each picture, one like the other's mirror image, their wrists ``apart``."""
    rows = []
    for side, shift in (("left", 0.0), ("right", apart)):
        model = load_open_hand(side)
        T = np.eye(4)
        T[:3, 3] = [shift, 0.0, 0.6]
        rows.append(model.pose(np.zeros((15, 3)), np.zeros(model.shape_count), T))
    xyz = np.stack([posed.keypoints for posed in rows] * count)
    return Hands(
        tuple(f"{n // 2}" for n in range(2 * count)),
        ("left", "right") * count,
        xyz,
        480.0 * xyz[..., :2] / xyz[..., 2:] + 112.0,
        np.ones((2 * count, 21), bool),
        np.stack([posed.vertices for posed in rows] * count),
        faces={side: load_open_hand(side).faces for side in ("left", "right")},
    )


def test_hands_in_each_other_are_measured_beside_the_true_ones() -> None:
    truth, guess = _pairs(0.3), _pairs(0.01)
    result = evaluate("interhand", guess, truth)
    assert result.figures[DEPTH] > 5.0
    assert 20.0 < result.figures[VOLUME] < 500.0
    assert result.found[DEPTH] == result.figures[DEPTH]
    assert any("of 2 of the 2 pictures" in note and "run 0.0 mm" in note for note in result.notes)
    other = evaluate("interhand", truth, guess)
    assert other.figures[DEPTH] == other.figures[VOLUME] == 0.0


@pytest.mark.parametrize("without", ["faces", "vertices", "one hand", "the same mesh"])
def test_contact_cannot_be_measured(without: str) -> None:
    truth = guess = _pairs(0.01)
    if without == "faces":
        truth = replace(truth, faces={"left": truth.faces["left"]})
    elif without == "vertices":
        guess = replace(guess, vertices=None)
    elif without == "one hand":
        guess = guess.take([0, -1, 2, -1])
    else:
        guess = replace(guess, vertices=guess.vertices[:, 1:])
    assert contact(guess, truth) == ({}, [])
