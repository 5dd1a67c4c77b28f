"""A session read back is the session written; what is wrong with a folder is said."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from synthetic import LEFT_HAND, PERSON, RIGHT_HAND, Scene, arc_rig

from handloom.errors import SessionError
from handloom.keypoints import Track
from handloom.session import Journal, Session, SessionWriter, Window, describe_run, read_record, write_record
from handloom.session.layout import FRAMES, KEYPOINTS_2D, KEYPOINTS_3D, PARTIAL, RUN


def write(folder: Path, scene: Scene, *windows: Window) -> Session:
    with SessionWriter(folder, scene.rig) as writer:
        for window in windows:
            writer.append(window)
        writer.finish(describe_run(["test"]))
    return Session.open(folder)


def assert_same(session: Session, window: Window) -> None:
    """The session holds the window: 3D to the last bit, 2D as float32."""
    assert_array_equal(session.frames, window.frames)
    assert_array_equal(session.times_s, window.times_s)
    assert_array_equal(session.source_frames, window.source_frames)
    assert set(session.tracks) == {*window.observations, *window.points}
    for track, written in window.points.items():
        points = session.keypoints3d(track)
        missing = np.isnan(written.xyz).any(axis=-1)
        assert_array_equal(points.xyz, np.where(missing[..., None], np.nan, written.xyz))
        assert_array_equal(session.positions(track), points.xyz)
        expected = np.where(missing[..., None, None], np.nan, written.covariance)
        assert_array_equal(points.covariance, expected)
        assert_array_equal(points.views_used, np.where(missing, 0, written.views_used))
        expected = np.where(missing, np.nan, written.reprojection_px).astype(np.float32)
        assert_array_equal(points.reprojection_px.astype(np.float32), expected)
        assert points.unit == session.unit
    for track, observed in window.observations.items():
        seen = session.keypoints2d(track)
        assert_array_equal(seen.xy, observed.xy.astype(np.float32))
        assert_array_equal(seen.confidence, observed.confidence.astype(np.float32))
        assert_array_equal(seen.used, observed.used)


@given(
    frames=st.integers(1, 40),
    cameras=st.integers(1, 4),
    missing=st.sampled_from([0.0, 0.3, 0.97, 1.0]),
    first=st.sampled_from([0, 500, 511, 512, 100_000]),
    unit=st.sampled_from(["m", "board-square", "unknown"]),
)
@settings(max_examples=25, deadline=None)
def test_read_is_the_inverse_of_write(frames, cameras, missing, first, unit):
    scene = Scene.of(frames, rig=arc_rig(cameras, unit=unit), tracks=[RIGHT_HAND, PERSON])
    window = scene.window(noise=0.01, noise_px=1.0, missing=missing)
    numbers = first + np.cumsum(np.random.default_rng(frames).integers(1, 60, frames))
    sources = np.where(np.random.default_rng(cameras).random((cameras, frames)) < 0.2, np.nan, numbers)
    window = Window(numbers, numbers / 30, sources, window.observations, window.points)
    with tempfile.TemporaryDirectory() as folder:
        assert_same(write(Path(folder), scene, window), window)


def test_a_track_known_in_2d_only_is_read_as_missing_in_3d(tmp_path):
    scene = Scene.of(5, tracks=[RIGHT_HAND])
    whole = scene.window()
    session = write(
        tmp_path,
        scene,
        Window(whole.frames, whole.times_s, whole.source_frames, whole.observations, {}),
    )
    assert np.isnan(session.keypoints3d(RIGHT_HAND).xyz).all()
    assert np.isfinite(session.keypoints2d(RIGHT_HAND).xy).all()


def test_frames_without_anything_survive(tmp_path):
    scene = Scene.of(5, tracks=[RIGHT_HAND])
    scene.truth[RIGHT_HAND][3:] = np.nan
    session = scene.write(tmp_path)
    assert len(session) == 5
    assert np.isnan(session.positions(RIGHT_HAND)[3:]).all()


def test_session_without_anything_found(tmp_path):
    scene = Scene.of(5, tracks=[])
    session = write(tmp_path, scene, scene.window())
    assert session.tracks == []
    assert len(session) == 5


def test_bytes_do_not_depend_on_the_blocks_written(tmp_path):
    scene = Scene.of(1300, rig=arc_rig(2), tracks=[LEFT_HAND, RIGHT_HAND])
    whole = scene.window(missing=0.2)
    cuts = [0, 1, 300, 511, 512, 513, 1024, 1300]
    parts = [whole.part(a, b) for a, b in pairwise(cuts)]
    write(tmp_path / "a", scene, whole)
    write(tmp_path / "b", scene, *parts)
    for name in (FRAMES, KEYPOINTS_2D, KEYPOINTS_3D, "rig.toml"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


@pytest.mark.parametrize("size", [512, 100])
def test_windows_put_together_are_the_session(tmp_path, size):
    scene = Scene.of(600, rig=arc_rig(2), tracks=[LEFT_HAND, RIGHT_HAND])
    whole = scene.window(missing=0.2)
    session = write(tmp_path / "a", scene, whole)
    copy = write(tmp_path / "b", scene, *session.windows(size=size))
    assert_same(copy, whole)


def test_part_of_a_track(tmp_path):
    session = Scene.of(50, tracks=[RIGHT_HAND]).write(tmp_path, missing=0.1)
    whole, part = session.keypoints3d(RIGHT_HAND), session.keypoints3d(RIGHT_HAND, 10, 20)
    assert_array_equal(part.xyz, whole.xyz[10:20])
    assert session.keypoints2d(RIGHT_HAND, 5, 5).xy.shape == (3, 0, 21, 2)


def test_tables_are_understood_without_handloom(tmp_path):
    scene = Scene.of(10, tracks=[RIGHT_HAND])
    scene.write(tmp_path)
    table = pd.read_parquet(tmp_path / KEYPOINTS_3D)
    assert len(table) == 10 * 21
    tip = table[table["joint"] == "index_tip"]
    assert_array_equal(tip[["x", "y", "z"]], scene.truth[RIGHT_HAND][:, 8])


def test_table_rewritten_by_pandas_reads_the_same(tmp_path):
    session = Scene.of(10, tracks=[LEFT_HAND, RIGHT_HAND]).write(tmp_path)
    expected = session.keypoints3d(RIGHT_HAND)
    table = pd.read_parquet(tmp_path / KEYPOINTS_3D)
    text = dict.fromkeys(("target", "side", "joint"), str)
    table.sample(frac=1.0, random_state=0).astype(text).to_parquet(tmp_path / KEYPOINTS_3D)
    found = Session.open(tmp_path).keypoints3d(RIGHT_HAND)
    assert_array_equal(found.xyz, expected.xyz)
    assert_array_equal(found.covariance, expected.covariance)


def test_no_such_track_names_those_there_are(tmp_path):
    session = Scene.of(3, tracks=[RIGHT_HAND]).write(tmp_path)
    with pytest.raises(SessionError, match=r"no track subject4_body.*subject0_right_hand"):
        session.keypoints3d(Track(4, "body"))


def test_missing_folder(tmp_path):
    with pytest.raises(SessionError, match="no folder"):
        Session.open(tmp_path / "absent")


def test_folder_that_is_no_session(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(SessionError, match="holds no session"):
        Session.open(tmp_path)


def test_unfinished_session_says_to_resume(tmp_path):
    Journal(tmp_path / ".journal", {"videos": ["a.mp4"]})
    with pytest.raises(SessionError, match="--resume"):
        Session.open(tmp_path)


@pytest.mark.parametrize("name", [FRAMES, KEYPOINTS_2D, KEYPOINTS_3D])
def test_missing_table(tmp_path, name):
    Scene.of(3, tracks=[RIGHT_HAND]).write(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(SessionError, match=f"{name} is missing"):
        _read_everything(tmp_path)


@pytest.mark.parametrize("name", [FRAMES, KEYPOINTS_2D, KEYPOINTS_3D])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied"])
def test_damaged_table(tmp_path, name, damage):
    Scene.of(30, tracks=[RIGHT_HAND]).write(tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    if damage == "truncated":
        content = content[: len(content) // 2]
    elif damage == "emptied":
        content = bytearray()
    else:
        content[200] ^= 0xFF
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SessionError, match=f"{name} is damaged"):
        _read_everything(tmp_path)


def _read_everything(folder: Path) -> None:
    session = Session.open(folder)
    session.keypoints2d(RIGHT_HAND)
    session.keypoints3d(RIGHT_HAND)


def test_damaged_record(tmp_path):
    Scene.of(3, tracks=[RIGHT_HAND]).write(tmp_path)
    (tmp_path / RUN).write_text("[session\n")
    with pytest.raises(SessionError, match=r"run\.toml is damaged"):
        Session.open(tmp_path)


def test_schema_of_the_future(tmp_path):
    Scene.of(3, tracks=[RIGHT_HAND]).write(tmp_path)
    (tmp_path / RUN).write_text("[session]\nschema = 99\n")
    with pytest.raises(SessionError, match=r"schema 99.*Update handloom"):
        Session.open(tmp_path)


def test_joint_of_another_skeleton(tmp_path):
    Scene.of(3, tracks=[RIGHT_HAND]).write(tmp_path)
    table = pd.read_parquet(tmp_path / KEYPOINTS_3D).astype({"joint": str})
    table.loc[5, "joint"] = "sixth_finger_tip"
    table.to_parquet(tmp_path / KEYPOINTS_3D)
    with pytest.raises(SessionError, match="sixth_finger_tip"):
        Session.open(tmp_path).keypoints3d(RIGHT_HAND)


def test_frames_must_follow_each_other(tmp_path):
    scene = Scene.of(5, tracks=[RIGHT_HAND])
    with SessionWriter(tmp_path, scene.rig) as writer:
        writer.append(scene.window())
        with pytest.raises(ValueError, match="does not follow"):
            writer.append(scene.window())


def test_unit_of_the_points_is_that_of_the_rig(tmp_path):
    scene = Scene.of(5, tracks=[RIGHT_HAND])
    with (
        SessionWriter(tmp_path, arc_rig(unit="unknown")) as writer,
        pytest.raises(ValueError, match="'m', the rig in 'unknown'"),
    ):
        writer.append(scene.window())


def test_writer_that_is_not_finished_leaves_nothing(tmp_path):
    scene = Scene.of(5, tracks=[RIGHT_HAND])
    with SessionWriter(tmp_path, scene.rig) as writer:
        writer.append(scene.window())
    assert list(tmp_path.iterdir()) == []


def test_replacing_a_session_takes_its_report_along(tmp_path):
    scene = Scene.of(5, tracks=[RIGHT_HAND])
    scene.write(tmp_path)
    (tmp_path / "report.html").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    scene.write(tmp_path, missing=0.5)
    assert not (tmp_path / "report.html").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"


_WRITE = """
import os, signal, sys
from pathlib import Path
from synthetic import Scene
from handloom.errors import SessionError
from handloom.session import SessionWriter, describe_run
scene = Scene.of(600)
with SessionWriter(sys.argv[1], scene.rig) as writer:
    writer.append(scene.window())
    os.kill(os.getpid(), signal.SIGKILL)
"""

_WRITE_WITH_LITTLE_SPACE = """
import resource, sys
from synthetic import Scene
from handloom.errors import SessionError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    Scene.of(600).write(sys.argv[1])
except SessionError as error:
    print(error)
    sys.exit(3)
"""


def run_python(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a POSIX matter")
def test_killed_while_writing_leaves_the_earlier_session_whole(tmp_path):
    scene = Scene.of(5, tracks=[RIGHT_HAND])
    scene.write(tmp_path)
    before = contents(tmp_path)
    assert run_python(_WRITE, str(tmp_path)).returncode == -signal.SIGKILL
    after = contents(tmp_path)
    assert any(name.startswith(PARTIAL) for name in after)
    assert {name: after[name] for name in before} == before
    assert_same(Session.open(tmp_path), scene.window())
    scene.write(tmp_path)
    assert not any(name.startswith(PARTIAL) for name in contents(tmp_path))


@pytest.mark.skipif(os.name != "posix", reason="limits of file sizes are a POSIX matter")
@pytest.mark.parametrize("limit", [0, 1000, 30_000, 500_000])
def test_full_disk_leaves_the_earlier_session_whole(tmp_path, limit):
    Scene.of(5, tracks=[RIGHT_HAND]).write(tmp_path)
    before = contents(tmp_path)
    run = run_python(_WRITE_WITH_LITTLE_SPACE, str(tmp_path), str(limit))
    assert run.returncode == 3, run.stderr
    assert "no room left" in run.stdout
    assert run.stderr == ""
    assert contents(tmp_path) == before


def test_a_disk_that_is_really_full(tmp_path):
    mount = shutil.which("mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    command = [str(mount), "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    if mount is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs rights this user does not have")
    try:
        with pytest.raises(SessionError, match="no room left"):
            Scene.of(600).write(disk / "session")
        assert list((disk / "session").iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_record_keeps_what_shaped_the_result(tmp_path):
    record = describe_run(
        ["handloom", "track", "a.mp4"],
        inputs={"cam0": {"path": Path("a.mp4"), "frames": np.int64(7), "offset": None}},
        options={"max_hands": 2, "targets": ("hands", "body"), "limits": np.array([0.5, 1.0])},
        models={"hand_landmark_full": "11c272b8"},
        timings_s={"detect": 1.5},
    )
    write_record(record, tmp_path / RUN)
    read = read_record(tmp_path / RUN)
    assert read["command"] == ["handloom", "track", "a.mp4"]
    assert read["inputs"]["cam0"] == {"path": "a.mp4", "frames": 7}
    assert read["options"] == {"max_hands": 2, "targets": ["hands", "body"], "limits": [0.5, 1.0]}
    assert read["models"] == {"hand_landmark_full": "11c272b8"}
    assert read["versions"]["numpy"] == np.__version__
