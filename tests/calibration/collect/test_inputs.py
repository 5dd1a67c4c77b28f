"""Which cameras there are in the files and folders that a user names."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np
import pytest

from handloom.calibration.collect import find_cameras, match_lens_recordings
from handloom.calibration.collect.inputs import find_lens_recordings
from handloom.calibration.collect.picture_names import moment_keys
from handloom.errors import CalibrationError


def touch(folder: Path, *names: str) -> Path:
    """Files with nothing in them: which cameras there are is told by names."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def found(*recordings: Path) -> dict[str, int]:
    """Number of pictures by camera, 0 for a video."""
    return {camera.name: len(camera.pictures) for camera in find_cameras(recordings).cameras}


def pairs(name: str, cameras: tuple[str, ...] = ("left", "right"), count: int = 5) -> list[str]:
    return [name.format(camera=camera, n=n) for camera in cameras for n in range(1, count + 1)]


def test_videos_side_by_side_are_a_camera_each_in_natural_order(tmp_path: Path) -> None:
    touch(tmp_path, "cam_10.mp4", "cam_2.MP4", "cam_1.avi", "timestamps.csv", ".hidden.mp4")
    assert list(found(tmp_path)) == ["cam_1", "cam_2", "cam_10"]


def test_sub_folders_are_a_camera_each(tmp_path: Path) -> None:
    pictures = (f"int_cam0{c}_img/cam0{c}_0{n}_int.jpg" for c in (1, 2) for n in range(7))
    touch(tmp_path, *pictures, "notes/a.txt")
    assert found(tmp_path) == {"int_cam01_img": 7, "int_cam02_img": 7}


def test_sub_folders_with_one_video_each_are_named_after_the_folder(tmp_path: Path) -> None:
    touch(tmp_path, "front/video.mp4", "side/video.mp4")
    assert found(tmp_path) == {"front": 0, "side": 0}


def test_a_lone_sub_folder_is_looked_into(tmp_path: Path) -> None:
    touch(tmp_path, "extrinsic/cam_0.mp4", "extrinsic/cam_1.mp4")
    assert list(found(tmp_path)) == ["cam_0", "cam_1"]


@pytest.mark.parametrize(
    ("name", "cameras"),
    [
        ("{camera}{n:02}.jpg", ("left", "right")),
        ("{camera}_frame_{n}.png", ("cam0", "cam1", "cam2")),
        ("shot{n:03}_{camera}.png", ("a", "b")),
        ("frame{n:03}_{camera}.png", ("cam0", "cam1")),
        ("2024-05-06 {camera} {n}.png", ("1", "2", "3")),
    ],
)
def test_names_tell_cameras_in_one_folder_apart(tmp_path: Path, name: str, cameras: tuple[str, ...]) -> None:
    touch(tmp_path, *pairs(name, cameras))
    inputs = find_cameras([tmp_path])
    assert [len(camera.pictures) for camera in inputs.cameras] == [5] * len(cameras)
    for camera, part in zip(inputs.cameras, cameras, strict=True):
        assert part in camera.name
    assert any(f"{len(cameras)} cameras" in note for note in inputs.notes)


@pytest.mark.parametrize(
    "names",
    [
        [f"{n:04}.png" for n in range(8)],
        [f"IMG_{n}.jpg" for n in (3, 17, 204)],
        [f"IMG_20240506_11{n}5{n}07.jpg" for n in range(6)],
        [f"Photo 2024-05-06 at 11.{n // 2:02}.{7 * n % 60:02}.jpeg" for n in range(12)],
        ["near.jpg", "far.jpg", "tilted.jpg"],
        ["board.jpg", "board (2).jpg", "board (3).jpg"],
    ],
)
def test_a_folder_of_one_cameras_pictures_is_named_after_the_folder(tmp_path: Path, names: list[str]) -> None:
    touch(tmp_path / "front", *names)
    assert found(tmp_path / "front") == {"front": len(names)}


def test_a_picture_without_a_number_beside_numbered_ones_is_left_out_with_a_note(tmp_path: Path) -> None:
    touch(tmp_path, *pairs("{camera}{n:02}.jpg"), "chessboard.png", "intrinsics.yml")
    inputs = find_cameras([tmp_path])
    assert [camera.name for camera in inputs.cameras] == ["left", "right"]
    assert any("chessboard.png is left out" in note for note in inputs.notes)


def test_a_single_picture_of_another_size_is_left_out_with_a_note(tmp_path: Path) -> None:
    for name in pairs("{camera}{n}.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((8, 12, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "third2.png"), np.zeros((8, 12, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "pattern1.png"), np.zeros((40, 40, 3), np.uint8))
    inputs = find_cameras([tmp_path])
    assert [camera.name for camera in inputs.cameras] == ["left", "right", "third"]
    assert any("pattern1.png is left out" in note for note in inputs.notes)


def test_pictures_named_one_by_one_are_read_like_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, *pairs("{camera}{n:02}.jpg"))
    assert found(*tmp_path.glob("*.jpg")) == {"left": 5, "right": 5}
    assert found(*tmp_path.glob("left*.jpg")) == {"left": 5}


def test_equal_file_names_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    touch(tmp_path, "a/take1/video.mp4", "b/take1/video.mp4", "c/other.mp4")
    videos = [tmp_path / "a/take1/video.mp4", tmp_path / "b/take1/video.mp4", tmp_path / "c/other.mp4"]
    assert list(found(*videos)) == ["a_take1", "b_take1", "other"]


def test_videos_pictures_and_folders_mix(tmp_path: Path) -> None:
    touch(tmp_path, "films/cam0.mp4", "films/cam1.mp4", "top/1.png", "top/2.png")
    touch(tmp_path, *pairs("stereo/{camera}{n}.png"))
    assert found(*tmp_path.iterdir()) == {"cam0": 0, "cam1": 0, "left": 5, "right": 5, "top": 2}


def test_the_order_of_the_arguments_does_not_matter(tmp_path: Path) -> None:
    touch(tmp_path, "x/v.mp4", "y/v.mp4", "cam9.mp4", "cam10.mp4", *pairs("{camera}{n}.png"))
    places = [path for path in tmp_path.rglob("*") if path.is_file()]
    first = find_cameras(places)
    random.Random(1).shuffle(places)
    assert find_cameras(places) == first


def test_a_missing_path(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="There is no video"):
        find_cameras([tmp_path / "cam0.mp4"])


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="holds no videos or pictures"):
        find_cameras([tmp_path])


def test_no_recordings() -> None:
    with pytest.raises(CalibrationError, match="nothing to calibrate"):
        find_cameras([])


def test_a_recording_named_twice(tmp_path: Path) -> None:
    touch(tmp_path, "cam0.mp4", "cam1.mp4")
    with pytest.raises(CalibrationError, match="named twice"):
        find_cameras([tmp_path, tmp_path / "cam1.mp4"])


def test_videos_beside_a_series_of_pictures(tmp_path: Path) -> None:
    touch(tmp_path, "cam0.mp4", "cam1.mp4", *(f"frame{n}.png" for n in range(5)))
    with pytest.raises(CalibrationError, match="not clear which are the cameras"):
        find_cameras([tmp_path])


def test_one_picture_beside_videos_is_left_out_with_a_note(tmp_path: Path) -> None:
    touch(tmp_path, "cam0.mp4", "cam1.mp4", "setup.jpg")
    inputs = find_cameras([tmp_path])
    assert len(inputs.cameras) == 2
    assert any("setup.jpg is left out" in note for note in inputs.notes)


def test_groups_of_names_without_common_numbers(tmp_path: Path) -> None:
    touch(tmp_path, *(f"left{n}.png" for n in range(8)), *(f"right{n}.png" for n in range(20, 28)))
    with pytest.raises(CalibrationError, match=r"of one camera or of several.*folder of its own"):
        find_cameras([tmp_path])


def test_folders_of_several_recordings_side_by_side(tmp_path: Path) -> None:
    touch(tmp_path, "monday/cam0.mp4", "monday/cam1.mp4", "tuesday/cam0.mp4", "tuesday/cam1.mp4")
    with pytest.raises(CalibrationError, match=r"monday holds several recordings.*Name"):
        find_cameras([tmp_path])


def test_moments_go_by_number_not_by_position() -> None:
    keys = moment_keys({"left": [Path("left02.jpg"), Path("left10.jpg")], "right": [Path("right010.jpg")]})
    assert keys == {"left": [(2,), (10,)], "right": [(10,)]}


def test_moments_of_which_the_last_number_is_not_the_only_one() -> None:
    names = {c: [f"{c}_{n}_{k}.jpg" for n in (1, 2) for k in (0, 1)] for c in ("cam3", "cam4")}
    keys = moment_keys({camera: [Path(name) for name in of_camera] for camera, of_camera in names.items()})
    assert keys["cam3"] == keys["cam4"] == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_moments_by_name() -> None:
    keys = moment_keys({"a": [Path("a/near.jpg"), Path("a/far.jpg")], "b": [Path("b/far.png")]})
    assert keys == {"a": ["near", "far"], "b": ["far"]}


def test_lens_recordings_take_every_video_and_picture(tmp_path: Path) -> None:
    touch(tmp_path, "clip.mp4", "one.png", "other7.png")
    pictures, video = find_lens_recordings({"cam0": tmp_path})["cam0"]
    assert video.video == tmp_path / "clip.mp4"
    assert len(pictures.pictures) == 2


def test_lens_recordings_of_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="for camera cam0"):
        find_lens_recordings({"cam0": tmp_path})


def test_lens_recordings_find_their_camera_by_name(tmp_path: Path) -> None:
    touch(tmp_path, "int_cam1_img/1.png", "int_cam10_img/1.png", "cam2.mp4")
    matched = match_lens_recordings(list(tmp_path.iterdir()), ["cam1", "cam2", "cam10"])
    assert {name: len(paths) for name, paths in matched.items()} == {"cam1": 1, "cam2": 1, "cam10": 1}


def test_a_lens_recording_of_no_camera(tmp_path: Path) -> None:
    touch(tmp_path, "gopro.mp4")
    with pytest.raises(CalibrationError, match=r"gopro.* fits no camera of cam0, cam1"):
        match_lens_recordings([tmp_path / "gopro.mp4"], ["cam0", "cam1"])


def test_layouts_of_real_recordings(data: Path) -> None:
    assert found(data / "opencv_samples") == {"left": 13, "right": 13}
    sessions = data / "caliscope" / "sessions"
    four = sessions / "4_cam_recording" / "calibration" / "extrinsic"
    assert list(found(four)) == ["cam_0", "cam_1", "cam_2", "cam_3"]
    assert list(found(sessions / "h264_extrinsic")) == ["cam_0", "cam_1"]
    assert list(found(sessions / "chessboard_intrinsic").values()) == [5, 1, 1, 1]
    intrinsics = data / "pose2sim/Demo_SinglePerson/calibration/intrinsics"
    assert found(intrinsics) == {f"int_cam0{n}_img": 7 for n in (1, 2, 3, 4)}
