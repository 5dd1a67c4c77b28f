"""CSV and Parquet, read back by pandas; OpenPose JSON; what all exporters promise."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from fitted_hands import perfect_fit
from numpy.testing import assert_allclose, assert_array_equal
from synthetic import LEFT_HAND, PERSON, RIGHT_HAND, Scene, arc_rig

from handloom.errors import SessionError
from handloom.export import FORMATS, export
from handloom.export.timeline import constant_rate
from handloom.keypoints import Track
from handloom.session import Session, write_hands
from handloom.session.layout import HANDS
from handloom.skeleton import BODY, HAND


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> Session:
    scene = Scene.of(30, rig=arc_rig(2))
    session = scene.write(tmp_path_factory.mktemp("session"), missing=0.3)
    hand = perfect_fit(RIGHT_HAND, len(session))
    write_hands(session.folder / HANDS, [hand], session.frames, session.times_s, session.unit)
    return session


def test_tidy_csv_holds_every_joint_present(tmp_path, session):
    in_space, in_pictures = export(session, "csv", tmp_path)
    table = pd.read_csv(in_space)
    assert set(table["unit"]) == {"m"}
    points = session.keypoints3d(RIGHT_HAND)
    mine = table[(table["target"] == "hand") & (table["side"] == "right")]
    assert len(mine) == np.isfinite(points.xyz[..., 0]).sum()
    tip = mine[mine["joint"] == "index_tip"].set_index("frame")
    present = np.isfinite(points["index_tip"][:, 0])
    assert_array_equal(tip.index, session.frames[present])
    assert_allclose(tip[["x", "y", "z"]], points["index_tip"][present], rtol=0, atol=0)
    assert_allclose(tip["cov_xy"], points.covariance[present, HAND.index("index_tip"), 0, 1], rtol=0, atol=0)
    flat = pd.read_csv(in_pictures)
    seen = session.keypoints2d(PERSON)
    nose = flat[(flat["target"] == "body") & (flat["joint"] == "nose") & (flat["view"] == "cam1")]
    expected = seen["nose"][1]
    assert_allclose(nose[["x", "y"]], expected[np.isfinite(expected[:, 0])], rtol=1e-6)
    assert nose["used"].dtype == bool


def test_csv_of_some_tracks_only(tmp_path, session):
    for path in export(session, "csv", tmp_path, tracks=[LEFT_HAND]):
        assert set(pd.read_csv(path)["side"]) == {"left"}


@pytest.mark.parametrize(("format", "read"), [("csv-wide", pd.read_csv), ("parquet", pd.read_parquet)])
def test_wide_tables_have_a_row_per_frame(tmp_path, session, format, read):
    [path] = export(session, format, tmp_path)
    table = read(path)
    assert_array_equal(table["frame"], session.frames)
    assert_allclose(table["time_s"], session.times_s)
    columns = [f"{LEFT_HAND.name}_wrist_{axis}" for axis in "xyz"]
    assert_array_equal(table[columns].to_numpy(float), session.positions(LEFT_HAND)[:, 0])
    assert table.shape[1] == 3 + 3 * (33 + 21 + 21)


def test_openpose_has_a_file_per_frame_and_view(tmp_path, session):
    paths = export(session, "openpose", tmp_path)
    assert len(paths) == 30 * 2
    assert {path.name for path in paths} == {path.name for path in (tmp_path / "openpose").iterdir()}
    [person] = json.loads((tmp_path / "openpose" / "cam1_000000000007_keypoints.json").read_text())["people"]
    hand = np.reshape(person["hand_right_keypoints_2d"], (21, 3))
    seen = session.keypoints2d(RIGHT_HAND)
    present = np.isfinite(seen.xy[1, 7, :, 0])
    assert_allclose(hand[present, :2], seen.xy[1, 7, present], atol=1e-4)
    assert_allclose(hand[present, 2], seen.confidence[1, 7, present], atol=1e-4)
    assert_array_equal(hand[~present], 0.0)
    assert person["face_keypoints_2d"] == []


def test_openpose_body_has_neck_and_mid_hip(tmp_path):
    session = Scene.of(3, tracks=[PERSON]).write(tmp_path / "session")
    export(session, "openpose", tmp_path)
    [person] = json.loads((tmp_path / "openpose" / "cam0_000000000002_keypoints.json").read_text())["people"]
    pose = np.reshape(person["pose_keypoints_2d"], (25, 3))
    xy = session.keypoints2d(PERSON).xy[0, 2]
    assert_allclose(pose[1, :2], xy[BODY.indices(["left_shoulder", "right_shoulder"])].mean(0), atol=1e-4)
    assert_allclose(pose[8, :2], xy[BODY.indices(["left_hip", "right_hip"])].mean(0), atol=1e-4)
    assert_allclose(pose[4, :2], xy[BODY.index("right_wrist")], atol=1e-4)
    assert_allclose(pose[22, :2], xy[BODY.index("right_foot_index")], atol=1e-4)
    assert_array_equal(pose[[20, 23]], 0.0)
    assert person["hand_left_keypoints_2d"] == []


def test_openpose_lists_nobody_where_nobody_is_seen(tmp_path):
    scene = Scene.of(3, tracks=[RIGHT_HAND])
    scene.truth[RIGHT_HAND][1] = np.nan
    export(scene.write(tmp_path / "session"), "openpose", tmp_path)
    file = tmp_path / "openpose" / "cam0_000000000001_keypoints.json"
    assert json.loads(file.read_text())["people"] == []


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_writes_what_it_says_and_leaves_nothing_else(tmp_path, session, format):
    folder = tmp_path / "out"
    paths = export(session, format, folder)
    assert paths
    assert all(path.stat().st_size for path in paths)
    assert sorted(p for p in folder.rglob("*") if p.is_file()) == sorted(paths)
    before = {path: path.read_bytes() for path in paths}
    assert {path: path.read_bytes() for path in export(session, format, folder)} == before


@pytest.mark.parametrize("format", FORMATS)
def test_no_such_folder(tmp_path, session, format):
    with pytest.raises(SessionError, match="does not exist"):
        export(session, format, tmp_path / "absent" / "out")


def test_unknown_format_names_the_known_ones(tmp_path, session):
    with pytest.raises(SessionError, match=r"'fbx'.*csv, csv-wide"):
        export(session, "fbx", tmp_path)


def test_track_that_is_not_there(tmp_path, session):
    with pytest.raises(SessionError, match="no track subject7_body"):
        export(session, "trc", tmp_path, tracks=[Track(7, "body")])


_EXPORT_WITH_LITTLE_SPACE = """
import resource, sys
from handloom.errors import SessionError
from handloom.export import export
from handloom.session import Session, write_hands
from handloom.session.layout import HANDS
session = Session.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), int(sys.argv[4])))
try:
    export(session, sys.argv[2], sys.argv[3])
except SessionError as error:
    print(error)
    sys.exit(3)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of file sizes are a POSIX matter")
@pytest.mark.parametrize("format", FORMATS)
def test_full_disk_leaves_the_earlier_export_whole(tmp_path, session, format):
    out = tmp_path / "out"
    before = {path: path.read_bytes() for path in export(session, format, out)}
    limit = 1000 if format == "openpose" else 8000
    run = subprocess.run(
        [sys.executable, "-c", _EXPORT_WITH_LITTLE_SPACE, str(session.folder), format, str(out), str(limit)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert run.returncode == 3, run.stderr
    assert "no room left" in run.stdout
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_constant_timeline_is_kept_frame_by_frame():
    rate, index = constant_rate(np.arange(1000) / 29.97 + 5.0)
    assert_allclose(rate, 29.97)
    assert_array_equal(index, np.arange(1000))


def test_jittered_timeline_keeps_its_duration():
    random = np.random.default_rng(0)
    times_s = np.arange(300) / 30 + random.uniform(-0.002, 0.002, 300)
    rate, index = constant_rate(times_s)
    assert_allclose(len(index) / rate, 10.0, rtol=0.02)


def test_single_frame_has_a_rate():
    rate, index = constant_rate(np.array([0.0]))
    assert rate > 0
    assert_array_equal(index, [0])


def test_exports_load_no_viewer_and_no_learning():
    script = (
        "import handloom.export, handloom.session, sys;"
        "print([m for m in ('torch', 'rerun', 'rich', 'typer', 'ezc3d') if m in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, check=True)
    assert run.stdout.strip() == "[]"
