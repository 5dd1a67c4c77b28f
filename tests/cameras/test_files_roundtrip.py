"""Every format: what is written is read back, and found by content."""

from __future__ import annotations

from dataclasses import replace

import camera_scenes as scenes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from handloom.cameras import Camera, CameraRig, read_rig, write_rig
from handloom.cameras.files import FORMATS
from handloom.errors import CameraFileError, RigError

ONE_FILE = ("aniposelib", "caliscope", "qualisys")


def fitting(format, unit="m", **kwargs):
    """A rig that the format can hold without loss."""
    lenses = {"qualisys": ("five", "folding", "none"), "json": ("five",) * 3}.get(
        format, ("five", "rational", "none")
    )
    up = (0.0, 0.0, 1.0) if format in ("aniposelib", "opencv", "qualisys") else None
    rig = scenes.rig(lenses, unit=unit, up=up, **kwargs)
    prefix = "cam" if format == "json" else "cam_"
    cameras = tuple(replace(camera, name=f"{prefix}{i}") for i, camera in enumerate(rig))
    return replace(rig, cameras=cameras)


def place(folder, format):
    return folder / ("calibration.txt" if format in ONE_FILE else "calibration")


@pytest.mark.parametrize("format", FORMATS)
def test_read_gives_what_write_wrote(tmp_path, format):
    rig, path = fitting(format), place(tmp_path, format)
    write_rig(rig, path, format)
    assert read_rig(path).allclose(rig)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_recognised_by_no_other(tmp_path, format):
    path = place(tmp_path, format)
    write_rig(fitting(format), path, format)
    assert [name for name, candidate in FORMATS.items() if candidate.sniff(path)] == [format]


@pytest.mark.parametrize("format", ["aniposelib", "dat", "opencv", "json"])
@pytest.mark.parametrize("unit", ["m", "board-square", "unknown"])
def test_the_unit_is_kept(tmp_path, format, unit):
    path = place(tmp_path, format)
    write_rig(fitting(format, unit=unit), path, format)
    assert read_rig(path).unit == unit


@pytest.mark.parametrize("format", ["caliscope", "qualisys"])
def test_metric_formats_refuse_rigs_of_another_unit(tmp_path, format):
    with pytest.raises(RigError, match="needs metric lengths, the unit of this rig is 'board-square'"):
        write_rig(fitting(format, unit="board-square"), tmp_path / "rig", format)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", ["aniposelib", "dat", "opencv", "json"])
def test_unknown_picture_sizes_stay_unknown(tmp_path, format):
    path = place(tmp_path, format)
    write_rig(fitting(format, image_size=None), path, format)
    assert [camera.image_size for camera in read_rig(path)] == [None] * 3


@pytest.mark.parametrize("format", ["caliscope", "qualisys"])
def test_formats_that_need_the_picture_size_say_so(tmp_path, format):
    with pytest.raises(RigError, match="needs the picture size, unknown for 'cam_0'"):
        write_rig(fitting(format, image_size=None), tmp_path / "rig", format)


@pytest.mark.parametrize("format", ["aniposelib", "caliscope"])
def test_fisheyes_are_kept(tmp_path, format):
    rig = scenes.rig(("fisheye", "five"), up=None)
    write_rig(rig, tmp_path / "rig.toml", format)
    assert read_rig(tmp_path / "rig.toml").allclose(rig)


@pytest.mark.parametrize("format", ["dat", "opencv", "qualisys", "json"])
def test_formats_without_fisheyes_refuse_them(tmp_path, format):
    with pytest.raises(RigError, match="cannot hold fisheye lenses: 'cam_1'"):
        write_rig(scenes.rig(("five", "fisheye")), tmp_path / "rig", format)


def test_qualisys_refuses_what_it_cannot_say(tmp_path):
    for up in (None, (0.0, 1.0, 0.0)):
        with pytest.raises(RigError, match=r"means \+Z to be up"):
            write_rig(scenes.rig(up=up), tmp_path / "rig.txt", "qualisys")
    with pytest.raises(RigError, match="holds 5 distortion coefficients, camera 'cam_0' has 8"):
        write_rig(scenes.rig(("rational",)), tmp_path / "rig.txt", "qualisys")


def test_json_refuses_different_lenses(tmp_path):
    with pytest.raises(RigError, match="one lens for all views, 'cam_1' and 'cam_0' differ"):
        write_rig(scenes.rig(("five", "four")), tmp_path / "rig", "json")


def test_opencv_refuses_names_that_are_no_keys(tmp_path):
    camera = replace(scenes.camera(), name="left/top")
    with pytest.raises(RigError, match="not 'left/top'"):
        write_rig(CameraRig((camera,)), tmp_path / "rig", "opencv")


def test_folders_are_searched_for_the_one_calibration(tmp_path):
    write_rig(fitting("qualisys"), tmp_path / "any-name.txt", "qualisys")
    (tmp_path / "notes.txt").write_text("walker, second take\n")
    (tmp_path / "video.mp4").write_bytes(bytes(range(256)))
    assert read_rig(tmp_path).allclose(fitting("qualisys"))
    write_rig(fitting("aniposelib"), tmp_path / "anipose.toml")
    with pytest.raises(CameraFileError, match=r"several calibrations: anipose\.toml, any-name\.txt"):
        read_rig(tmp_path)


def test_the_native_file_of_a_session_folder_comes_first(tmp_path):
    write_rig(fitting("caliscope"), tmp_path / "camera_array.toml", "caliscope")
    write_rig(fitting("aniposelib"), tmp_path)
    assert (tmp_path / "rig.toml").is_file()
    assert read_rig(tmp_path).allclose(fitting("aniposelib"))


@pytest.mark.parametrize(
    ("format", "name"),
    [
        ("dat", "c1.dat"),
        ("dat", "rot_trans_c0.dat"),
        ("opencv", "intri.yml"),
        ("opencv", "extri.yml"),
        ("json", "intrinsic.json"),
        ("json", "extrinsic.json"),
    ],
)
def test_one_file_of_a_pair_is_enough(tmp_path, format, name):
    write_rig(fitting(format), tmp_path, format)
    assert read_rig(tmp_path / name).allclose(fitting(format))


def test_a_stated_unit_converts_to_metres(tmp_path):
    write_rig(fitting("aniposelib", unit="unknown"), tmp_path / "rig.toml")
    rig = read_rig(str(tmp_path / "rig.toml"), unit="mm")
    assert rig.unit == "m"
    np.testing.assert_allclose(rig.centers, fitting("aniposelib").centers / 1000)


def test_a_stated_unit_must_not_contradict_the_file(tmp_path):
    write_rig(fitting("aniposelib"), tmp_path / "rig.toml")
    with pytest.raises(RigError, match="in metres already"):
        read_rig(tmp_path / "rig.toml", unit="mm")


def test_writing_replaces_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "new" / "rig.toml"
    write_rig(fitting("caliscope"), path)
    write_rig(fitting("aniposelib"), path)
    assert [file.name for file in path.parent.iterdir()] == ["rig.toml"]
    assert read_rig(path).allclose(fitting("aniposelib"))


def test_a_failed_write_leaves_the_old_file(tmp_path):
    folder = tmp_path / "rig"
    write_rig(fitting("dat"), folder, "dat")
    before = {file.name: file.read_text() for file in folder.iterdir()}
    blocked = tmp_path / "c1.dat"
    blocked.mkdir()
    for name in before:
        if name != "c1.dat":
            (folder / name).rename(tmp_path / name)
    (blocked / "in the way").touch()
    with pytest.raises(CameraFileError, match=r"c1\.dat cannot be written"):
        write_rig(fitting("dat"), tmp_path, "dat")
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_places_that_cannot_be_written_say_so(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(CameraFileError, match="cannot be written"):
        write_rig(fitting("aniposelib"), tmp_path / "file" / "rig.toml")


def test_unknown_formats_are_refused_with_those_there_are(tmp_path):
    with pytest.raises(CameraFileError, match=r"no camera file format 'colmap'\. Choose one of aniposelib, "):
        write_rig(fitting("aniposelib"), tmp_path / "rig", "colmap")


finite = st.floats(-1e3, 1e3)


@st.composite
def any_camera(draw, name):
    rotation, _ = np.linalg.qr(draw(arrays.arrays(float, (3, 3), elements=finite)) + 1e-3 * np.eye(3))
    T = np.eye(4)
    T[:3, :3] = rotation * np.sign(np.linalg.det(rotation))
    T[:3, 3] = draw(arrays.arrays(float, 3, elements=finite))
    focal = draw(st.tuples(st.floats(1, 1e4), st.floats(1, 1e4)))
    K = np.array([[focal[0], draw(finite), draw(finite)], [0, focal[1], draw(finite)], [0, 0, 1]])
    count = draw(st.sampled_from([4, 5, 8]))
    size = draw(st.none() | st.tuples(st.integers(1, 8000), st.integers(1, 8000)))
    return Camera(name, size, K, draw(arrays.arrays(float, count, elements=st.floats(-10, 10))), T)


@given(cameras=st.tuples(any_camera("left"), any_camera("right")))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("format", ["aniposelib", "dat", "opencv"])
def test_any_rig_survives(tmp_path, format, cameras):
    rig, path = CameraRig(cameras, "unknown"), tmp_path / "rig"
    write_rig(rig, path, format)
    assert read_rig(path).allclose(rig, tolerance=1e-7)


def test_reasons_not_to_trust_a_rig_stay_with_it(tmp_path):
    rig = replace(fitting("aniposelib"), warnings=("moved-camera: camera cam_1 moved by 12 mm.",))
    write_rig(rig, tmp_path / "rig.toml")
    assert read_rig(tmp_path / "rig.toml").warnings == rig.warnings
    assert read_rig(tmp_path / "rig.toml").subset(["cam_0"]).warnings == rig.warnings


def test_warnings_that_are_no_sentences_are_refused(tmp_path):
    write_rig(fitting("aniposelib"), tmp_path / "rig.toml")
    text = (tmp_path / "rig.toml").read_text()
    (tmp_path / "rig.toml").write_text(text.replace("[metadata]", "[metadata]\nwarnings = 3"))
    with pytest.raises(CameraFileError, match="warnings"):
        read_rig(tmp_path / "rig.toml")
