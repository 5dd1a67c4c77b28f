"""The parts of a calibration from keypoints: two views, tracks between pictures, sides, bones, detection."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keypoint_scenes import BOTH_HANDS, PERSON, RIGHT_HAND, UPPER_ARM_M, keypoint_scene
from numpy.typing import NDArray
from synthetic import arc_rig, body_motion, hand_motion

from handloom.calibration.selfcalibration import (
    KeypointTracks,
    bone_length,
    calibrate_from_keypoints,
    detect_keypoints,
)
from handloom.calibration.selfcalibration.epipolar import depths, essential, relative_poses, sampson
from handloom.calibration.selfcalibration.swaps import righted
from handloom.calibration.selfcalibration.tracks import smoothed
from handloom.cameras import read_rig
from handloom.errors import CalibrationError, DetectionError, RigError

Array = NDArray[np.float64]


def two_views(noise: float = 0.0, seed: int = 0) -> tuple[Array, Array, Array]:
    """Normalised positions of a moving hand in two views, and the true relative pose."""
    rig = arc_rig(2, distance=1.2)
    points = hand_motion(np.arange(0, 8, 0.2)).reshape(-1, 3)
    rng = np.random.default_rng(seed)
    a, b = (camera.undistort(camera.project(points)) for camera in rig)
    T = rig[1].T_camera_world @ np.linalg.inv(rig[0].T_camera_world)
    return a + rng.normal(size=a.shape) * noise, b + rng.normal(size=b.shape) * noise, T


def test_true_matches_lie_on_their_epipolar_lines_in_front_of_both_cameras() -> None:
    a, b, T = two_views()
    ones = np.ones(len(a))
    assert np.abs(sampson(essential(T), a, b, ones, ones)).max() < 1e-9
    assert min(depth.min() for depth in depths(T, a, b)) > 0.5


def test_sampson_distance_is_in_units_of_the_noise() -> None:
    a, b, T = two_views(noise=0.001)
    sigma = np.full(len(a), 0.001)
    assert np.std(sampson(essential(T), a, b, sigma, sigma)) == pytest.approx(1.0, abs=0.1)


def test_relative_pose_in_spite_of_a_third_of_wrong_matches() -> None:
    a, b, T = two_views(noise=0.0005)
    rng = np.random.default_rng(1)
    wrong = rng.random(len(a)) < 0.33
    b[wrong] = rng.uniform(-0.4, 0.4, (wrong.sum(), 2))
    sigma = np.full(len(a), 0.0005)
    pose = relative_poses(a, b, sigma, sigma)[0]
    assert np.degrees(np.arccos((np.trace(pose.T_b_a[:3, :3].T @ T[:3, :3]) - 1) / 2)) < 0.5
    assert pose.inliers[~wrong].mean() > 0.95
    assert pose.inliers[wrong].mean() < 0.3


@settings(max_examples=20, deadline=None)
@given(st.floats(-0.9, 0.9), st.lists(st.floats(-2, 2), min_size=3, max_size=3))
def test_smoothing_keeps_parabolas(shift: float, coefficients: list[float]) -> None:
    t = np.arange(20.0)
    track = np.polynomial.polynomial.polyval(t / 10, coefficients)[:, None, None]
    value, slope = smoothed(track, t + shift)
    true = np.polynomial.polynomial.polyval((t + shift) / 10, coefficients)
    known = np.isfinite(value[:, 0, 0])
    assert known[4:-4].all()
    assert np.allclose(value[known, 0, 0], true[known], atol=1e-8)
    derivative = np.polynomial.polynomial.polyval(
        (t + shift) / 10, np.polynomial.polynomial.polyder(coefficients)
    )
    assert np.allclose(slope[known, 0, 0], derivative[known] / 10, atol=1e-8)


def test_tracks_shifted_by_whole_frames_keep_every_keypoint() -> None:
    _, tracks = keypoint_scene(RIGHT_HAND, seconds=1.0)
    moved = tracks.shifted([0, -3])
    assert np.array_equal(moved.xy[0, 3:], tracks.xy[0])
    assert np.array_equal(moved.xy[1, : len(tracks.times_s)], tracks.xy[1])
    assert np.isnan(moved.xy[0, :3]).all()
    assert moved.times_s[3] == pytest.approx(tracks.times_s[0])


def test_sides_are_righted_in_the_camera_that_is_wrong() -> None:
    rig, tracks = keypoint_scene(PERSON, 3, seconds=2.0)
    swapped = np.arange(30) % 4 == 0
    xy = tracks.xy.copy()
    xy[2, swapped] = xy[2, swapped][:, list(tracks.spans[0][0].mirror)]
    wrong = KeypointTracks.of(xy, PERSON, fps=15.0)
    fixed, counts = righted(wrong, rig.cameras, np.stack([c.T_camera_world for c in rig]))
    assert counts.tolist() == [0, 0, swapped.sum()]
    assert np.array_equal(fixed.xy, tracks.xy)


def test_confidence_and_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="xy must be"):
        KeypointTracks.of(np.zeros((2, 5, 20, 2)), RIGHT_HAND)
    with pytest.raises(ValueError, match="do not fit"):
        KeypointTracks.of(np.zeros((2, 5, 42, 2)), BOTH_HANDS, cameras=["one"])


@pytest.mark.parametrize(
    "name", ["upper_arm", "left_upper_arm", "right_shoulder-right_elbow", "shoulder–elbow"]
)
def test_bones_by_name(name: str) -> None:
    points = body_motion(np.arange(0, 2, 0.1))
    tracks = KeypointTracks.of(np.zeros((2, len(points), 33, 2)), PERSON)
    assert bone_length(name, tracks, points) == pytest.approx(UPPER_ARM_M)


def test_a_bone_seldom_seen_gives_no_scale() -> None:
    points = np.full((20, 33, 3), np.nan)
    points[:3] = body_motion(np.zeros(3))
    tracks = KeypointTracks.of(np.zeros((2, 20, 33, 2)), PERSON)
    with pytest.raises(CalibrationError, match="fewer than"):
        bone_length("upper_arm", tracks, points)


def test_views_without_anybody(tmp_path: Path) -> None:
    for view in ("a", "b"):
        (tmp_path / view).mkdir()
        for number in range(3):
            cv2.imwrite(str(tmp_path / view / f"{number}.png"), np.full((120, 160, 3), 90, np.uint8))
    with pytest.raises(DetectionError, match="No hands were found in a, b"):
        detect_keypoints([tmp_path / "a", tmp_path / "b"])


def test_keypoints_of_a_real_hand(data: Path) -> None:
    folder = data / "temugeb_handpose3d"
    videos = [folder / "media" / f"cam{camera}_test.mp4" for camera in (0, 1)]
    tracks = detect_keypoints(videos, watch_s=1.5)
    assert tracks.subjects == RIGHT_HAND
    assert tracks.xy.shape == (2, 45, 21, 2)
    assert tracks.fps == pytest.approx(30.0)
    assert np.isfinite(tracks.xy[1]).all()


def test_lenses_that_are_too_few_for_the_videos(data: Path) -> None:
    folder = data / "temugeb_handpose3d"
    rig = read_rig(folder / "camera_parameters")
    with pytest.raises(RigError, match="too few cameras"):
        calibrate_from_keypoints(
            [folder / "media" / f"cam{camera}_test.mp4" for camera in (0, 1)], [rig.cameras[0]]
        )
