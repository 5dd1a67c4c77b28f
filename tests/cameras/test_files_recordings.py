"""Calibrations that other tools wrote for real recordings."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from handloom.cameras import read_rig, write_rig
from handloom.errors import CameraFileError, RigError


def nearest_points_on_axes(a, b):
    """The points of the optical axes of two cameras that are nearest to each other."""
    directions = np.stack([a.axis, -b.axis], axis=1)
    (s, t), *_ = np.linalg.lstsq(directions, b.center - a.center, rcond=None)
    return a.center + s * a.axis, b.center + t * b.axis, s, t


def test_temugeb_rig(data):
    rig = read_rig(data / "temugeb_handpose3d" / "camera_parameters")
    assert rig.names == ("cam0", "cam1")
    assert rig.unit == "unknown"
    assert [camera.image_size for camera in rig] == [None, None]
    np.testing.assert_allclose(rig[0].K[0], [926.0774422800577, 0.0, 356.0891925607645])
    np.testing.assert_allclose(rig[1].distortion[4], -6.044993682556749)
    # The second block of rot_trans_c1.dat, from camera 0 to camera 1, must not have been taken.
    np.testing.assert_allclose(rig[1].T_camera_world[:3, 3], [1.38111884, 5.19805597, 16.669449])
    # But it must agree with what was read.
    relative = rig[1].T_camera_world @ np.linalg.inv(rig[0].T_camera_world)
    np.testing.assert_allclose(relative[:3, 3], [9.096032, -5.883682, 6.275524], atol=1e-4)
    assert rig.baselines[0, 1] == pytest.approx(12.52, abs=0.005)
    angle = np.degrees(np.arccos(rig[0].axis @ rig[1].axis))
    assert angle == pytest.approx(44, abs=0.5)


def test_temugeb_rig_in_board_squares_and_in_metres(data):
    folder = data / "temugeb_handpose3d" / "camera_parameters"
    assert read_rig(folder, unit="board-square").unit == "board-square"
    metric = read_rig(folder, unit="4.6 cm")
    assert metric.unit == "m"
    assert metric.baselines[0, 1] == pytest.approx(12.52 * 0.046, abs=3e-4)


def test_temugeb_lens_folds_inside_the_picture(data):
    camera = read_rig(data / "temugeb_handpose3d" / "camera_parameters")["cam0"]
    middle, corner = camera.undistort([[360.0, 360.0], [0.0, 0.0]])
    assert np.isfinite(middle).all()
    assert np.isnan(corner).all()


def test_caliscope_rig_reprojects_its_own_points(data):
    session = data / "caliscope" / "sessions" / "4_cam_recording"
    rig = read_rig(session)
    assert rig.unit == "m"
    assert rig.names == ("cam_0", "cam_1", "cam_2", "cam_3")
    table = pd.read_csv(session / "calibration" / "extrinsic" / "stereotriangulated_points.csv")
    points = table[["x_pos", "y_pos", "z_pos"]].to_numpy()
    errors = []
    for side in "AB":
        seen = table[[f"x_{side}", f"y_{side}"]].to_numpy()
        for number in range(4):
            rows = (table[f"cam_id_{side}"] == number).to_numpy()
            errors.append(np.linalg.norm(rig[f"cam_{number}"].project(points[rows]) - seen[rows], axis=-1))
    assert np.median(np.concatenate(errors)) < 2.0


def test_caliscope_rig_without_extrinsics(data):
    with pytest.raises(CameraFileError, match="no extrinsics for cam_1, cam_2"):
        read_rig(data / "caliscope" / "sessions" / "not_sufficient_stereopairs")


def test_qualisys_cameras_look_at_a_common_volume_from_above_the_floor(data):
    rig = read_rig(data / "pose2sim" / "Demo_SinglePerson" / "calibration")
    assert rig.names == ("cam01", "cam02", "cam03", "cam04")
    assert rig.unit == "m"
    np.testing.assert_array_equal(rig.up, [0.0, 0.0, 1.0])
    assert [camera.image_size for camera in rig] == [(1088, 1920)] * 4
    assert rig[0].K[0, 0] == pytest.approx(107599.671875 / 64)
    assert (rig.centers[:, 2] > 1.5).all()
    middles = []
    for i, a in enumerate(rig):
        for b in rig.cameras[i + 1 :]:
            on_a, on_b, depth_a, depth_b = nearest_points_on_axes(a, b)
            assert depth_a > 0
            assert depth_b > 0
            assert np.linalg.norm(on_a - on_b) < 1.0
            middles.append((on_a + on_b) / 2)
    assert np.linalg.norm(np.ptp(middles, axis=0)) < 3.0
    # A person standing upright in the middle has the head above the feet in every portrait picture.
    feet = np.mean(middles, axis=0) * [1, 1, 0]
    head = feet + np.array([0, 0, 1.7])
    pixels = rig.project([feet, head])
    assert (pixels[:, 1, 1] < pixels[:, 0, 1] - 200).all()


def test_qualisys_is_metric_already(data):
    with pytest.raises(RigError, match="in metres already"):
        read_rig(data / "pose2sim" / "Demo_SinglePerson" / "calibration", unit="mm")


def test_opencv_single_camera(data):
    rig = read_rig(data / "opencv_samples" / "left_intrinsics.yml")
    assert rig.names == ("cam0",)
    assert rig[0].image_size == (640, 480)
    assert rig[0].K[0, 0] == pytest.approx(535.91573396)
    np.testing.assert_array_equal(rig[0].T_camera_world, np.eye(4))


def test_opencv_stereo_pair_without_its_extrinsics(data):
    with pytest.raises(CameraFileError, match=r"intrinsics\.yml has no extrinsics"):
        read_rig(data / "opencv_samples" / "intrinsics.yml")


def test_opencv_stereo_pair(data, tmp_path):
    shutil.copy(data / "opencv_samples" / "intrinsics.yml", tmp_path)
    (tmp_path / "extrinsics.yml").write_text(
        "%YAML:1.0\n---\nR: !!opencv-matrix\n   rows: 3\n   cols: 3\n   dt: d\n"
        "   data: [ 1., 0., 0., 0., 1., 0., 0., 0., 1. ]\n"
        "T: !!opencv-matrix\n   rows: 3\n   cols: 1\n   dt: d\n   data: [ -3.3, 0., 0. ]\n"
    )
    for path in (tmp_path, tmp_path / "intrinsics.yml", tmp_path / "extrinsics.yml"):
        rig = read_rig(path)
        assert rig.unit == "unknown"
        np.testing.assert_allclose(rig.centers, [[0, 0, 0], [3.3, 0, 0]])
        assert rig[1].K[0, 2] == pytest.approx(334.55744527912015)


@pytest.mark.parametrize(
    "path",
    [
        "opencv_samples/left01.jpg",
        "opencv_samples/stereo_calib.xml",
        "opencv_samples/calibration.yml",
        "README.md",
    ],
)
def test_other_files_are_not_taken_for_calibrations(data, path):
    with pytest.raises(CameraFileError, match=r"not a (camera calibration known here|text file)"):
        read_rig(data / path)


def test_real_rigs_survive_the_native_file(data, tmp_path):
    for source in (
        "temugeb_handpose3d/camera_parameters",
        "caliscope/sessions/4_cam_recording",
        "pose2sim/Demo_SinglePerson/calibration",
    ):
        rig = read_rig(data / source)
        write_rig(rig, tmp_path / "rig.toml")
        assert read_rig(tmp_path / "rig.toml").allclose(rig)
