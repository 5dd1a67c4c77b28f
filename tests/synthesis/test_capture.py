"""The demo capture: complete, readable, true."""

from __future__ import annotations

import sys
from subprocess import run

import numpy as np
import pytest

from handloom.cameras import read_rig
from handloom.errors import HandloomError
from handloom.synthesis import demo_rig, make_demo_capture, read_truth
from handloom.video import open_video

SIZE, FRAMES = (320, 240), 8


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("capture")
    return folder, make_demo_capture(folder, cameras=2, frames=FRAMES, image_size=SIZE, seed=2)


def test_all_files_are_there_and_open(capture):
    folder, _ = capture
    rig = read_rig(folder / "rig.toml")
    assert rig.unit == "m"
    np.testing.assert_allclose(rig.up, [0, 0, 1])
    for camera in rig:
        with open_video(folder / f"{camera.name}.mp4") as video:
            assert video.image_size == camera.image_size == SIZE
            assert len(list(video.frames())) == FRAMES


def test_truth_read_is_truth_written(capture):
    folder, written = capture
    read = read_truth(folder / "truth.npz")
    assert read.sides == written.sides == ("right", "left")
    for name in ("keypoints", "joints", "shape", "angles", "T_world_wrist"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    assert read.keypoints.shape == (FRAMES, 2, 21, 3)


def test_truth_projects_into_the_pictures(capture):
    folder, truth = capture
    pixels = read_rig(folder / "rig.toml").project(truth.keypoints)
    assert np.isfinite(pixels).all()
    assert ((pixels > 0) & (pixels < np.array(SIZE) - 1)).mean() > 0.99


def test_pictures_show_skin_where_the_truth_says(capture):
    folder, truth = capture
    camera = read_rig(folder / "rig.toml")[0]
    column, row = np.rint(camera.project(truth.keypoints[0])).astype(int).reshape(-1, 2).T
    with open_video(folder / "cam0.mp4") as video:
        picture = next(iter(video.frames())).image.astype(float)
    at = picture[row, column]
    assert (at[:, 0] > at[:, 2]).mean() > 0.95, "skin is redder than it is blue"


def test_the_same_seed_gives_the_same_capture(capture, tmp_path):
    folder, truth = capture
    again = make_demo_capture(tmp_path, cameras=2, frames=FRAMES, image_size=SIZE, seed=2)
    np.testing.assert_array_equal(again.keypoints, truth.keypoints)
    assert (tmp_path / "cam1.mp4").read_bytes() == (folder / "cam1.mp4").read_bytes()


def test_one_hand_stands_in_the_middle(tmp_path):
    truth = make_demo_capture(tmp_path, cameras=1, frames=2, hands=("left",), image_size=SIZE)
    assert truth.sides == ("left",)
    assert np.abs(truth.joints[:, 0, 0, 0]).max() < 0.07


def test_cameras_stand_35_to_60_degrees_apart():
    rig = demo_rig(3)
    away = np.array([c.center - [0, 0, 0.085] for c in rig])
    distance = np.linalg.norm(away, axis=1)
    assert ((distance > 0.5) & (distance < 0.75)).all()
    cosine = (away[1:] * away[:-1]).sum(axis=1) / (distance[1:] * distance[:-1])
    assert (np.rad2deg(np.arccos(cosine)) > 35).all()
    assert any(np.abs(camera.distortion).max() > 0 for camera in rig)


@pytest.mark.parametrize("nothing", [{"cameras": 0}, {"frames": 0}, {"hands": ()}, {"hands": ("both",)}])
def test_a_capture_of_nothing_is_refused(tmp_path, nothing):
    with pytest.raises(ValueError, match=r"nothing to film|side"):
        make_demo_capture(tmp_path, image_size=SIZE, **{"frames": 2} | nothing)
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_way_of_the_folder_is_named(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(HandloomError, match="taken"):
        make_demo_capture(tmp_path / "taken", frames=1, image_size=SIZE)


def test_no_torch_is_needed():
    code = "import sys, handloom.synthesis; assert not {'torch', 'rerun', 'rich', 'typer'} & set(sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0
