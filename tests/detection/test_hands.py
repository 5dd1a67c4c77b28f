"""The hand networks on a real recording, against the system they come from."""

from __future__ import annotations

import json
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from handloom.detection import DetectorPool, HandDetector, Region
from handloom.reconstruction import Observation, Tracker
from handloom.video import open_video

FRAMES = 80


@pytest.fixture(scope="module", params=[0, 1])
def view(request: pytest.FixtureRequest, data: Path) -> tuple[list[list[Observation]], list[list[dict]]]:
    """One view followed alone, and what MediaPipe says in the same frames."""
    with closing(DetectorPool(HandDetector, workers=1)) as pool:
        tracker = Tracker(pool, None, 1, 1)
        with open_video(data / f"temugeb_handpose3d/media/cam{request.param}_test.mp4") as video:
            ours = [tracker.step([frame.image]) for frame in islice(video.frames(), FRAMES)]
    labels = (data / f"pseudo_labels/temugeb_hand_cam{request.param}.json").read_text()
    return ours, json.loads(labels)["frames"][:FRAMES]


def test_same_landmarks_as_mediapipe(view: tuple[list[list[Observation]], list[list[dict]]]) -> None:
    ours, theirs = view
    assert [len(o) for o in ours] == [len(t) for t in theirs]
    apart = [
        np.linalg.norm(o[0].reading.xy - np.array(t[0]["px"])[:, :2], axis=1)
        for o, t in zip(ours, theirs, strict=True)
        if o
    ]
    assert len(apart) > 50
    assert np.median(apart) < 0.15


def test_same_joints_in_space_as_mediapipe(view: tuple[list[list[Observation]], list[list[dict]]]) -> None:
    apart = [
        np.linalg.norm(o[0].reading.world - np.array(t[0]["world_m"]), axis=1)
        for o, t in zip(*view, strict=True)
        if o and o[0].reading.world is not None
    ]
    assert len(apart) > 50
    assert np.median(apart) < 0.0005


def test_the_right_hand_is_called_right(view: tuple[list[list[Observation]], list[list[dict]]]) -> None:
    rights = np.array([o.reading.right for frame in view[0] for o in frame])
    assert np.mean(rights > 0.5) > 0.95


def test_confidence_and_presence_are_probabilities(
    view: tuple[list[list[Observation]], list[list[dict]]],
) -> None:
    for reading in (o.reading for frame in view[0] for o in frame):
        assert 0.5 <= reading.presence <= 1
        assert ((reading.confidence >= 0) & (reading.confidence <= 1)).all()


def test_a_mirrored_picture_shows_the_other_hand(hand_detector: HandDetector, data: Path) -> None:
    with open_video(data / "temugeb_handpose3d/media/cam0_test.mp4") as video:
        image = next(iter(video.frames(60))).image
    flipped = np.ascontiguousarray(image[:, ::-1])
    plain = hand_detector.read(image, hand_detector.find(image)[0])
    mirrored = hand_detector.read(flipped, hand_detector.find(flipped)[0])
    assert plain.right > 0.9
    assert mirrored.right < 0.1
    back = np.array([image.shape[1] - 1, 0]) + mirrored.xy * [-1, 1]
    assert np.median(np.linalg.norm(back - plain.xy, axis=1)) < 5.0


def test_nothing_is_found_in_an_empty_picture(hand_detector: HandDetector) -> None:
    image = np.full((240, 320, 3), 90, np.uint8)
    assert hand_detector.find(image) == []
    assert hand_detector.read(image, Region(160.0, 120.0, 100.0)).presence < 0.5


def test_reading_again_from_its_own_region_stays(hand_detector: HandDetector, data: Path) -> None:
    with open_video(data / "temugeb_handpose3d/media/cam0_test.mp4") as video:
        image = next(iter(video.frames(60))).image
    xy = hand_detector.read(image, hand_detector.find(image)[0]).xy
    region = hand_detector.region_of(xy)
    again = hand_detector.read(image, region)
    assert np.median(np.linalg.norm(again.xy - xy, axis=1)) < 0.03 * region.size
    assert hand_detector.region_of(again.xy).overlap(region) > 0.8


def test_region_turns_and_grows_with_the_hand(hand_detector: HandDetector) -> None:
    xy = np.random.default_rng(1).uniform(100, 200, (21, 2))
    region = hand_detector.region_of(xy)
    c, s = np.cos(0.7), np.sin(0.7)
    moved = 2 * xy @ np.array([[c, s], [-s, c]]) + [30, -10]
    other = hand_detector.region_of(moved)
    assert other.size == pytest.approx(2 * region.size)
    assert np.angle(np.exp(1j * (other.angle - region.angle))) == pytest.approx(0.7)
    centre = 2 * np.array([region.x, region.y]) @ np.array([[c, s], [-s, c]]) + [30, -10]
    assert np.allclose((other.x, other.y), centre)
