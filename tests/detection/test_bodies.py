"""The body networks on a real picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from handloom.detection import BodyDetector, Reading
from handloom.skeleton import BODY, LIMBS
from handloom.video import open_video


@pytest.fixture(scope="module")
def image(data: Path) -> np.ndarray:
    with open_video(data / "pose2sim/Demo_SinglePerson/videos/cam01.mp4") as video:
        return next(iter(video.frames(50))).image


@pytest.fixture(scope="module")
def reading(body_detector: BodyDetector, image: np.ndarray) -> Reading:
    regions = body_detector.find(image)
    assert len(regions) == 1
    return body_detector.read(image, regions[0])


def test_landmarks_of_a_person_who_walks(reading: Reading, image: np.ndarray) -> None:
    assert reading.presence > 0.9
    assert reading.right == 0.5
    sure = reading.confidence > 0.5
    assert sure.mean() > 0.8
    assert ((reading.xy[sure] >= 0) & (reading.xy[sure] < image.shape[1::-1])).all()
    # The camera is tilted: seen along the body, from the head down.
    angle = reading.region.angle
    down = reading.xy @ [-np.sin(angle), np.cos(angle)]
    for side in ("left", "right"):
        shoulder, hip, knee, ankle = (
            down[BODY.index(f"{side}_{joint}")] for joint in ("shoulder", "hip", "knee", "ankle")
        )
        assert down[BODY.index("nose")] < shoulder < hip < knee < ankle
    stature = down.max() - down.min()
    for a, b in LIMBS:
        length = np.linalg.norm(reading.xy[BODY.index(a)] - reading.xy[BODY.index(b)])
        assert 0.03 * stature < length < 0.4 * stature


def test_region_of_landmarks_is_that_of_the_search(body_detector: BodyDetector, reading: Reading) -> None:
    region = body_detector.region_of(reading.xy)
    assert region.size == pytest.approx(reading.region.size, rel=0.15)
    apart = np.hypot(region.x - reading.region.x, region.y - reading.region.y)
    assert apart < 0.15 * reading.region.size
    assert abs(region.angle - reading.region.angle) < 0.15


def test_reading_again_from_its_own_region_stays(
    body_detector: BodyDetector, reading: Reading, image: np.ndarray
) -> None:
    region = body_detector.region_of(reading.xy)
    again = body_detector.read(image, region)
    assert again.presence > 0.9
    assert np.median(np.linalg.norm(again.xy - reading.xy, axis=1)) < 0.02 * region.size


def test_nobody_in_an_empty_picture(body_detector: BodyDetector) -> None:
    assert body_detector.find(np.full((240, 320, 3), 90, np.uint8)) == []
