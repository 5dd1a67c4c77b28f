"""TRC and C3D, read back by pandas and ezc3d."""

from __future__ import annotations

from pathlib import Path

import ezc3d
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from synthetic import LEFT_HAND, RIGHT_HAND, Scene, arc_rig

from handloom.cameras import CameraRig
from handloom.export import export
from handloom.keypoints import Track
from handloom.skeleton import HAND

MARKER = f"{RIGHT_HAND.name}_index_tip"


@pytest.fixture
def scene() -> Scene:
    scene = Scene.of(50, tracks=[LEFT_HAND, RIGHT_HAND])
    scene.truth[RIGHT_HAND][5:8, HAND.index("index_tip")] = np.nan
    return scene


def read_trc(path: Path) -> tuple[dict[str, str], pd.DataFrame]:
    lines = path.read_text().splitlines()
    header = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
    names = [name for name in lines[3].split("\t")[2:] if name]
    columns = ["Frame#", "Time", *(f"{name}_{axis}" for name in names for axis in "xyz")]
    return header, pd.read_csv(path, sep="\t", skiprows=6, names=columns, index_col=False)


def markers(table: pd.DataFrame, name: str) -> np.ndarray:
    return table[[f"{name}_{axis}" for axis in "xyz"]].to_numpy()


def test_trc_holds_the_markers_in_metres(tmp_path, scene):
    [path] = export(scene.write(tmp_path / "session"), "trc", tmp_path)
    header, table = read_trc(path)
    assert header["Units"] == "m"
    assert (header["NumFrames"], header["NumMarkers"], header["DataRate"]) == ("50", "42", "30")
    assert_allclose(table["Time"], scene.times_s, atol=1e-6)
    truth = scene.truth[RIGHT_HAND][:, HAND.index("index_tip")]
    assert_allclose(markers(table, MARKER), truth, atol=1e-6)


def test_trc_leaves_the_fields_of_a_missing_marker_empty(tmp_path, scene):
    [path] = export(scene.write(tmp_path / "session"), "trc", tmp_path)
    row = path.read_text().splitlines()[6 + 5].split("\t")
    column = 2 + 3 * (21 + HAND.index("index_tip"))
    assert row[column : column + 3] == ["", "", ""]
    assert len(row) == 2 + 3 * 42


@pytest.mark.parametrize("unit", ["board-square", "unknown"])
def test_no_millimetres_where_the_unit_is_not_metres(tmp_path, unit):
    scene = Scene.of(10, rig=arc_rig(unit=unit), tracks=[RIGHT_HAND])
    session = scene.write(tmp_path / "session")
    [trc], [c3d] = export(session, "trc", tmp_path), export(session, "c3d", tmp_path)
    header, table = read_trc(trc)
    assert header["Units"] == unit
    points = ezc3d.c3d(str(c3d))
    assert points["parameters"]["POINT"]["UNITS"]["value"] == [unit]
    truth = scene.truth[RIGHT_HAND][:, HAND.index("index_tip")]
    assert_allclose(markers(table, MARKER), truth, atol=1e-6)
    assert_allclose(points["data"]["points"][:3, HAND.index("index_tip")].T, truth, atol=1e-6)


def test_c3d_holds_the_markers_in_millimetres(tmp_path, scene):
    [path] = export(scene.write(tmp_path / "session"), "c3d", tmp_path)
    file = ezc3d.c3d(str(path))
    parameters = file["parameters"]["POINT"]
    assert parameters["UNITS"]["value"] == ["mm"]
    assert_allclose(parameters["RATE"]["value"], [30.0])
    assert parameters["Y_SCREEN"]["value"] == ["+Y"]
    labels = parameters["LABELS"]["value"]
    assert len(labels) == 42
    found = file["data"]["points"][:3, labels.index(MARKER)].T
    assert_allclose(found, 1000 * scene.truth[RIGHT_HAND][:, HAND.index("index_tip")], atol=1e-3)


def test_c3d_says_missing_with_nan_and_residual_minus_one(tmp_path, scene):
    session = scene.write(tmp_path / "session")
    [path] = export(session, "c3d", tmp_path)
    file = ezc3d.c3d(str(path))
    i = file["parameters"]["POINT"]["LABELS"]["value"].index(MARKER)
    gone = np.isnan(file["data"]["points"][0, i])
    assert_array_equal(np.flatnonzero(gone), [5, 6, 7])
    residuals = file["data"]["meta_points"]["residuals"][0, i]
    assert_array_equal(residuals[gone], -1.0)
    covariance = session.keypoints3d(RIGHT_HAND).covariance[:, HAND.index("index_tip")]
    sigma_mm = 1000 * np.sqrt(np.trace(covariance, axis1=-2, axis2=-1) / 3)
    step = -file["parameters"]["POINT"]["SCALE"]["value"][0]
    assert step < 0.05
    assert_allclose(residuals[~gone], sigma_mm[~gone], atol=0.51 * step)


def test_c3d_samples_a_gap_of_the_recording_as_missing(tmp_path):
    scene = Scene.of(40, tracks=[RIGHT_HAND])
    keep = np.r_[0:20, 25:40]
    gap = Scene(scene.rig, scene.times_s[keep], {RIGHT_HAND: scene.truth[RIGHT_HAND][keep]})
    [path] = export(gap.write(tmp_path / "session"), "c3d", tmp_path)
    points = ezc3d.c3d(str(path))["data"]["points"][:3].transpose(2, 1, 0)
    assert points.shape == (40, 21, 3)
    assert np.isnan(points[20:25]).all()
    assert_allclose(points[keep], 1000 * scene.truth[RIGHT_HAND][keep], atol=1e-3)


def test_c3d_of_more_markers_than_a_parameter_holds(tmp_path):
    """More than 255 labels go into LABELS2; they must all come back."""

    tracks = [Track(subject, "hand", "right") for subject in range(14)]
    [path] = export(Scene.of(5, tracks=tracks).write(tmp_path / "session"), "c3d", tmp_path)
    assert ezc3d.c3d(str(path))["data"]["points"].shape == (4, 14 * 21, 5)


@pytest.mark.parametrize(
    ("up", "expected"),
    [
        ((0, 1, 0), lambda p: p),
        ((0, -1, 0), lambda p: p * [1, -1, -1]),
        ((0, 0, 1), lambda p: np.stack([p[:, 0], p[:, 2], -p[:, 1]], axis=-1)),
        ((1, 0, 0), lambda p: np.stack([-p[:, 1], p[:, 0], p[:, 2]], axis=-1)),
    ],
)
def test_up_of_the_rig_becomes_y(tmp_path, up, expected):
    rig = CameraRig(arc_rig().cameras, unit="m", up=np.array(up, dtype=float))
    scene = Scene.of(10, rig=rig, tracks=[RIGHT_HAND])
    [path] = export(scene.write(tmp_path / "session"), "trc", tmp_path)
    truth = scene.truth[RIGHT_HAND][:, HAND.index("index_tip")]
    assert_allclose(markers(read_trc(path)[1], MARKER), expected(truth), atol=1e-6)


def test_without_a_known_up_the_first_camera_is_level(tmp_path):
    rig = CameraRig(arc_rig().cameras, unit="m")
    scene = Scene.of(10, rig=rig, tracks=[RIGHT_HAND])
    [path] = export(scene.write(tmp_path / "session"), "trc", tmp_path)
    camera = rig.cameras[0].T_camera_world
    truth = scene.truth[RIGHT_HAND][:, HAND.index("index_tip")]
    height = markers(read_trc(path)[1], MARKER)[:, 1]
    assert_allclose(height, -truth @ camera[1, :3], atol=1e-6)
