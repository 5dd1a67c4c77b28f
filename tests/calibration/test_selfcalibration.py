"""Rigs from keypoints alone: scenes whose rig is known, and every way in which they can fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from keypoint_scenes import (
    BOTH_HANDS,
    PALM_M,
    PERSON,
    RIGHT_HAND,
    UPPER_ARM_M,
    direction_errors_deg,
    keypoint_scene,
    rotation_errors_deg,
)
from numpy.typing import NDArray
from synthetic import arc_rig, hand_motion

from handloom.calibration.findings import Name, Severity
from handloom.calibration.selfcalibration import (
    KeypointTracks,
    SelfCalibration,
    calibrate_tracks,
    refine_rig,
)
from handloom.cameras import CameraRig
from handloom.errors import CalibrationError
from handloom.keypoints import Track

Array = NDArray[np.float64]


@cache
def hand_scene() -> tuple[CameraRig, KeypointTracks]:
    return keypoint_scene(RIGHT_HAND, seconds=4.0, noise=0.005)


@cache
def hand_result() -> SelfCalibration:
    rig, tracks = hand_scene()
    return calibrate_tracks(tracks, rig.cameras, bone_length={"wrist-middle_mcp": PALM_M})


def seen_by(cameras: CameraRig, points: Array, noise_px: float = 1.0, fps: float = 15.0) -> KeypointTracks:
    rng = np.random.default_rng(3)
    xy = cameras.project(points)
    return KeypointTracks.of(xy + rng.normal(size=xy.shape) * noise_px, RIGHT_HAND, fps=fps)


def with_xy(tracks: KeypointTracks, xy: Array) -> KeypointTracks:
    return replace(tracks, xy=xy, confidence=np.isfinite(xy[..., 0]).astype(float))


def names_of(result: SelfCalibration, *severities: Severity) -> set[Name]:
    return {finding.name for finding in result.findings if finding.severity in severities}


def test_a_hand_gives_the_rig_of_two_cameras() -> None:
    rig, _ = hand_scene()
    result = hand_result()
    assert rotation_errors_deg(result.rig, rig).max() < 0.5
    assert direction_errors_deg(result.rig, rig).max() < 0.5
    assert result.rig.unit == "m"
    assert result.rig.baselines[0, 1] == pytest.approx(rig.baselines[0, 1], rel=0.01)
    assert result.trusted
    assert not names_of(result, Severity.error, Severity.warning)


def test_errors_stay_within_the_standard_deviations_stated() -> None:
    rig, _ = hand_scene()
    result = hand_result()
    assert np.radians(rotation_errors_deg(result.rig, rig)[1]) < 5 * result.uncertainty[1].rotation_rad.max()
    assert 0.0 < np.degrees(result.rotation_std_rad) < 1.0


def test_the_points_of_a_metric_rig_are_metric() -> None:
    rig, tracks = hand_scene()
    truth = hand_motion(tracks.times_s) @ rig[0].T_camera_world[:3, :3].T + rig[0].T_camera_world[:3, 3]
    assert np.nanmedian(np.linalg.norm(hand_result().points - truth, axis=-1)) < 0.01


def test_the_same_keypoints_give_the_same_bytes() -> None:
    rig, tracks = hand_scene()
    again = calibrate_tracks(tracks, rig.cameras, bone_length={"wrist-middle_mcp": PALM_M})
    for a, b in zip(again.rig, hand_result().rig, strict=True):
        assert a.T_camera_world.tobytes() == b.T_camera_world.tobytes()


def test_a_body_gives_the_rig_of_three_cameras_though_sides_are_swapped_in_some_pictures() -> None:
    rig, tracks = keypoint_scene(PERSON, 3, seconds=3.0)
    swapped = np.random.default_rng(0).random(len(tracks.times_s)) < 0.2
    xy = tracks.xy.copy()
    xy[1, swapped] = xy[1, swapped][:, list(tracks.spans[0][0].mirror)]
    result = calibrate_tracks(with_xy(tracks, xy), rig.cameras, bone_length={"upper_arm": UPPER_ARM_M})
    assert rotation_errors_deg(result.rig, rig).max() < 0.8
    assert result.rig.baselines[0, 2] == pytest.approx(rig.baselines[0, 2], rel=0.02)
    assert np.abs(result.swapped[1] - swapped.sum()) <= 2


def test_hands_taken_for_each_other_by_one_camera_all_the_time() -> None:
    rig, tracks = keypoint_scene(BOTH_HANDS, seconds=3.0, noise=0.005)
    xy = tracks.xy.copy()
    xy[1] = np.roll(xy[1], 21, axis=1)
    result = calibrate_tracks(with_xy(tracks, xy), rig.cameras)
    assert rotation_errors_deg(result.rig, rig).max() < 0.3


@pytest.mark.parametrize("late", [1.3, -8.4])
def test_the_offset_between_unsynchronised_cameras_is_found_to_a_tenth_of_a_frame(late: float) -> None:
    rig, tracks = keypoint_scene(RIGHT_HAND, seconds=4.0, noise=0.005, late_frames=(0.0, late))
    result = calibrate_tracks(tracks, rig.cameras, synchronised=False)
    assert result.offsets_s[1] * tracks.fps == pytest.approx(late, abs=0.1)
    assert 0 < result.offsets_std_s[1] * tracks.fps < 0.1
    assert rotation_errors_deg(result.rig, rig).max() < 1.0


def test_given_offsets_are_used() -> None:
    rig, tracks = keypoint_scene(RIGHT_HAND, seconds=4.0, noise=0.005, late_frames=(0.0, 3.4))
    result = calibrate_tracks(tracks, rig.cameras, offsets_s=(0.0, 3.4 / tracks.fps))
    assert rotation_errors_deg(result.rig, rig).max() < 0.4
    assert result.offsets_s[1] == pytest.approx(3.4 / tracks.fps)
    assert Name.unsynchronised not in names_of(result, *Severity)


def test_unsynchronised() -> None:
    rig, tracks = keypoint_scene(RIGHT_HAND, seconds=3.0, late_frames=(0.0, 1.3))
    result = calibrate_tracks(tracks, rig.cameras)
    (finding,) = [finding for finding in result.findings if finding.name is Name.unsynchronised]
    assert finding.numbers["offset_frames"] == pytest.approx(1.3, abs=0.2)
    assert finding.cameras == ("cam1",)


def test_scale_unknown() -> None:
    rig, tracks = hand_scene()
    result = calibrate_tracks(tracks, rig.cameras)
    assert result.rig.unit == "unknown"
    assert Name.scale_unknown in names_of(result, Severity.warning)


def test_given_lengths_that_contradict_each_other() -> None:
    rig, tracks = hand_scene()
    lengths = {"wrist-middle_mcp": PALM_M, "wrist-index_mcp": 0.2}
    finding = next(
        f
        for f in calibrate_tracks(tracks, rig.cameras, bone_length=lengths).findings
        if f.name is Name.scale_unknown
    )
    assert finding.numbers["disagreement"] > 0.5


def test_the_distance_between_cameras_gives_the_scale() -> None:
    rig, tracks = hand_scene()
    result = calibrate_tracks(tracks, rig.cameras, camera_distance=("cam0", "cam1", 1.5))
    assert result.rig.unit == "m"
    assert result.rig.baselines[0, 1] == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"bone_length": {"wrist-tail": 0.1}}, "wrist-tail"),
        ({"bone_length": {"wrist-middle_mcp": -0.1}}, "wrist-middle_mcp"),
        ({"camera_distance": ("cam0", "cam9", 1.0)}, "cam9"),
    ],
)
def test_lengths_that_mean_nothing(arguments: dict, words: str) -> None:
    rig, tracks = hand_scene()
    short = tracks.of_frames(np.arange(45))
    with pytest.raises(CalibrationError, match=words):
        calibrate_tracks(short, rig.cameras, **arguments)


def test_no_camera_sees_anything() -> None:
    rig, tracks = hand_scene()
    with pytest.raises(CalibrationError, match="two cameras that see somebody"):
        calibrate_tracks(with_xy(tracks, np.full_like(tracks.xy, np.nan)), rig.cameras)


def test_a_camera_without_detections() -> None:
    rig, tracks = keypoint_scene(RIGHT_HAND, 3, seconds=2.0)
    xy = tracks.xy.copy()
    xy[2] = np.nan
    with pytest.raises(CalibrationError, match=r"cam2 \(0 frames\)"):
        calibrate_tracks(with_xy(tracks, xy), rig.cameras)


def test_a_camera_that_shares_nothing_with_the_others() -> None:
    rig, tracks = keypoint_scene(RIGHT_HAND, 3, seconds=4.0)
    xy = tracks.xy.copy()
    xy[:2, 30:], xy[2, :30] = np.nan, np.nan
    with pytest.raises(CalibrationError, match=r"cam2 \(0 keypoints\)"):
        calibrate_tracks(with_xy(tracks, xy), rig.cameras)


def test_two_cameras_that_never_see_the_same() -> None:
    rig, tracks = hand_scene()
    xy = tracks.xy.copy()
    xy[0, 30:], xy[1, :30] = np.nan, np.nan
    with pytest.raises(CalibrationError, match="cam0 and cam1 share 0 keypoints in 0 frames"):
        calibrate_tracks(with_xy(tracks, xy), rig.cameras)


def test_cameras_in_one_place() -> None:
    rig, tracks = hand_scene()
    same = CameraRig((rig[0], replace(rig[1], T_camera_world=rig[0].T_camera_world)))
    with pytest.raises(CalibrationError, match="same direction"):
        calibrate_tracks(seen_by(same, hand_motion(tracks.times_s), 0.3), same.cameras)


def test_narrow_baseline() -> None:
    rig, tracks = hand_scene()
    T = rig[0].T_camera_world.copy()
    T[0, 3] -= 0.03
    near = CameraRig((rig[0], replace(rig[1], T_camera_world=T)))
    result = calibrate_tracks(seen_by(near, hand_motion(tracks.times_s), 0.5), near.cameras)
    assert Name.narrow_baseline in names_of(result, Severity.error, Severity.warning)


def test_a_hand_that_fills_too_little_of_the_space_leaves_the_rotation_uncertain() -> None:
    far = arc_rig(2, distance=12.0)
    result = calibrate_tracks(seen_by(far, hand_motion(np.arange(90) / 15), 0.3), far.cameras)
    assert names_of(result, Severity.error, Severity.warning) & {Name.centre_only, Name.too_few_views}
    assert np.degrees(result.rotation_std_rad) > 2


def test_nothing_moves_and_no_offset_is_claimed() -> None:
    rig, _ = hand_scene()
    still = seen_by(rig, np.repeat(hand_motion(np.zeros(1)), 90, axis=0))
    result = calibrate_tracks(still, rig.cameras)
    assert np.isnan(result.measured_offsets_s[1])
    assert Name.unsynchronised not in names_of(result, *Severity)


def test_keypoints_that_fit_no_rig() -> None:
    rig, _ = hand_scene()
    nonsense = np.random.default_rng(1).uniform(0, 900, (2, 60, 21, 2))
    with pytest.raises(CalibrationError, match=r"not fit together|same direction|too few to adjust"):
        calibrate_tracks(KeypointTracks.of(nonsense, RIGHT_HAND), rig.cameras)


def test_refinement_brings_a_knocked_camera_back_keeps_the_scale_and_warns() -> None:
    rig, tracks = hand_scene()
    T = rig[1].T_camera_world.copy()
    angle = np.radians(3.0)
    T[:3] = (
        np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]) @ T[:3]
    )
    knocked = replace(rig, cameras=(rig[0], replace(rig[1], T_camera_world=T)))
    result = refine_rig(knocked, tracks)
    assert rotation_errors_deg(result.rig, rig).max() < 0.5
    assert result.rig.baselines[0, 1] == pytest.approx(knocked.baselines[0, 1])
    assert np.allclose(result.rig[0].T_camera_world, rig[0].T_camera_world)
    assert result.findings[0].severity is Severity.warning
    assert "no amount of data" in result.findings[0].problem


@pytest.mark.parametrize("subjects", [RIGHT_HAND, PERSON, (Track(0, "body"), Track(1, "body"))])
def test_tracks_know_their_subjects(subjects: Sequence[Track]) -> None:
    joints = sum({"hand": 21, "body": 33}[subject.target] for subject in subjects)
    tracks = KeypointTracks.of(np.zeros((2, 5, joints, 2)), subjects)
    assert tracks.spans[-1][1].stop == joints
    for own, other in tracks.swaps:
        assert sorted(other) == own.tolist()
