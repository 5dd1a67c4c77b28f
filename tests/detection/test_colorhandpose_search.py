"""Looking closer: which squares, which components count, and what is one hand."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.detection import Region
from handloom.detection.colorhandpose.crop import MaskedHand
from handloom.detection.colorhandpose.search import Candidate, closer, distinct, uncut
from handloom.detection.regions import letterbox

SIZE = (640, 480)
EVERYWHERE = np.ones((64, 64), np.float32)


def hand(left: float, top: float, right: float, bottom: float) -> MaskedHand:
    return MaskedHand(np.array([left, top, right, bottom], float), 1.0, 0.01)


def within(box: np.ndarray, square: Region) -> bool:
    half = square.size / 2
    low, high = np.array([square.x, square.y]) - half, np.array([square.x, square.y]) + half
    return bool((box[:2] >= low).all() and (box[2:] <= high).all())


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (1920, 800), (500, 500)])
def test_a_small_hand_is_whole_in_a_square_wherever_it_is(size):
    squares = closer(size, 100, EVERYWHERE, letterbox(size))
    side = max(size) / 4
    rng = np.random.default_rng(0)
    for _ in range(200):
        corner = rng.uniform(0, 1, 2) * (np.array(size) - side)
        assert any(within(np.concatenate([corner, corner + side]), square) for square in squares)


def test_only_what_may_show_a_hand_is_looked_at():
    nowhere = np.zeros((64, 64), np.float32)
    assert closer(SIZE, 100, nowhere, letterbox(SIZE)) == []
    corner = nowhere.copy()
    corner[10, 2] = 0.4  # 25 px from the left, 25 px below the top of the picture
    (square,) = closer(SIZE, 100, corner, letterbox(SIZE))
    assert (square.x, square.y, square.size) == (160, 160, 320)


def test_a_small_picture_holds_no_more_than_was_seen():
    assert closer((200, 150), 192, EVERYWHERE, letterbox((200, 150))) == []


def test_components_cut_by_a_square_do_not_count():
    square = Region(160, 160, 320)
    assert uncut(hand(50, 60, 120, 150), square, SIZE)
    assert not uncut(hand(250, 60, 319, 150), square, SIZE)
    # At the picture's own edge nothing is cut.
    assert uncut(hand(0, 60, 120, 150), square, SIZE)


def test_one_hand_seen_in_two_squares_is_one():
    boxes = {0.5: hand(10, 10, 60, 60), 0.9: hand(12, 14, 58, 70), 0.7: hand(300, 10, 360, 60)}
    same = [Candidate(box, sure, np.zeros((21, 2))) for sure, box in boxes.items()]
    assert [one.sure for one in distinct(same)] == [0.9, 0.7]
