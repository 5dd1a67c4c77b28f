"""From a filmed board to a rig: the truth is recovered, whatever the order; failures say why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from plain_grid import PlainGrid
from scipy.spatial.transform import Rotation

from handloom.calibration import (
    CalibrateOptions,
    NotCalibrated,
    Severity,
    Sightings,
    calibrate_sightings,
    parse_board,
)
from handloom.calibration.collect import collect
from handloom.calibration.pipeline import LENSES_ONLY, calibrate
from handloom.cameras import CameraRig
from handloom.errors import CalibrationError
from handloom.synthesis.board_scene import BoardScene, make_board_scene
from handloom.synthesis.board_video import film_board

BOARD = PlainGrid()


@pytest.fixture(scope="module")
def scene() -> BoardScene:
    return make_board_scene(BOARD, 3, 90, outliers=0.1)


def errors(found: CameraRig, true: CameraRig) -> tuple[float, float, float]:
    """Largest relative error of a focal length, rotation in degrees, and place relative to the distance."""
    focal, degrees, place = [], [], []
    for a, b in zip(found, true, strict=True):
        focal.append(abs(a.K[0, 0] / b.K[0, 0] - 1))
        A = a.T_camera_world @ np.linalg.inv(found[0].T_camera_world)
        B = b.T_camera_world @ np.linalg.inv(true[0].T_camera_world)
        degrees.append(np.degrees(Rotation.from_matrix(A[:3, :3] @ B[:3, :3].T).magnitude()))
        if a.name != found[0].name:
            place.append(np.linalg.norm(A[:3, 3] - B[:3, 3]) / np.linalg.norm(B[:3, 3]))
    return max(focal), max(degrees), max(place)


def test_a_rig_is_recovered_in_spite_of_outliers(scene: BoardScene) -> None:
    calibration = calibrate_sightings(scene.sightings)
    focal, degrees, place = errors(calibration.rig, scene.rig)
    assert focal < 0.003
    assert degrees < 0.25
    assert place < 0.005
    assert calibration.trusted
    assert calibration.rig.unit == "m"
    assert calibration.rms_px == pytest.approx(0.2 * np.sqrt(2), rel=0.05)
    assert calibration.held_out_px == pytest.approx(0.2 * np.sqrt(2), rel=0.15)
    assert not (calibration.used & scene.outlier).any()


def test_the_order_of_the_files_does_not_matter(scene: BoardScene) -> None:
    s = scene.sightings
    turned = Sightings.build(
        BOARD, s.cameras[::-1], s.image_sizes[::-1], s.times_s, 2 - s.camera[::-1], s.moment[::-1],
        s.corner[::-1], s.pixels[::-1],
    )  # fmt: skip
    one, other = calibrate_sightings(s), calibrate_sightings(turned)
    assert one.rig.allclose(other.rig, tolerance=0.0)


def test_known_lenses_are_held(scene: BoardScene) -> None:
    known = {camera.name: camera for camera in scene.rig}
    calibration = calibrate_sightings(scene.sightings, CalibrateOptions(known_lenses=known))
    for found, true in zip(calibration.rig, scene.rig, strict=True):
        np.testing.assert_array_equal(found.K, true.K)
    assert errors(calibration.rig, scene.rig)[1] < 0.05
    assert {lens.model for lens in calibration.lenses} == {"given"}


def test_a_known_focal_length_is_held_and_the_rest_is_not(scene: BoardScene) -> None:
    stated = 1.002 * scene.rig["cam1"].K[0, 0]
    rig = calibrate_sightings(scene.sightings, CalibrateOptions(known_focal_px={"cam1": stated})).rig
    assert rig["cam1"].K[0, 0] == pytest.approx(stated, rel=1e-6)
    assert rig["cam0"].K[0, 0] != stated
    assert rig["cam0"].K[0, 0] == pytest.approx(scene.rig["cam0"].K[0, 0], rel=0.01)


def test_lenses_alone_have_no_places(scene: BoardScene) -> None:
    calibration = calibrate_sightings(scene.sightings, CalibrateOptions(lenses_only=True))
    assert calibration.rig.warnings == (LENSES_ONLY,)
    for found, true in zip(calibration.rig, scene.rig, strict=True):
        np.testing.assert_array_equal(found.T_camera_world, np.eye(4))
        assert found.K[0, 0] == pytest.approx(true.K[0, 0], rel=0.01)


def test_one_camera_alone_is_calibrated(scene: BoardScene) -> None:
    calibration = calibrate_sightings(make_board_scene(BOARD, 1, 60).sightings)
    assert len(calibration.rig) == 1
    assert calibration.trusted


def test_the_floor_can_be_the_world(scene: BoardScene) -> None:
    calibration = calibrate_sightings(scene.sightings, CalibrateOptions(world="floor:1.0s"))
    board = calibration.T_world_board[30]  # at 30 pictures a second
    np.testing.assert_allclose(board[:3, 3], 0.0, atol=1e-12)
    np.testing.assert_allclose(np.abs(board[2, 2]), 1.0)
    assert (calibration.rig.centers[:, 2] > 0).all()
    np.testing.assert_array_equal(calibration.rig.up, [0, 0, 1])


def test_a_measured_distance_sets_the_scale(scene: BoardScene) -> None:
    true = float(np.linalg.norm(scene.rig["cam0"].center - scene.rig["cam1"].center))
    options = CalibrateOptions(distances_m={("cam0", "cam1"): 1.002 * true})
    rig = calibrate_sightings(scene.sightings, options).rig
    assert rig.baselines[0, 1] == pytest.approx(1.002 * true, rel=1e-9)


@pytest.mark.parametrize("world", ["ceiling", "floor:9999", "board:-3"])
def test_a_world_there_is_not(scene: BoardScene, world: str) -> None:
    with pytest.raises(CalibrationError):
        calibrate_sightings(scene.sightings, CalibrateOptions(world=world))


def test_an_unlinked_camera_keeps_the_result_from_being_trusted(scene: BoardScene) -> None:
    s = scene.sightings
    # The last camera is shown the board before, the others after.
    apart = s.where(np.where(s.camera == 2, s.moment < 45, s.moment >= 45))
    calibration = calibrate_sightings(apart)
    assert calibration.rig.names == ("cam0", "cam1")
    assert not calibration.trusted
    found = [f for f in calibration.findings if f.name == "unlinked-camera"]
    assert found[0].severity is Severity.error
    assert "cam2" in found[0].problem


def test_nothing_seen_is_said_so(scene: BoardScene) -> None:
    with pytest.raises(NotCalibrated) as caught:
        calibrate_sightings(scene.sightings.where(np.zeros(len(scene.sightings), dtype=bool)))
    assert caught.value.findings[0].name == "nothing-found"
    assert caught.value.remedy


def test_a_filmed_board_gives_the_rig_that_filmed_it(tmp_path: Path) -> None:
    board = parse_board("charuco:6x5:60mm")
    scene = make_board_scene(board, 2, 40, seed=3)
    small = CameraRig(tuple(camera.scaled(640, 360) for camera in scene.rig), up=scene.rig.up)
    film_board(replace(scene, rig=small), tmp_path, fps=30.0)
    calibration = calibrate([tmp_path], board.spec)
    focal, degrees, place = errors(calibration.rig, small)
    assert focal < 0.01
    assert degrees < 0.4
    assert place < 0.01
    assert calibration.rms_px < 0.2


def test_opencv_stereo_pairs(data: Path) -> None:
    calibration = calibrate([data / "opencv_samples"], "chessboard:9x6:25mm")
    assert calibration.rig.names == ("left", "right")
    assert calibration.rms_px < 0.23
    assert 1000 * calibration.rig.baselines[0, 1] == pytest.approx(82.8, abs=0.5)
    assert calibration.trusted


def test_a_test_card_is_no_board(data: Path) -> None:
    collected = collect([data / "caliscope/sessions/h264_extrinsic"], parse_board("charuco:4x5:54mm"))
    with pytest.raises(NotCalibrated, match="nothing-found"):
        calibrate_sightings(collected.sightings, facts=collected.facts)
