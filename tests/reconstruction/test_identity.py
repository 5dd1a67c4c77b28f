"""Naming the targets of a whole recording."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from handloom.keypoints import Track
from handloom.reconstruction import IdentityResolver, ObservationTable
from handloom.reconstruction.identity import OVERLAP, SHORTEST
from handloom.skeleton import BODY, HAND

LEFT, RIGHT = Track(0, "hand", "left"), Track(0, "hand", "right")
Row = tuple[int, int, int, float, float]
"""frame, target, view, probability of a right hand, x of the wrist."""


def rows(
    target: int, frames: Iterable[int], right: float, views: Iterable[int] = (0, 1), x: float = 0.0
) -> list[Row]:
    return [(frame, target, view, right, x) for frame in frames for view in views]


def hands(*parts: list[Row]) -> ObservationTable:
    everything = sorted(row for part in parts for row in part)
    frame, target, view, right, x = (np.array(column) for column in zip(*everything, strict=True))
    xy = np.zeros((len(frame), len(HAND), 2))
    xy[:, HAND.index("wrist"), 0] = x
    return ObservationTable(frame, target, view, xy, np.ones(xy.shape[:2]), right, np.full(len(frame), 100.0))


def bodies(*parts: tuple[int, Iterable[int], float, float]) -> ObservationTable:
    """Of each body: target, frames, x of the left wrist, x of the right one; seen by views 0 and 1."""
    everything = [
        (frame, target, view, left, right)
        for target, frames, left, right in parts
        for frame in frames
        for view in (0, 1)
    ]
    frame, target, view, left, right = (np.array(column) for column in zip(*sorted(everything), strict=True))
    xy = np.full((len(frame), len(BODY), 2), 5000.0)
    xy[:, BODY.index("left_wrist")] = np.stack([left, 0.0 * left], axis=1)
    xy[:, BODY.index("right_wrist")] = np.stack([right, 0.0 * right], axis=1)
    half = np.full(len(frame), 0.5)
    return ObservationTable(frame, target, view, xy, np.ones(xy.shape[:2]), half, np.full(len(frame), 900.0))


def resolve(
    table: ObservationTable | None,
    people: ObservationTable | None = None,
    *,
    count: int = 1,
    space: bool = True,
) -> dict[Track, list[int]]:
    resolver = IdentityResolver(count, space=space)
    resolver.add(table, people)
    found = resolver.resolve()
    return {track: list(targets) for part in found for track, targets in part.items()}


def test_two_hands_by_their_labels() -> None:
    table = hands(rows(4, range(50), 0.1), rows(7, range(50), 0.9))
    assert resolve(table) == {LEFT: [4], RIGHT: [7]}


def test_fragments_of_one_hand_are_joined_longest_first() -> None:
    table = hands(rows(0, range(20), 0.9), rows(1, range(25, 80), 0.8), rows(2, range(78, 95), 0.9))
    assert resolve(table) == {RIGHT: [1, 0, 2]}


def test_fragments_that_overlap_for_long_are_two_hands() -> None:
    table = hands(rows(0, range(50), 0.9), rows(1, range(50 - OVERLAP - 1, 80), 0.8))
    assert set(resolve(table)) == {LEFT, RIGHT}


@pytest.mark.parametrize("weaker_is_longer", [False, True])
def test_of_two_right_hands_the_weaker_is_the_left_one(weaker_is_longer: bool) -> None:
    extra = 10 if weaker_is_longer else -10
    table = hands(rows(0, range(100), 0.95), rows(1, range(100 + extra), 0.55))
    assert resolve(table) == {RIGHT: [0], LEFT: [1]}


def test_a_few_wrong_labels_do_not_turn_a_side() -> None:
    right = [
        (frame, 0, view, 0.05 if frame % 5 == 0 else 0.95, 0.0) for frame in range(60) for view in (0, 1)
    ]
    assert resolve(hands(right)) == {RIGHT: [0]}


def test_flickers_are_dropped() -> None:
    table = hands(rows(0, range(50), 0.9), rows(1, range(20, 20 + SHORTEST - 1), 0.1))
    assert resolve(table) == {RIGHT: [0]}


def test_what_one_view_saw_alone_is_dropped_where_others_agree() -> None:
    table = hands(rows(0, range(50), 0.9), rows(1, range(50), 0.1, views=(1,)))
    assert resolve(table) == {RIGHT: [0]}
    assert resolve(table, space=False) == {RIGHT: [0], LEFT: [1]}


def test_what_one_view_saw_alone_stays_where_nothing_else_is() -> None:
    assert resolve(hands(rows(3, range(50), 0.1, views=(1,)))) == {LEFT: [3]}


def test_nothing_seen() -> None:
    assert resolve(None) == {}
    assert IdentityResolver(1, space=True).resolve() == ({}, {})


def test_the_bodys_wrists_decide_a_doubtful_side() -> None:
    table = hands(rows(0, range(50), 0.55, x=300.0), rows(1, range(50), 0.6, x=900.0))
    assert resolve(table, bodies((5, range(50), 310.0, 890.0))) == {
        LEFT: [0],
        RIGHT: [1],
        Track(0, "body"): [5],
    }


def test_a_wrist_out_of_reach_says_nothing() -> None:
    table = hands(rows(0, range(50), 0.6, x=300.0))
    assert resolve(table, bodies((5, range(50), 400.0, 3000.0)))[RIGHT] == [0]


def test_bodies_decide_whose_hands_they_are() -> None:
    table = hands(
        rows(0, range(60), 0.9, x=100.0),
        rows(1, range(60), 0.1, x=500.0),
        rows(2, range(50), 0.9, x=1100.0),
        rows(3, range(50), 0.1, x=1500.0),
    )
    # The person seen longest comes first; the hands alone would be paired by their length.
    people = bodies((9, range(50), 500.0, 100.0), (8, range(60), 1500.0, 1100.0))
    assert resolve(table, people, count=2) == {
        Track(0, "body"): [8],
        Track(1, "body"): [9],
        Track(1, "hand", "right"): [0],
        Track(1, "hand", "left"): [1],
        Track(0, "hand", "right"): [2],
        Track(0, "hand", "left"): [3],
    }


def test_two_right_hands_of_two_people_are_both_right() -> None:
    table = hands(rows(0, range(60), 0.95, x=100.0), rows(1, range(50), 0.9, x=1100.0))
    people = bodies((0, range(60), 3000.0, 100.0), (1, range(50), 3000.0, 1100.0))
    found = resolve(table, people, count=2)
    assert found[Track(0, "hand", "right")] == [0]
    assert found[Track(1, "hand", "right")] == [1]
    alone = resolve(table, count=2)
    assert set(alone) == {Track(0, "hand", "right"), Track(1, "hand", "right")}


def test_a_third_hand_of_one_person_is_left_out() -> None:
    table = hands(rows(0, range(60), 0.9), rows(1, range(50), 0.1), rows(2, range(20), 0.2))
    assert resolve(table) == {RIGHT: [0], LEFT: [1]}


def test_evidence_may_come_in_stretches() -> None:
    table = hands(rows(0, range(60), 0.55, x=300.0), rows(1, range(20, 90), 0.6, x=900.0))
    people = bodies((5, range(90), 310.0, 890.0))
    whole, parts = IdentityResolver(1, space=True), IdentityResolver(1, space=True)
    whole.add(table, people)
    for start in range(0, 90, 30):
        parts.add(table.frames(start, start + 30), people.frames(start, start + 30))
    assert whole.resolve() == parts.resolve()
