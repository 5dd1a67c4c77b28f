"""Files that are not what they should be: each ends in a CameraFileError that says which and why."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace

import camera_scenes as scenes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handloom.cameras import CameraRig, read_rig, write_rig
from handloom.cameras.files import FORMATS
from handloom.errors import CameraFileError, HandloomError

FORMAT_FILES = {
    "aniposelib": ("rig.toml",),
    "caliscope": ("rig.toml",),
    "dat": ("c0.dat", "rot_trans_c0.dat"),
    "opencv": ("intri.yml", "extri.yml"),
    "qualisys": ("rig.txt",),
    "json": ("intrinsic.json", "extrinsic.json"),
}
EVERY_FILE = [(format, name) for format, names in FORMAT_FILES.items() for name in names]
INTRINSICS = np.array([[905.5, 0.0, 640.25], [0.0, 899.0, 352.5], [0.0, 0.0, 1.0]])
ONE_FILE = ("aniposelib", "caliscope", "qualisys")


@pytest.fixture
def written(tmp_path):
    """Write a small rig in a format and return what to read: the file, or the folder of a pair."""

    def write(format):
        one = replace(scenes.camera("five", "cam0"), K=INTRINSICS)
        two = replace(one, name="cam1", T_camera_world=scenes.look_at((0.1, 1.0, 0.25)))
        path = tmp_path / FORMAT_FILES[format][0] if format in ONE_FILE else tmp_path
        write_rig(CameraRig((one, two), up=np.array([0.0, 0.0, 1.0])), path, format)
        return path

    return write


def edit(tmp_path, name, old, new):
    text = (tmp_path / name).read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new))


def test_missing_file(tmp_path):
    with pytest.raises(CameraFileError, match=r"There is no camera file .*rig\.toml"):
        read_rig(tmp_path / "rig.toml")


def test_empty_file(tmp_path):
    for content in ("", " \n\n"):
        (tmp_path / "rig.toml").write_text(content)
        with pytest.raises(CameraFileError, match=r"rig\.toml is empty"):
            read_rig(tmp_path / "rig.toml")


def test_empty_folder(tmp_path):
    with pytest.raises(CameraFileError, match=r"holds no camera calibration known here\. Tried: anipose"):
        read_rig(tmp_path)


def test_binary_junk(tmp_path):
    for content in (bytes(range(256)) * 10, b"\x89PNG\r\n\x1a\n" + bytes(64), b"\xff\xfe[\x00c\x00"):
        (tmp_path / "rig.toml").write_bytes(content)
        with pytest.raises(CameraFileError, match="is not a text file"):
            read_rig(tmp_path / "rig.toml")


def test_a_text_that_is_no_calibration_lists_what_was_tried(tmp_path):
    (tmp_path / "notes.txt").write_text("cameras: left and right, matrix = unknown\n")
    with pytest.raises(CameraFileError) as caught:
        read_rig(tmp_path / "notes.txt")
    assert all(candidate.TITLE in caught.value.problem for candidate in FORMATS.values())


@pytest.mark.parametrize(("format", "name"), EVERY_FILE)
def test_nan(tmp_path, written, format, name):
    path = written(format)
    number = repr(905.5 * 64) if format == "qualisys" else "905.5"
    if name in ("rot_trans_c0.dat", "extri.yml", "extrinsic.json"):
        text = (tmp_path / name).read_text()
        first = text.index("\nT_cam0") if format == "opencv" else 0
        number = re.search(r"-?\d+\.\d+(e-\d+)?", text[first:])[0]
    not_a_number = {"opencv": ".Nan", "json": "NaN"}.get(format, "nan")
    edit(tmp_path, name, number, not_a_number)
    with pytest.raises(CameraFileError, match=r"camera 'cam_?0' holds NaN"):
        read_rig(path)


@pytest.mark.parametrize("format", FORMATS)
def test_singular_intrinsics(tmp_path, written, format):
    path = written(format)
    number = repr(905.5 * 64) if format == "qualisys" else "905.5"
    edit(tmp_path, FORMAT_FILES[format][0], number, "0.0")
    with pytest.raises(CameraFileError, match=r"camera 'cam_?0': K is singular"):
        read_rig(path)


@pytest.mark.parametrize("format", ["caliscope", "dat", "opencv", "qualisys"])
def test_rotation_that_is_none(tmp_path, written, format):
    camera = scenes.camera("five", "cam0")
    path = written(format)
    R = camera.T_camera_world[:3, :3]
    entry = repr(float(np.abs(R[0, 0])))
    name = FORMAT_FILES[format][-1]
    text = (tmp_path / name).read_text()
    if format == "opencv":
        start = text.index("Rot_cam0")
        start = text.index("data: [", start) + len("data: [")
        text = text[:start] + " 7.5," + text[text.index(",", start) + 1 :]
        (tmp_path / name).write_text(text)
    else:
        edit(tmp_path, name, entry, "7.5")
    with pytest.raises(CameraFileError, match=r"rotation of camera 'cam_?0' is not orthonormal"):
        read_rig(path)


def test_mirrored_rotation(tmp_path):
    write_rig(CameraRig((replace(scenes.camera("five", "cam0"), T_camera_world=np.eye(4)),)), tmp_path, "dat")
    edit(tmp_path, "rot_trans_c0.dat", "0.0 0.0 1.0", "0.0 0.0 -1.0")
    with pytest.raises(CameraFileError, match="camera 'cam0': its rotation is a mirror image"):
        read_rig(tmp_path)


@pytest.mark.parametrize(
    ("format", "name", "missing"),
    [
        ("dat", "rot_trans_c1.dat", "there is no rot_trans_c1.dat beside it"),
        ("opencv", "extri.yml", "no extrinsics for 'cam0', 'cam1'"),
        ("json", "extrinsic.json", r"there is no extrinsic.json beside it"),
    ],
)
def test_missing_extrinsics_file(tmp_path, written, format, name, missing):
    path = written(format)
    (tmp_path / name).unlink()
    with pytest.raises(CameraFileError, match=missing):
        read_rig(path)


@pytest.mark.parametrize(
    ("format", "key", "message"),
    [
        ("aniposelib", "translation", "camera 'cam0' has no translation"),
        ("aniposelib", "rotation", "camera 'cam0' has no rotation"),
        ("aniposelib", "distortions", "camera 'cam0' has no distortion"),
        ("caliscope", "translation", "no extrinsics for cam_0, cam_1"),
        ("caliscope", "size", None),
        ("qualisys", "transform", "camera 'cam0' has no transform"),
        ("qualisys", "focalLengthU", "intrinsic of camera 'cam0' lacks focalLengthU"),
    ],
)
def test_missing_values(tmp_path, written, format, key, message):
    path = written(format)
    separator = " = " if path.suffix == ".toml" else ""
    edit(tmp_path, path.name, f"{key}{separator}", f"another{separator}")
    if message is None:
        assert read_rig(path)[0].image_size is None
        return
    with pytest.raises(CameraFileError, match=message):
        read_rig(path)


def test_repeated_names(tmp_path, written):
    path = written("aniposelib")
    edit(tmp_path, "rig.toml", '"cam1"', '"cam0"')
    with pytest.raises(CameraFileError, match="camera names must be unique, repeated: cam0"):
        read_rig(path)
    path = written("qualisys")
    edit(tmp_path, "rig.txt", '"cam1"', '"cam0"')
    with pytest.raises(CameraFileError, match="camera names must be unique, repeated: cam0"):
        read_rig(path)


def test_repeated_tables_and_keys(tmp_path, written):
    path = written("aniposelib")
    edit(tmp_path, "rig.toml", "[cam_1]", "[cam_0]")
    with pytest.raises(CameraFileError, match=r"rig\.toml is not valid TOML"):
        read_rig(path)


def test_repeated_names_in_opencv_yaml(tmp_path, written):
    path = written("opencv")
    edit(tmp_path, "intri.yml", "K_cam1", "K_cam0")
    with pytest.raises(CameraFileError, match=r"intri\.yml is not valid: K_cam0 stands in it more than once"):
        read_rig(path)
    path = written("opencv")
    edit(tmp_path, "intri.yml", "- cam1", "- cam0")
    edit(tmp_path, "extri.yml", "- cam1", "- cam0")
    with pytest.raises(CameraFileError, match=r"intri\.yml: its list of names repeats one"):
        read_rig(path)


@pytest.mark.parametrize("keep", [0.15, 0.4, 0.7])
@pytest.mark.parametrize(("format", "name"), EVERY_FILE)
def test_truncated_files(tmp_path, written, format, name, keep):
    path = written(format)
    text = (tmp_path / name).read_text().split("# ")[0]
    (tmp_path / name).write_text(text[: int(keep * len(text))])
    with pytest.raises(CameraFileError, match=str(tmp_path)):
        read_rig(path)


def test_truncated_dat_names_the_block(tmp_path, written):
    path = written("dat")
    (tmp_path / "c1.dat").write_text("intrinsic:\n900 0 640\n0 900 360\n")
    with pytest.raises(CameraFileError, match=r"c1\.dat: block 'intrinsic:' holds 6 numbers, expected 9"):
        read_rig(path)
    (tmp_path / "c1.dat").write_text("intrinsic:\n900 0 640\n0 900 360\n0 0 1\n")
    with pytest.raises(CameraFileError, match=r"c1\.dat has no block 'distortion:'"):
        read_rig(path)


def test_dat_with_words_between_the_numbers(tmp_path, written):
    path = written("dat")
    edit(tmp_path, "c0.dat", "905.5", "wide")
    with pytest.raises(CameraFileError, match=r"c0\.dat, line 2: 'wide .*' is neither a header nor numbers"):
        read_rig(path)


def test_dat_outside_the_naming_schemes(tmp_path):
    write_rig(scenes.rig(("five",)), tmp_path, "dat")
    lonely = tmp_path / "elsewhere" / "left.dat"
    lonely.parent.mkdir()
    (tmp_path / "c0.dat").rename(lonely)
    with pytest.raises(CameraFileError, match="is one half of a camera"):
        read_rig(lonely)


BOMB = '<!DOCTYPE c [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize("declaration", [BOMB, BOMB.lower(), '<!ENTITY x SYSTEM "file:///etc/hostname">'])
def test_xml_with_entities(tmp_path, written, declaration):
    path = written("qualisys")
    edit(tmp_path, "rig.txt", "<calibration", f"{declaration}\n<calibration")
    with pytest.raises(CameraFileError, match="declares a DOCTYPE or entities"):
        read_rig(path)


def test_more_coefficients_than_any_supported_lens(tmp_path, written):
    path = written("json")
    document = json.loads((tmp_path / "intrinsic.json").read_text())
    document["distortion_coefficients"] = [0.01] * 12
    (tmp_path / "intrinsic.json").write_text(json.dumps(document))
    with pytest.raises(CameraFileError, match="12 brown-conrady distortion coefficients, at most 8"):
        read_rig(path)


def test_wrong_sizes_and_words_for_numbers(tmp_path, written):
    path = written("json")
    whole = json.loads((tmp_path / "intrinsic.json").read_text())
    for value, message in (
        ([[1, 2], [3, 4]], "holds 4 numbers, expected 3×3"),
        ("wide", "is not numeric"),
        ([[1, 2, 3], [4]], "is not numeric"),
        ({"fx": 1}, "is not numeric"),
    ):
        (tmp_path / "intrinsic.json").write_text(json.dumps(whole | {"intrinsic": value}))
        with pytest.raises(CameraFileError, match=f"intrinsic matrix of camera 'cam0' {message}"):
            read_rig(path)


@pytest.mark.parametrize("unit", ['"furlong"', "3", "[]"])
def test_units_that_are_none(tmp_path, written, unit):
    path = written("aniposelib")
    edit(tmp_path, "rig.toml", 'unit = "m"', f"unit = {unit}")
    with pytest.raises(CameraFileError, match=r"rig\.toml: "):
        read_rig(path)


@pytest.mark.parametrize("up", ["[0.0, 0.0, 0.0]", "[1.0]", '"z"', "[nan, 0.0, 1.0]", "{}"])
def test_ups_that_are_none(tmp_path, written, up):
    path = written("aniposelib")
    text = (tmp_path / "rig.toml").read_text()
    (tmp_path / "rig.toml").write_text(text[: text.index("up = ")] + f"up = {up}\n")
    with pytest.raises(CameraFileError, match=r"rig\.toml: "):
        read_rig(path)


@given(random=st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize(("format", "name"), EVERY_FILE)
def test_damaged_files_never_end_in_a_foreign_error(tmp_path, written, format, name, random):
    path = written(format)
    content = bytearray((tmp_path / name).read_bytes())
    for _ in range(random.randint(1, 4)):
        start = random.randrange(len(content))
        junk = bytes(random.choice(b'0.-e[]{}<>"#:,\n =nax') for _ in range(random.randint(0, 6)))
        content[start : start + random.randint(0, 12)] = junk
    (tmp_path / name).write_bytes(content)
    with suppress(HandloomError):
        rig = read_rig(path)
        assert all(np.isfinite(camera.K).all() for camera in rig)
