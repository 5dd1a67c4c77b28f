"""DexYCB, from files made as its authors describe them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from captured_hands import HANDS
from mano_files import mano_content, write_mano
from scipy.spatial.transform import Rotation

from handloom.datasets.dexycb import SPLITS, DexYcb
from handloom.datasets.sample import FIRST_PART
from handloom.errors import DataSetError
from handloom.hand.mano import load_mano

yaml = pytest.importorskip("yaml", reason="DexYCB's descriptions are YAML")

SERIALS = ["836212060125", "839512060362"]
TURN = Rotation.from_euler("y", 0.4).as_matrix()
PLACE = np.array([0.3, 0.1, -0.2])
JOINTS = (HANDS["left"][2] + [0.25, 0.0, 0.8]).astype(np.float32)
PIXELS = np.stack([610 * JOINTS[:, 0] / JOINTS[:, 2] + 310, 612 * JOINTS[:, 1] / JOINTS[:, 2] + 250], axis=-1)


def labels(**entries: Any) -> dict[str, Any]:
    seg = np.zeros((480, 640), np.uint8)
    seg[100:200, 100:200] = 5
    seg[200:240, 300:340] = 255
    return {
        "seg": seg, "pose_y": np.zeros((1, 3, 4), np.float32), "pose_m": np.full((1, 51), 0.1, np.float32),
        "joint_3d": JOINTS[None], "joint_2d": PIXELS[None].astype(np.float32), **entries,
    }  # fmt: skip


def dump(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sequence of two frames before two cameras; in the second frame there is no hand."""
    sequence = tmp_path / "20200709-subject-01" / "20200709_141754"
    dump(sequence / "meta.yml", {
        "serials": SERIALS, "num_frames": 2, "ycb_ids": [2, 5], "ycb_grasp_ind": 1,
        "extrinsics": "20200702_151821", "mano_sides": ["left"], "mano_calib": ["20200709-subject-01_left"],
    })  # fmt: skip
    nowhere = {"joint_3d": np.full((1, 21, 3), -1.0), "joint_2d": np.full((1, 21, 2), -1.0)}
    empty = labels(pose_m=np.zeros((1, 51)), **nowhere)
    calibration = tmp_path / "calibration"
    for serial in SERIALS:
        (sequence / serial).mkdir()
        for frame, content in enumerate((labels(), empty)):
            np.savez(sequence / serial / f"labels_{frame:06d}.npz", **content)
            cv2.imwrite(str(sequence / serial / f"color_{frame:06d}.jpg"), np.zeros((480, 640, 3), np.uint8))
        intrinsics = {"color": {"fx": 610.0, "fy": 612.0, "ppx": 310.0, "ppy": 250.0}}
        dump(calibration / "intrinsics" / f"{serial}_640x480.yml", intrinsics)
    moved = np.concatenate([TURN, PLACE[:, None]], axis=1).ravel().tolist()
    still = np.eye(4)[:3].ravel().tolist()
    dump(calibration / "extrinsics_20200702_151821" / "extrinsics.yml",
         {"extrinsics": {SERIALS[0]: moved, SERIALS[1]: still, "apriltag": still}})  # fmt: skip
    dump(calibration / "mano_20200709-subject-01_left" / "mano.yml", {"betas": [0.5] * 10})
    return tmp_path


def test_joints_are_metres_in_the_cameras_axes(folder: Path) -> None:
    dataset = DexYcb(folder)
    sample = dataset.labels(0)
    assert sample.key == f"20200709-subject-01/20200709_141754/{SERIALS[0]}/000000" == dataset.keys[0]
    (hand,) = sample.hands
    assert hand.side == "left"
    np.testing.assert_allclose(hand.xyz, JOINTS)
    assert sample.camera is not None
    x, y, z = hand.xyz.T
    K = sample.camera.K
    np.testing.assert_allclose(hand.xy, np.stack([K[0, 0] * x / z + K[0, 2], K[1, 1] * y / z + K[1, 2]], -1),
                               atol=1e-3)  # fmt: skip


def test_minus_one_is_no_hand(folder: Path) -> None:
    dataset = DexYcb(folder)
    assert len(dataset) == 4
    assert [len(dataset.labels(k).hands) for k in range(4)] == [1, 0, 1, 0]


def test_extrinsics_lead_from_the_camera_to_the_master(folder: Path) -> None:
    dataset = DexYcb(folder)
    first, second = dataset.labels(0).camera, dataset.labels(2).camera
    assert first is not None
    assert second is not None
    np.testing.assert_allclose(first.center, PLACE, atol=1e-9)
    np.testing.assert_allclose(first.T_camera_world[:3, :3], TURN.T, atol=1e-9)
    np.testing.assert_allclose(second.T_camera_world, np.eye(4), atol=1e-12)
    assert dataset.labels(0).moment == dataset.labels(2).moment != dataset.labels(1).moment
    (video, first), (other, second) = dataset.labels(0).frame, dataset.labels(1).frame
    assert (video, first + 1) == (other, second)
    assert dataset.labels(2).frame[0] != video


def test_255_is_the_hand_and_other_numbers_are_objects(folder: Path) -> None:
    parts = DexYcb(folder)[0].parts
    assert parts is not None
    assert parts.dtype == np.uint8
    assert set(np.unique(parts)) == {0, FIRST_PART["left"]}
    assert (parts > 0).sum() == 1600


def test_depth_is_millimetres_and_zero_is_unknown(folder: Path) -> None:
    dataset = DexYcb(folder)
    assert dataset[0].depth is None
    coded = np.zeros((480, 640), np.uint16)
    coded[10, 20] = 1234
    sequence = folder / "20200709-subject-01" / "20200709_141754"
    cv2.imwrite(str(sequence / SERIALS[0] / "aligned_depth_to_color_000000.png"), coded)
    depth = dataset[0].depth
    assert depth is not None
    assert depth.dtype == np.float32
    assert depth[10, 20] == pytest.approx(1.234)
    assert np.isnan(depth[0, 0])


def test_mano_is_coefficients_from_the_mean_pose(folder: Path) -> None:
    assert DexYcb(folder).labels(0).hands[0].mano is None
    models = folder / "mano"
    models.mkdir()
    for side in ("left", "right"):
        write_mano(models / f"MANO_{side.upper()}.pkl", mano_content(side, vertices=778))
    dataset = DexYcb(folder, mano=models)
    mano = dataset.labels(0).hands[0].mano
    assert mano is not None
    assert "mano" not in dataset.lacks
    assert not mano.flat_hand_mean
    components = load_mano(models, "left").hands_components
    np.testing.assert_allclose(mano.pose[3:], np.full(45, np.float32(0.1)) @ components)
    np.testing.assert_allclose(mano.pose[:3], 0.1, rtol=1e-6)
    np.testing.assert_allclose(mano.shape, 0.5)
    np.testing.assert_allclose(mano.translation, 0.1, rtol=1e-6)
    assert dataset.labels(1).hands == ()


def test_splits_take_the_whole_set(folder: Path) -> None:
    with pytest.raises(DataSetError, match="1 subjects with 1 to 1 sequences"):
        DexYcb(folder, "s0_train")
    with pytest.raises(DataSetError, match="s9"):
        DexYcb(folder, "s9")


@pytest.mark.parametrize("setup", ["s0", "s1", "s2", "s3"])
def test_splits_of_a_setup_are_disjoint_and_leave_nothing_out(setup: str) -> None:
    rules = [SPLITS[f"{setup}_{part}"] for part in ("train", "val", "test")]
    for subject in range(10):
        for sequence in range(100):
            for camera in range(8):
                assert sum(rule(subject, sequence, camera) for rule in rules) == 1


@pytest.mark.parametrize(
    "name",
    [
        "calibration/intrinsics/836212060125_640x480.yml",
        "calibration/extrinsics_20200702_151821/extrinsics.yml",
        "20200709-subject-01/20200709_141754/836212060125/labels_000000.npz",
        "20200709-subject-01/20200709_141754/836212060125/color_000000.jpg",
        "20200709-subject-01/20200709_141754/meta.yml",
    ],
)
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DataSetError, match=Path(name).name):
        DexYcb(folder)[0]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("calibration/intrinsics/836212060125_640x480.yml", {"color": {"fx": 1.0}}, "fy"),
        (
            "calibration/extrinsics_20200702_151821/extrinsics.yml",
            {"extrinsics": {SERIALS[0]: [1, 2]}},
            "2 numbers",
        ),
        ("20200709-subject-01/20200709_141754/meta.yml", {"num_frames": 2}, "mano_sides"),
    ],
)
def test_malformed_file_is_refused_and_named(folder: Path, name: str, content: Any, problem: str) -> None:
    dump(folder / name, content)
    with pytest.raises(DataSetError, match=problem) as error:
        DexYcb(folder).labels(0)
    assert Path(name).name in str(error.value)


def test_yaml_that_would_run_something_is_refused(folder: Path) -> None:
    meta = folder / "20200709-subject-01" / "20200709_141754" / "meta.yml"
    meta.write_text("num_frames: !!python/object/apply:os.getpid []\n")
    with pytest.raises(DataSetError, match="safely"):
        DexYcb(folder)


def test_missing_pyyaml_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(DataSetError, match=r"handloom\[dexycb\]"):
        DexYcb(folder)


def test_damaged_labels_are_refused(folder: Path) -> None:
    path = folder / "20200709-subject-01" / "20200709_141754" / SERIALS[0] / "labels_000000.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataSetError, match="labels_000000"):
        DexYcb(folder).labels(0)
    np.savez(path, **labels(joint_3d=np.zeros((2, 21, 3))))
    with pytest.raises(DataSetError, match="joint_3d"):
        DexYcb(folder).labels(0)


def test_folder_without_subjects_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match="calibration"):
        DexYcb(tmp_path)
    (tmp_path / "calibration").mkdir()
    with pytest.raises(DataSetError, match="no subjects"):
        DexYcb(tmp_path)
