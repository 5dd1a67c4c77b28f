"""What is particular to each format, in files written by hand."""

from __future__ import annotations

import json
import textwrap
from dataclasses import replace

import camera_scenes as scenes
import cv2
import numpy as np
import pytest

from handloom.cameras import CameraRig, read_rig, write_rig

INTRINSICS = """intrinsic:
900.0 0.0 640.0
0.0 901.0 360.0
0.0 0.0 1.0
distortion:
0.1 -0.2 0.0 0.0 0.0
"""
QUARTER_TURN = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])


def pose_text(R, t):
    rows = [" ".join(map(str, row)) for row in np.asarray(R).tolist()]
    return "\n".join(["R:", *rows, "T:", *map(str, t), ""])


def transform(R, t):
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, t
    return T


def calibrator_folder(folder):
    """The second naming scheme: camera 0 is the world, camera 1 stands relative to it."""
    for number, (R, t) in enumerate([(np.eye(3), (0, 0, 0)), (QUARTER_TURN, (1, 2, 3))]):
        (folder / f"camera{number}_intrinsics.dat").write_text(INTRINSICS)
        (folder / f"camera{number}_rot_trans.dat").write_text(pose_text(R, t))
    return folder


def test_dat_in_the_calibrators_names(tmp_path):
    rig = read_rig(calibrator_folder(tmp_path))
    assert rig.names == ("cam0", "cam1")
    assert rig.unit == "unknown"
    np.testing.assert_array_equal(rig[0].T_camera_world, np.eye(4))
    np.testing.assert_array_equal(rig[1].T_camera_world, transform(QUARTER_TURN, (1, 2, 3)))


def test_dat_with_a_world_frame_given_for_camera_0_moves_both(tmp_path):
    calibrator_folder(tmp_path)
    R, _ = cv2.Rodrigues(np.array([0.3, -0.2, 0.9]))
    (tmp_path / "world_to_camera0_rot_trans.dat").write_text(pose_text(R, (4, 5, 6)))
    rig = read_rig(tmp_path)
    T_camera0_world = transform(R, (4, 5, 6))
    np.testing.assert_allclose(rig[0].T_camera_world, T_camera0_world, atol=1e-12)
    expected = transform(QUARTER_TURN, (1, 2, 3)) @ T_camera0_world
    np.testing.assert_allclose(rig[1].T_camera_world, expected, atol=1e-12)


def test_dat_with_a_world_frame_given_for_every_camera(tmp_path):
    calibrator_folder(tmp_path)
    (tmp_path / "world_to_camera0_rot_trans.dat").write_text(pose_text(np.eye(3), (4, 5, 6)))
    (tmp_path / "world_to_camera1_rot_trans.dat").write_text(pose_text(np.eye(3), (7, 8, 9)))
    np.testing.assert_array_equal(read_rig(tmp_path)[1].T_camera_world[:3, 3], (7, 8, 9))


def test_dat_takes_the_first_of_two_blocks(tmp_path):
    second = pose_text(QUARTER_TURN, (7, 7, 7))
    (tmp_path / "c0.dat").write_text(INTRINSICS)
    (tmp_path / "rot_trans_c0.dat").write_text(
        pose_text(np.eye(3), (1, 2, 3)) + "\n#from cam0 to cam1: R:\n" + second
    )
    np.testing.assert_array_equal(read_rig(tmp_path)[0].T_camera_world, transform(np.eye(3), (1, 2, 3)))


def test_dat_of_twelve_cameras_in_the_order_of_their_numbers(tmp_path):
    for number in range(12):
        (tmp_path / f"c{number}.dat").write_text(INTRINSICS)
        (tmp_path / f"rot_trans_c{number}.dat").write_text(pose_text(np.eye(3), (number, 0, 0)))
    rig = read_rig(tmp_path)
    assert rig.names == tuple(f"cam{number}" for number in range(12))
    np.testing.assert_array_equal(rig.centers[:, 0], -np.arange(12))


def test_dat_as_the_seeds_scripts_read_it(tmp_path):
    """They read fixed lines: a header, three rows, a header, and the rest of the numbers."""
    rig = scenes.rig(("five", "folding"))
    write_rig(rig, tmp_path, "dat")
    for i, camera in enumerate(rig):
        lines = (tmp_path / f"c{i}.dat").read_text().splitlines()
        assert (lines[0], lines[4]) == ("intrinsic:", "distortion:")
        np.testing.assert_array_equal([row.split() for row in lines[1:4]], camera.K.astype(str))
        assert [float(value) for value in lines[5].split()] == camera.distortion.tolist()
        lines = (tmp_path / f"rot_trans_c{i}.dat").read_text().splitlines()
        assert (lines[0], lines[4]) == ("R:", "T:")
        assert [float(row) for row in lines[5:8]] == camera.T_camera_world[:3, 3].tolist()


ANIPOSE = """
    [cam_0]
    name = "left"
    size = [ 640, 480,]
    matrix = [ [ 900.0, 0.0, 320.0,], [ 0.0, 900.0, 240.0,], [ 0.0, 0.0, 1.0,],]
    distortions = [ 0.1, 0.0, 0.0, 0.0, 0.0,]
    rotation = [ 0.0, 0.0, 0.0,]
    translation = [ 0.0, 0.0, 0.0,]

    [cam_1]
    name = "right"
    size = [ 640, 480,]
    matrix = [ [ 900.0, 0.0, 320.0,], [ 0.0, 900.0, 240.0,], [ 0.0, 0.0, 1.0,],]
    distortions = [ 0.1,]
    rotation = [ 0.0, 1.5707963267948966, 0.0,]
    translation = [ -100.0, 0.0, 0.0,]

    [metadata]
    adjusted = false
    error = 0.4
"""


def test_plain_aniposelib_states_no_unit(tmp_path):
    path = tmp_path / "calibration.toml"
    path.write_text(textwrap.dedent(ANIPOSE))
    rig = read_rig(path)
    assert rig.names == ("left", "right")
    assert rig.unit == "unknown"
    assert rig.up is None
    assert rig["left"].image_size == (640, 480)
    np.testing.assert_allclose(rig["right"].axis, [-1.0, 0.0, 0.0], atol=1e-12)
    np.testing.assert_array_equal(rig["right"].distortion, [0.1, 0.0, 0.0, 0.0])
    assert read_rig(path, unit="mm").baselines[0, 1] == pytest.approx(0.1)


def test_a_unit_of_length_in_the_metadata_is_converted(tmp_path):
    path = tmp_path / "calibration.toml"
    path.write_text(textwrap.dedent(ANIPOSE) + '    unit = "mm"\n')
    rig = read_rig(path)
    assert rig.unit == "m"
    assert rig.baselines[0, 1] == pytest.approx(0.1)


def test_pose2sim_tables_may_have_any_name(tmp_path):
    path = tmp_path / "Calib.toml"
    text = textwrap.dedent(ANIPOSE).replace("cam_0", "int_left").replace("cam_1", "int_right")
    path.write_text(text.replace('name = "left"\n', ""))
    assert read_rig(path).names == ("int_left", "right")


def test_superfluous_zero_coefficients_are_dropped(tmp_path):
    path = tmp_path / "calibration.toml"
    zeros = "0.0, " * 13
    path.write_text(textwrap.dedent(ANIPOSE).replace("[ 0.1,]", f"[ 0.1, {zeros}]"))
    np.testing.assert_array_equal(read_rig(path)["right"].distortion, [0.1] + [0.0] * 7)


CALISCOPE = """
    [cameras.3]
    cam_id = 3
    rotation_count = -1
    size = [640, 480]
    matrix = [[900.0, 0.0, 320.0], [0.0, 900.0, 240.0], [0.0, 0.0, 1.0]]
    distortions = [0.1, 0.0, 0.0, 0.0, 0.0]
    rotation = [0.0, 1.5707963267948966, 0.0]
    translation = [0.5, 0.0, 0.0]

    [cameras.5]
    cam_id = 5
    ignore = true
    rotation = "null"
    translation = "null"
    size = [640, 480]
    matrix = [[900.0, 0.0, 320.0], [0.0, 900.0, 240.0], [0.0, 0.0, 1.0]]
    distortions = [0.1, 0.0, 0.0, 0.0, 0.0]
"""


def test_caliscope_rodrigues_vectors_and_ignored_cameras(tmp_path):
    path = tmp_path / "anything.toml"
    path.write_text(textwrap.dedent(CALISCOPE))
    rig = read_rig(path)
    assert rig.names == ("cam_3",)
    assert rig.unit == "m"
    np.testing.assert_allclose(rig[0].axis, [-1.0, 0.0, 0.0], atol=1e-12)
    write_rig(rig, path, "caliscope")
    assert "[cameras.3]" in path.read_text()
    assert read_rig(path).allclose(rig)


def easymocap_folder(folder, names=("01", "02")):
    intrinsics = cv2.FileStorage(str(folder / "intri.yml"), cv2.FILE_STORAGE_WRITE)
    extrinsics = cv2.FileStorage(str(folder / "extri.yml"), cv2.FILE_STORAGE_WRITE)
    for storage in (intrinsics, extrinsics):
        storage.startWriteStruct("names", cv2.FileNode_SEQ)
        for name in names:
            storage.write("", name)
        storage.endWriteStruct()
    for i, name in enumerate(names):
        intrinsics.write(f"K_{name}", np.array([[900.0, 0, 640], [0, 900.0, 360], [0, 0, 1]]))
        intrinsics.write(f"dist_{name}", np.full((1, 5), 0.01))
        extrinsics.write(f"R_{name}", np.array([[0.0], [0.1 * i], [0.0]]))
        extrinsics.write(f"T_{name}", np.array([[0.2 * i], [0.0], [3.0]]))
    intrinsics.release()
    extrinsics.release()
    return folder


def test_easymocap_with_rodrigues_vectors_only(tmp_path):
    rig = read_rig(easymocap_folder(tmp_path))
    assert rig.names == ("01", "02")
    assert rig.unit == "unknown"
    assert rig[0].image_size is None
    np.testing.assert_allclose(rig[1].axis, [-np.sin(0.1), 0.0, np.cos(0.1)], atol=1e-12)


def test_easymocap_names_without_quotes_keep_their_zeros(tmp_path):
    easymocap_folder(tmp_path)
    for name in ("intri.yml", "extri.yml"):
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace('"01"', "01").replace('"02"', "02"))
    assert read_rig(tmp_path).names == ("01", "02")


def test_opencv_fisheye_of_the_calibration_sample(tmp_path):
    storage = cv2.FileStorage(str(tmp_path / "lens.yml"), cv2.FILE_STORAGE_WRITE)
    storage.write("fisheye_model", 1)
    storage.write("camera_matrix", np.array([[300.0, 0, 320], [0, 300.0, 240], [0, 0, 1]]))
    storage.write("distortion_coefficients", np.array([[0.1, 0.02, 0.0, 0.0]]).T)
    storage.release()
    assert read_rig(tmp_path / "lens.yml")[0].model == "fisheye"


QUALISYS = """<?xml version='1.0' encoding='ASCII'?>
<calibration><cameras>
 <camera active="1" serial="21001">
  <fov_video bottom="819" left="100" right="739" top="20"/>
  <transform r11="1" r12="0" r13="0" r21="0" r22="1" r23="0" r31="0" r32="0" r33="1"
   x="100" y="200" z="3000"/>
  <intrinsic centerPointU="26880" centerPointV="26880" focalLengthU="57600" focalLengthV="57664"
   radialDistortion1="-0.05" radialDistortion2="0.1" radialDistortion3="0.01"
   tangentalDistortion1="0.001" tangentalDistortion2="0.002"/>
 </camera>
 <camera active="0" serial="21002"/>
</cameras></calibration>
"""


def test_qualisys_pictures_are_cut_out_of_the_sensor(tmp_path):
    path = tmp_path / "calibration.txt"
    path.write_text(QUALISYS)
    rig = read_rig(path)
    assert rig.names == ("21001",)
    assert rig[0].image_size == (640, 800)
    np.testing.assert_array_equal(rig[0].K, [[900, 0, 320], [0, 901, 400], [0, 0, 1]])
    np.testing.assert_array_equal(rig[0].distortion, [-0.05, 0.1, 0.001, 0.002, 0.01])
    np.testing.assert_allclose(rig[0].center, [0.1, 0.2, 3.0])
    np.testing.assert_array_equal(rig[0].axis, [0.0, 0.0, -1.0])


def test_json_pair_makes_every_view_a_camera_in_board_squares(tmp_path):
    K = [[1183.47, 0, 507.97], [0, 1172.22, 401.4], [0, 0, 1]]
    views = [{"rvec": [[0.0], [0.1 * i], [0.0]], "tvec": [[0.0], [0.0], [20.0 + i]]} for i in range(15)]
    intrinsic = {"intrinsic": K, "distortion_coefficients": [0.1, -0.9, 0.0, 0.0, 4.52]}
    (tmp_path / "intrinsic.json").write_text(json.dumps(intrinsic))
    (tmp_path / "extrinsic.json").write_text(json.dumps({"extrinsicI": views}))
    rig = read_rig(tmp_path)
    assert len(rig) == 15
    assert rig.unit == "board-square"
    np.testing.assert_array_equal(rig["cam14"].K, K)
    np.testing.assert_allclose(np.linalg.norm(rig.centers, axis=1), 20.0 + np.arange(15))
    assert read_rig(tmp_path, unit="25 mm")["cam0"].T_camera_world[2, 3] == pytest.approx(0.5)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1.0, np.pi - 1e-5, np.pi - 1e-9, np.pi])
def test_rotation_vectors_are_exact_up_to_half_turns(tmp_path, angle):
    for axis in np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 2, 2], [-2, 1, 2]]):
        R, _ = cv2.Rodrigues(axis / np.linalg.norm(axis) * angle)
        rig = CameraRig((replace(scenes.camera(), T_camera_world=transform(R, (1, 2, 3))),))
        write_rig(rig, tmp_path / "rig.toml")
        assert read_rig(tmp_path / "rig.toml").allclose(rig, tolerance=1e-12)
