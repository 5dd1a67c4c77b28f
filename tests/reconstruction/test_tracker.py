"""Following hands and bodies through several views, with the faults that detectors have."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from projection_detector import Actor, Stage
from synthetic import arc_rig, body_motion, hand_motion

from handloom.cameras import CameraRig
from handloom.detection import DetectorPool, Region
from handloom.reconstruction import IdentityResolver, Observation, ObservationTable, Tracker
from handloom.reconstruction.tracker import PATIENCE, RETRY_AFTER
from handloom.skeleton import BODY

Array = NDArray[np.float64]
FRAMES = 90


def times(frames: int = FRAMES) -> Array:
    return np.arange(frames) / 30


def hand(side: str, frames: int = FRAMES, shift: tuple[float, float, float] = (0, 0, 0)) -> Array:
    return hand_motion(times(frames), side) + np.array(shift, dtype=float)


def two_hands(**faults: float) -> Stage:
    return Stage(arc_rig(), (Actor(hand("right"), "right"), Actor(hand("left"), "left")), **faults)  # type: ignore[arg-type]


def follow(
    stage: Stage,
    limit: int,
    frames: Iterable[int] = range(FRAMES),
    rig: CameraRig | None = None,
    missing: frozenset[tuple[int, int]] = frozenset(),
) -> list[list[Observation]]:
    """Observations frame by frame; ``missing`` are (view, frame) without a picture."""
    with closing(DetectorPool(stage.detector, workers=1)) as pool:
        tracker = Tracker(pool, stage.rig if rig is None else rig, len(stage.rig), limit)
        return [
            tracker.step(
                [
                    None if (view, frame) in missing else image
                    for view, image in enumerate(stage.pictures(frame))
                ]
            )
            for frame in frames
        ]


def actors_of(stage: Stage, seen: list[list[Observation]]) -> dict[int, Counter[int]]:
    """Target → how often its readings were of which actor."""
    found: dict[int, Counter[int]] = {}
    for frame, observations in enumerate(seen):
        for o in observations:
            found.setdefault(o.target, Counter())[stage.nearest(o.view, frame, o.reading.xy)] += 1
    return found


def complete(seen: list[list[Observation]], views: int, things: int, start: int = 5) -> bool:
    """Whether every view saw everything in every frame from ``start`` on."""
    return all(len(observations) == views * things for observations in seen[start:])


def identities(seen: list[list[Observation]], stage: Stage, people: int = 1) -> dict[str, list[int]]:
    resolver = IdentityResolver(people, space=True)
    resolver.add(ObservationTable.of(enumerate(seen), stage.skeleton), None)
    return {track.name: list(targets) for track, targets in resolver.resolve()[0].items()}


def test_two_hands_keep_identity_and_side_with_a_fifth_of_the_labels_wrong() -> None:
    stage = two_hands(mislabelled=0.2)
    seen = follow(stage, 2)
    assert complete(seen, 3, 2)
    found = actors_of(stage, seen)
    steady = {target: counts for target, counts in found.items() if counts.total() > 10}
    assert len(steady) == 2
    assert all(len(counts) == 1 for counts in steady.values())
    named = identities(seen, stage)
    right, left = (steady[named[f"subject0_{side}_hand"][0]] for side in ("right", "left"))
    assert set(right) == {0}
    assert set(left) == {1}


def test_each_view_shows_a_target_once() -> None:
    for observations in follow(two_hands(mislabelled=0.2), 2):
        places = [(o.target, o.view) for o in observations]
        assert len(set(places)) == len(places)


def test_a_lost_view_comes_back_without_a_search() -> None:
    right = Actor(hand("right"), "right", hidden={1: range(30, 50)})
    stage = Stage(arc_rig(), (right, Actor(hand("left"), "left")))
    with closing(DetectorPool(stage.detector, workers=1)) as pool:
        tracker = Tracker(pool, stage.rig, 3, 2)
        seen = [tracker.step(stage.pictures(frame)) for frame in range(10)]
        searches = stage.finds.copy()
        seen += [tracker.step(stage.pictures(frame)) for frame in range(10, FRAMES)]
    assert stage.finds == searches
    views = [sorted(o.view for o in observations if o.target == seen[20][0].target) for observations in seen]
    assert views[20] == [0, 1, 2]
    assert all(v == [0, 2] for v in views[30:50])
    assert all(v == [0, 1, 2] for v in views[50 + 6 :])
    assert len(actors_of(stage, seen[10:])) == 2


def test_a_hidden_view_is_read_only_now_and_then() -> None:
    stage = Stage(arc_rig(), (Actor(hand("right"), "right", hidden={1: range(10, FRAMES)}),))
    follow(stage, 1)
    assert stage.reads[1] < 10 + RETRY_AFTER + (FRAMES - 10) / 3
    assert stage.reads[0] >= FRAMES - 1


def test_a_view_that_shows_something_else_is_left_out() -> None:
    stage = two_hands(displaced={2: range(30, 60)})  # type: ignore[arg-type]
    seen = follow(stage, 2)
    for frame in range(30, 60):
        assert {o.view for o in seen[frame]} == {0, 1}
        for o in seen[frame]:
            truth = stage.xy[o.view, stage.nearest(o.view, frame, o.reading.xy), frame]
            assert np.median(np.linalg.norm(o.reading.xy - truth, axis=1)) < 4
    assert complete(seen, 3, 2, start=62)


def test_a_view_that_is_wrong_from_the_start_does_not_stop_the_others() -> None:
    stage = two_hands(displaced={0: range(FRAMES)})  # type: ignore[arg-type]
    seen = follow(stage, 2)
    for observations in seen[10:]:
        assert {(o.view) for o in observations} == {1, 2}
        assert len(observations) == 4


def test_crossing_hands_are_not_swapped() -> None:
    # One hand passes in front of the other: in the middle view they cover the same pixels.
    path = 0.3 * np.cos(np.pi * np.arange(FRAMES) / (FRAMES - 1))
    right, left = hand("right"), hand("left")
    right += np.stack([path - right[:, 9, 0], 0 * path, 0 * path + 0.12], axis=-1)[:, None]
    left += np.stack([-path - left[:, 9, 0], 0 * path, 0 * path - 0.12], axis=-1)[:, None]
    stage = Stage(arc_rig(), (Actor(right, "right"), Actor(left, "left")), mislabelled=0.2)
    crossing = np.linalg.norm(stage.xy[1, 0] - stage.xy[1, 1], axis=-1).mean(axis=1).min()
    assert crossing < 60
    seen = follow(stage, 2)
    found = actors_of(stage, seen[5:])
    assert len(found) == 2
    for counts in found.values():
        assert counts.most_common(1)[0][1] > 0.98 * counts.total()
    assert len(seen[-1]) == 6


def test_a_bystander_in_one_view_makes_no_track_in_space() -> None:
    stranger = Actor(
        hand("right", shift=(-0.2, 0.35, 0)), "right", hidden={0: range(FRAMES), 2: range(FRAMES)}
    )
    stage = Stage(arc_rig(), (Actor(hand("right"), "right"), stranger))
    with closing(DetectorPool(stage.detector, workers=1)) as pool:
        tracker = Tracker(pool, stage.rig, 3, 2)
        seen = []
        for frame in range(FRAMES):
            seen.append(tracker.step(stage.pictures(frame)))
            assert sum(target.in_space for target in tracker.targets) <= 1
    named = identities(seen, stage)
    assert list(named) == ["subject0_right_hand"]
    found = actors_of(stage, seen)
    assert set(found[named["subject0_right_hand"][0]]) == {0}


def test_two_people_have_four_hands() -> None:
    shift = (0.0, 0.5, -0.2)
    actors = [
        Actor(hand(side, shift=where), side) for where in ((0, 0, 0), shift) for side in ("right", "left")
    ]
    stage = Stage(arc_rig(), tuple(actors))
    seen = follow(stage, 4)
    assert complete(seen, 3, 4, start=12)
    found = actors_of(stage, seen[12:])
    assert sorted(next(iter(counts)) for counts in found.values()) == [0, 1, 2, 3]
    assert all(len(counts) == 1 for counts in found.values())
    assert len(identities(seen, stage, people=2)) == 4


def test_no_more_than_the_limit_is_followed() -> None:
    seen = follow(two_hands(), 1)
    assert all(len({o.target for o in observations}) <= 1 for observations in seen[10:])


def test_a_body_seen_the_wrong_way_round_is_righted() -> None:
    body = Actor(body_motion(times()), "none", mirrored={2: range(20, 50)})
    stage = Stage(arc_rig(distance=4.0), (body,), BODY)
    seen = follow(stage, 1)
    assert complete(seen, 3, 1)
    for frame in range(5, FRAMES):
        for o in seen[frame]:
            assert np.median(np.linalg.norm(o.reading.xy - stage.xy[o.view, 0, frame], axis=1)) < 4


def test_a_body_mirrored_from_the_start_is_righted_by_the_others() -> None:
    body = Actor(body_motion(times()), "none", mirrored={1: range(FRAMES)})
    stage = Stage(arc_rig(distance=4.0), (body,), BODY)
    seen = follow(stage, 1)
    assert complete(seen, 3, 1)
    ways = {
        tuple(
            bool(
                np.median(np.linalg.norm(o.reading.xy - stage.xy[o.view, 0, frame], axis=1))
                < np.median(
                    np.linalg.norm(o.reading.xy[list(BODY.mirror)] - stage.xy[o.view, 0, frame], axis=1)
                )
            )
            for o in seen[frame]
        )
        for frame in range(5, FRAMES)
    }
    assert len(ways) == 1
    assert len(set(next(iter(ways)))) == 1


def test_continuing_from_a_state_equals_going_on() -> None:
    right = Actor(hand("right"), "right", hidden={1: range(30, 50)})
    stage = Stage(
        arc_rig(), (right, Actor(hand("left"), "left")), mislabelled=0.2, displaced={2: range(40, 52)}
    )
    with closing(DetectorPool(stage.detector, workers=1)) as pool:
        whole = Tracker(pool, stage.rig, 3, 2)
        expected = [whole.step(stage.pictures(frame)) for frame in range(FRAMES)]
        state = None
        for cut in (1, 44, 61):
            part = Tracker(pool, stage.rig, 3, 2)
            for frame in range(cut):
                part.step(stage.pictures(frame))
            state = json.loads(json.dumps(part.state()))
            resumed = Tracker(pool, stage.rig, 3, 2)
            resumed.restore(state)
            for frame in range(cut, FRAMES):
                _assert_equal(resumed.step(stage.pictures(frame)), expected[frame])
            assert resumed.state() == whole.state()


def _assert_equal(a: list[Observation], b: list[Observation]) -> None:
    assert [(o.target, o.view, o.reading.region) for o in a] == [
        (o.target, o.view, o.reading.region) for o in b
    ]
    for one, other in zip(a, b, strict=True):
        assert np.array_equal(one.reading.xy, other.reading.xy)
        assert np.array_equal(one.reading.confidence, other.reading.confidence)
        assert (one.reading.right, one.reading.presence) == (other.reading.right, other.reading.presence)


def test_a_single_view_follows_without_calibration() -> None:
    stage = two_hands()
    for rig in (None, stage.rig.subset(["cam1"])):
        with closing(DetectorPool(stage.detector, workers=1)) as pool:
            tracker = Tracker(pool, rig, 1, 2)
            seen = [tracker.step([stage.picture(1, frame)]) for frame in range(FRAMES)]
        assert [len(observations) for observations in seen] == [2] * FRAMES
        assert len({o.target for observations in seen for o in observations}) == 2


def test_a_single_view_that_loses_a_hand_finds_it_again() -> None:
    stage = Stage(arc_rig(), (Actor(hand("right"), "right", hidden={1: range(20, 30)}),))
    with closing(DetectorPool(stage.detector, workers=1)) as pool:
        tracker = Tracker(pool, None, 1, 1)
        seen = [tracker.step([stage.picture(1, frame)]) for frame in range(60)]
    assert [len(observations) for observations in seen] == [1] * 20 + [0] * 10 + [1] * 30


def test_pictures_that_are_missing_at_times() -> None:
    stage = two_hands()
    missing = frozenset(
        (view, frame) for frame in range(10, FRAMES) for view in range(3) if (frame + view) % 4 == 0
    )
    seen = follow(stage, 2, missing=missing)
    for frame in range(10, FRAMES):
        assert len(seen[frame]) == 2 * sum((view, frame) not in missing for view in range(3))
    assert len(actors_of(stage, seen[10:])) == 2


def test_a_moment_without_any_picture() -> None:
    stage = two_hands()
    missing = frozenset((view, frame) for frame in range(20, 25) for view in range(3))
    seen = follow(stage, 2, missing=missing)
    assert all(seen[frame] == [] for frame in range(20, 25))
    assert len(actors_of(stage, seen[10:])) == 2
    assert complete(seen, 3, 2, start=26)


def test_a_missing_picture_does_not_end_what_a_single_view_follows() -> None:
    stage = Stage(arc_rig(), (Actor(hand("right"), "right"),))
    with closing(DetectorPool(stage.detector, workers=1)) as pool:
        tracker = Tracker(pool, None, 1, 1)
        seen = [tracker.step([None if frame % 10 == 5 else stage.picture(1, frame)]) for frame in range(60)]
    assert len({o.target for observations in seen for o in observations}) == 1


def test_a_hand_that_leaves_is_forgotten_and_one_that_comes_is_new() -> None:
    gone = dict.fromkeys(range(3), range(30, 60))
    stage = Stage(arc_rig(), (Actor(hand("right"), "right", hidden=gone),))
    seen = follow(stage, 1)
    assert all(observations == [] for observations in seen[30:60])
    before, after = (
        {o.target for observations in part for o in observations} for part in (seen[5:30], seen[63:])
    )
    assert len(before) == len(after) == 1
    assert before.isdisjoint(after)


def test_a_hand_hidden_for_a_moment_keeps_its_identity() -> None:
    gone = dict.fromkeys(range(3), range(30, 30 + PATIENCE - 2))
    stage = Stage(arc_rig(), (Actor(hand("right"), "right", hidden=gone),))
    seen = follow(stage, 1)
    assert len({o.target for observations in seen[5:] for o in observations}) == 1
    assert complete(seen, 3, 1, start=30 + PATIENCE)


def test_sizes_that_no_hand_has_are_not_believed() -> None:
    stage = two_hands()
    giant = replace(
        stage.rig,
        cameras=tuple(
            replace(camera, T_camera_world=_scaled(camera.T_camera_world, 4.0)) for camera in stage.rig
        ),
    )
    with closing(DetectorPool(stage.detector, workers=1)) as pool:
        tracker = Tracker(pool, giant, 3, 2)
        for frame in range(20):
            tracker.step(stage.pictures(frame))
            assert not any(target.in_space for target in tracker.targets)
        unitless = Tracker(pool, replace(giant, unit="unknown"), 3, 2)
        for frame in range(20):
            unitless.step(stage.pictures(frame))
        assert sum(target.in_space for target in unitless.targets) == 2


def _scaled(T: Array, factor: float) -> Array:
    scaled = T.copy()
    scaled[:3, 3] *= factor
    return scaled


@pytest.mark.parametrize("until", [40, 41, 42])
def test_a_view_that_joins_again_by_search_stays(until: int) -> None:
    # While there is room for a second hand, the search may find the view before its turn to be read comes.
    stage = Stage(arc_rig(), (Actor(hand("right"), "right", hidden={1: range(10, until)}),))
    seen = follow(stage, 2, range(60))
    back = next(frame for frame in range(until, 60) if any(o.view == 1 for o in seen[frame]))
    assert back <= until + 6
    assert all(any(o.view == 1 for o in observations) for observations in seen[back:])


def test_a_hand_that_no_search_finds_is_followed_where_a_body_hints_at_it() -> None:
    stage = Stage(arc_rig(), (Actor(hand("right"), "right"),))
    detector = stage.detector()

    class BlindDetector(type(detector)):  # type: ignore[misc]
        def find(self, image: NDArray[np.uint8]) -> list[Region]:
            return []

    with closing(DetectorPool(lambda: BlindDetector(stage), workers=1)) as pool:
        tracker = Tracker(pool, stage.rig, len(stage.rig), limit=1)
        assert tracker.step(stage.pictures(0)) == []
        expected = stage.rig.project(stage.actors[0].truth[1])
        hints = {view: [detector.region_of(xy)] for view, xy in enumerate(expected)}
        hinted = tracker.step(stage.pictures(1), hints)
        followed = tracker.step(stage.pictures(2))
    assert {o.view for o in hinted} == {o.view for o in followed} == set(range(len(stage.rig)))
    assert {o.target for o in hinted} == {o.target for o in followed}
