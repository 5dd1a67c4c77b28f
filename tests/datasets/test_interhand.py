"""InterHand2.6M, from files made as its authors describe them, and from what our writer makes."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from captured_hands import HANDS, camera, capture
from made_samples import made_samples
from mano_files import mano_content, write_mano
from scipy.spatial.transform import Rotation

from handloom.datasets import check
from handloom.datasets.interhand import InterHand
from handloom.datasets.interhand_writer import InterHandWriter
from handloom.datasets.pictures import as_jpg
from handloom.errors import DataSetError
from handloom.hand.mano import load_mano
from handloom.skeleton import HAND

R = Rotation.from_euler("xyz", [0.3, -0.2, 0.1]).as_matrix()
CAMPOS = np.array([300.0, -200.0, -900.0])
FINGER = {"thumb": ("tip", "ip", "mcp", "cmc")}
TIP_FIRST = [
    f"{finger}_{segment}"
    for finger in ("thumb", "index", "middle", "ring", "little")
    for segment in FINGER.get(finger, ("tip", "dip", "pip", "mcp"))
]
NAMES = [*TIP_FIRST, "wrist"]
WORLD = {side: 1000.0 * HANDS[side][4] for side in ("right", "left")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of camera 400002 of capture 7: frame 21 of both hands, frame 22 of the left one."""
    both = [WORLD[side][HAND.index(joint)].tolist() for side in ("right", "left") for joint in NAMES]
    valid = [1] * 42
    valid[NAMES.index("ring_dip")] = 0
    both[NAMES.index("ring_dip")] = [1.0, 1.0, 1.0]
    left_only = [0] * 21 + [1] * 21
    camera_file = {
        "7": {
            "campos": {"400002": CAMPOS.tolist()},
            "camrot": {"400002": R.tolist()},
            "focal": {"400002": [1200.0, 1210.0]},
            "princpt": {"400002": [170.0, 250.0]},
        }
    }
    frames = {
        "21": {"world_coord": both, "joint_valid": [[v] for v in valid], "hand_type": "interacting"},
        "22": {"world_coord": both, "joint_valid": [[v] for v in left_only], "hand_type": "left"},
    }
    images, annotations = [], []
    for image_id, (frame, kind, flags) in {
        500: (21, "interacting", valid),
        501: (22, "left", left_only),
    }.items():
        name = f"Capture7/0012_pray/cam400002/image{frame}.jpg"
        images.append(
            {
                "id": image_id,
                "file_name": name,
                "width": 334,
                "height": 512,
                "capture": 7,
                "subject": 3,
                "seq_name": "0012_pray",
                "camera": "400002",
                "frame_idx": frame,
            }
        )
        annotations.append({
            "id": image_id, "image_id": image_id, "bbox": [10.0, 20.0, 100.0, 120.0],
            "joint_valid": flags, "hand_type": kind, "hand_type_valid": [1],
        })  # fmt: skip
    data = {"images": images, "annotations": annotations}
    files = {"data": data, "camera": camera_file, "joint_3d": {"7": frames}}
    target = tmp_path / "annotations" / "train"
    target.mkdir(parents=True)
    for name, content in files.items():
        (target / f"InterHand2.6M_train_{name}.json").write_text(json.dumps(content))
    return tmp_path


def change(folder: Path, name: str, what: Callable[[Any], None]) -> Path:
    path = folder / "annotations" / "train" / f"InterHand2.6M_train_{name}.json"
    content = json.loads(path.read_text())
    what(content)
    path.write_text(json.dumps(content))
    return path


def test_campos_is_a_place_in_millimetres_and_not_a_translation(folder: Path) -> None:
    sample = InterHand(folder).labels(0)
    right, left = sample.hands
    for hand in (right, left):
        expected = (WORLD[hand.side] - CAMPOS) @ R.T / 1000.0
        known = np.isfinite(hand.xyz[:, 0])
        np.testing.assert_allclose(hand.xyz[known], expected[known], atol=1e-12)
        assert 0.5 < np.nanmedian(hand.xyz[:, 2]) < 2.0
    assert sample.camera is not None
    np.testing.assert_allclose(sample.camera.center, CAMPOS / 1000.0, atol=1e-12)


def test_fingers_run_from_tip_to_base_and_the_right_hand_comes_first(folder: Path) -> None:
    right, left = InterHand(folder).labels(0).hands
    assert (right.side, left.side) == ("right", "left")
    expected = (WORLD["left"][HAND.index("index_tip")] - CAMPOS) @ R.T / 1000.0
    np.testing.assert_allclose(left.xyz[HAND.index("index_tip")], expected)


def test_pixels_are_the_projected_joints(folder: Path) -> None:
    hand = InterHand(folder).labels(0).hands[1]
    x, y, z = hand.xyz.T
    np.testing.assert_allclose(
        hand.xy, np.stack([1200 * x / z + 170, 1210 * y / z + 250], axis=-1), atol=1e-9
    )


def test_joints_that_are_not_valid_are_missing_although_they_have_a_place(folder: Path) -> None:
    dataset = InterHand(folder)
    right = dataset.labels(0).hands[0]
    assert np.isnan(right.xyz[HAND.index("ring_dip")]).all()
    assert np.isnan(right.xy[HAND.index("ring_dip")]).all()
    assert np.isfinite(right.xyz).all(axis=1).sum() == 20
    assert [hand.side for hand in dataset.labels(1).hands] == ["left"]


def test_box_is_of_the_hand_only_where_there_is_one_hand(folder: Path) -> None:
    dataset = InterHand(folder)
    assert dataset.labels(0).hands[0].box is None
    np.testing.assert_array_equal(dataset.labels(1).hands[0].box, [10, 20, 110, 140])


def test_kinds_of_pictures_can_be_chosen(folder: Path) -> None:
    assert len(InterHand(folder)) == 2
    assert InterHand(folder, hands="single").labels(0).conditions["hand_type"] == "left"
    picture = InterHand(folder, hands="interacting").labels(0)
    assert picture.moment == "7/21"
    assert picture.frame == ("7/0012_pray/400002", 21)
    with pytest.raises(ValueError, match="both"):
        InterHand(folder, hands="both")


def test_annotation_files_are_found_where_versions_keep_them(folder: Path) -> None:
    (folder / "annotations" / "train").rename(folder / "annotations" / "all")
    assert len(InterHand(folder)) == 2
    dataset = InterHand(folder / "annotations" / "all", "train")
    assert len(dataset) == 2
    picture = folder / "images" / "train" / f"{dataset.keys[0]}.jpg"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(as_jpg(np.zeros((8, 8, 3), np.uint8)))
    assert dataset[0].image is not None


def mano_folder(tmp_path: Path) -> Path:
    target = tmp_path / "mano"
    target.mkdir()
    for side in ("right", "left"):
        write_mano(target / f"MANO_{side.upper()}.pkl", mano_content(side, vertices=778))
    return target


def test_mano_is_brought_from_the_world_into_the_camera(folder: Path) -> None:
    models = mano_folder(folder)
    rng = np.random.default_rng(3)
    pose, shape = rng.normal(0, 0.3, 48), rng.normal(0, 1, 10)
    trans = rng.normal(0, 0.3, 3)
    fit = {"pose": pose.tolist(), "shape": shape.tolist(), "trans": trans.tolist()}
    path = folder / "annotations" / "train" / "InterHand2.6M_train_MANO_NeuralAnnot.json"
    path.write_text(json.dumps({"7": {"21": {"right": fit, "left": None}}}))
    dataset = InterHand(folder, mano=models)
    right, left = dataset.labels(0).hands
    assert left.mano is None
    assert dataset.labels(1).hands[0].mano is None
    assert right.mano is not None
    assert not right.mano.flat_hand_mean
    assert "mano" not in dataset.lacks

    hand = load_mano(models, "right")
    rotations, T = hand.from_mano(pose, trans, shape, flat_hand_mean=False)
    in_world = hand.pose(np.zeros((15, 3)), shape, T, rotations=rotations).vertices
    expected = (in_world - CAMPOS / 1000.0) @ R.T
    np.testing.assert_allclose(right.vertices, expected, atol=1e-9)
    mano = right.mano
    rotations, T = hand.from_mano(mano.pose, mano.translation, mano.shape, flat_hand_mean=False)
    again = hand.pose(np.zeros((15, 3)), mano.shape, T, rotations=rotations).vertices
    np.testing.assert_allclose(again, expected, atol=1e-9)


def test_without_mano_files_its_translation_is_unknown_and_its_pose_is_not(folder: Path) -> None:
    assert {"mano", "vertices"} <= set(InterHand(folder).lacks)
    fit = {"pose": [0.1] * 48, "shape": [0.0] * 10, "trans": [1.0, 2.0, 3.0]}
    path = folder / "annotations" / "train" / "InterHand2.6M_train_MANO_NeuralAnnot.json"
    path.write_text(json.dumps({"7": {"21": {"right": fit, "left": None}}}))
    dataset = InterHand(folder)
    assert {"mano.translation", "vertices"} <= set(dataset.lacks)
    mano = dataset.labels(0).hands[0].mano
    assert mano is not None
    assert np.isnan(mano.translation).all()
    expected = Rotation.from_matrix(R) * Rotation.from_rotvec([0.1] * 3)
    np.testing.assert_allclose(mano.pose[:3], expected.as_rotvec())
    np.testing.assert_array_equal(mano.pose[3:], 0.1)


def test_folder_without_annotations_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match=r"data\.json"):
        InterHand(tmp_path)


@pytest.mark.parametrize("name", ["camera", "joint_3d"])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / "annotations" / "train" / f"InterHand2.6M_train_{name}.json").unlink()
    with pytest.raises(DataSetError, match=f"train_{name}.json"):
        InterHand(folder)


@pytest.mark.parametrize(
    ("name", "what", "problem"),
    [
        ("camera", lambda c: c["7"]["campos"].pop("400002"), "400002"),
        ("camera", lambda c: c["7"]["camrot"].update({"400002": np.diag([1, 1, 2]).tolist()}), "rotation"),
        ("camera", lambda c: c["7"]["focal"].update({"400002": [3]}), "focal"),
        ("joint_3d", lambda c: c["7"].pop("21"), "21"),
        ("joint_3d", lambda c: c["7"]["21"].update(world_coord=[[1, 2, 3]] * 21), "126|42"),
        ("data", lambda c: c["annotations"][0].update(joint_valid=[1] * 21), "joint_valid"),
        ("data", lambda c: c["annotations"][0].update(hand_type="both"), "both"),
        ("data", lambda c: c["annotations"][0].update(image_id=9), "9"),
        ("data", lambda c: c["annotations"].append(c["annotations"][0]), "twice"),
    ],
)  # fmt: skip
def test_malformed_file_is_refused_and_named(
    folder: Path, name: str, what: Callable[[Any], None], problem: str
) -> None:
    path = change(folder, name, what)
    with pytest.raises(DataSetError, match=problem) as error:
        InterHand(folder).labels(0)
    assert path.name in str(error.value)


def test_missing_picture_is_named(folder: Path) -> None:
    with pytest.raises(DataSetError, match=r"image21\.jpg"):
        InterHand(folder)[0]


def test_dataset_can_be_handed_to_other_processes(folder: Path) -> None:
    dataset = InterHand(folder)
    dataset.labels(0)
    assert len(pickle.loads(pickle.dumps(dataset))) == 2


VIEWS = [camera(f"cam{number}", degrees) for number, degrees in ((4, -30.0), (5, 5.0), (12, 40.0))]


def written(folder: Path) -> Path:
    samples = [capture(frame, view, moment=f"2/{frame}") for frame in (3, 8) for view in VIEWS]
    samples[4] = capture(8, VIEWS[1], moment="2/8", unseen=(4, 6))
    writer = InterHandWriter(folder, "val")
    for part in (1, 0, 2):
        writer.write_part(part, 2 * part, samples[2 * part : 2 * part + 2])
    assert writer.done(2)
    writer.finish(3)
    return folder


def test_many_cameras_are_read_back_as_they_were(tmp_path: Path) -> None:
    dataset = InterHand(written(tmp_path / "set"))
    assert dataset.split == "val"
    assert [dataset.labels(i).moment for i in range(6)] == ["2/3"] * 3 + ["2/8"] * 3
    for index, (frame, view) in enumerate((frame, view) for frame in (3, 8) for view in VIEWS):
        truth, sample = capture(frame, view), dataset[index]
        assert sample.camera is not None
        np.testing.assert_allclose(sample.camera.T_camera_world, view.T_camera_world, atol=1e-12)
        np.testing.assert_allclose(sample.camera.K, view.K)
        assert sample.camera.image_size == view.image_size
        for hand, true in zip(sample.hands, truth.hands, strict=True):
            known = np.isfinite(hand.xyz[:, 0])
            assert known.sum() == (19 if index == 4 else 21)
            np.testing.assert_allclose(hand.xyz[known], true.xyz[known], atol=2e-9)
            np.testing.assert_allclose(hand.xy[known], true.xy[known], atol=1e-5)
        assert sample.image is not None
        assert truth.image is not None
        assert np.abs(sample.image.astype(int) - truth.image).mean() < 12


def test_joint_that_one_camera_knows_is_known_of_the_moment(tmp_path: Path) -> None:
    folder = written(tmp_path / "set")
    content = json.loads((folder / "annotations" / "val" / "InterHand2.6M_val_joint_3d.json").read_text())
    assert np.array(content["2"]["8"]["joint_valid"]).shape == (42, 1)
    assert np.array(content["2"]["8"]["joint_valid"]).all()


def test_single_pictures_are_captures_of_their_own(tmp_path: Path) -> None:
    writer = InterHandWriter(tmp_path / "set")
    views = [camera("camera", 10.0), camera("camera", 20.0)]
    writer.write_part(
        0, 0, [capture(2, view, (side,)) for view, side in zip(views, ("left", "right"), strict=True)]
    )
    writer.finish(1)
    dataset = InterHand(tmp_path / "set")
    assert [dataset.labels(i).hands[0].side for i in range(2)] == ["left", "right"]
    np.testing.assert_allclose(dataset.labels(1).hands[0].xyz, capture(2, views[1], ("right",)).hands[0].xyz,
                               atol=2e-9)  # fmt: skip


def test_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (written(tmp_path / name) for name in "ab")
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) == 9
    for file in files:
        assert (first / file).read_bytes() == (second / file).read_bytes()


def test_camera_that_moves_within_a_capture_is_refused(tmp_path: Path) -> None:
    writer = InterHandWriter(tmp_path / "set")
    writer.write_part(0, 0, [capture(k, camera("1", 10.0 + k), moment=f"0/{k}") for k in (1, 2)])
    with pytest.raises(DataSetError, match="Camera 1 of capture 0"):
        writer.finish(1)


def test_pictures_of_one_moment_that_disagree_are_refused(tmp_path: Path) -> None:
    writer = InterHandWriter(tmp_path / "set")
    writer.write_part(0, 0, [capture(2, VIEWS[0], moment="0/0"), capture(3, VIEWS[1], moment="0/0")])
    with pytest.raises(DataSetError, match="different hands"):
        writer.finish(1)


@pytest.mark.parametrize(
    ("sample", "problem"),
    [
        (capture(2, VIEWS[0], ("right", "right")), "right, right"),
        (capture(2, VIEWS[0], ()), "none"),
        (capture(2, VIEWS[0], moment="take one"), "take one"),
        (replace(capture(2, VIEWS[0]), image=None), "no picture"),
        (capture(2, replace(VIEWS[0], distortion=np.array([0.1, 0, 0, 0]))), "distorting"),
    ],
)
def test_sample_that_the_layout_cannot_hold_is_refused(tmp_path: Path, sample: Any, problem: str) -> None:
    with pytest.raises(DataSetError, match=problem):
        InterHandWriter(tmp_path / "set").write_part(0, 0, [sample])


def test_what_is_written_agrees_with_itself(tmp_path: Path) -> None:
    writer = InterHandWriter(tmp_path / "set")
    writer.write_part(0, 0, made_samples(6, ("left", "right")))
    writer.finish(1)
    assert check(InterHand(tmp_path / "set")).findings == ()
