"""COCO-WholeBody, Halpe and lists of 21 keypoints, from files made as their authors describe them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from captured_hands import camera, capture

from handloom.datasets.coco import CocoHands, CocoWholeBodyWriter
from handloom.errors import DataSetError


def keypoints(start: float = 10.0, flag: int = 2) -> list[float]:
    return [value for k in range(21) for value in (start + k, 2 * start + k, flag)]


def person(image_id: int, **entries: Any) -> dict[str, Any]:
    return {
        "id": 77, "image_id": image_id, "iscrowd": 0, "category_id": 1, "bbox": [1, 2, 60, 80],
        "keypoints": [0] * 51, "num_keypoints": 0,
        "lefthand_kpts": [0] * 63, "lefthand_valid": False, "lefthand_box": [0, 0, 0, 0],
        "righthand_kpts": [0] * 63, "righthand_valid": False, "righthand_box": [0, 0, 0, 0],
        **entries,
    }  # fmt: skip


def write(path: Path, annotations: list[dict[str, Any]], ids: tuple[int, ...] = (139, 785)) -> Path:
    images = [{"id": i, "file_name": f"{i:012d}.jpg", "width": 64, "height": 48} for i in ids]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": []}))
    return path


@pytest.fixture
def wholebody(tmp_path: Path) -> Path:
    left = {"lefthand_kpts": keypoints(), "lefthand_valid": True, "lefthand_box": [10, 20, 20, 21]}
    return write(tmp_path / "annotations" / "coco_wholebody_val_v1.0.json", [person(785, **left)])


def test_hand_of_a_person_is_read(wholebody: Path) -> None:
    dataset = CocoHands(wholebody)
    (hand,) = dataset.labels(0).hands
    assert dataset.name == "coco-wholebody"
    assert hand.side == "left"
    np.testing.assert_allclose(hand.xy[3], [13, 23])
    np.testing.assert_allclose(hand.box, [10, 20, 30, 41])
    assert hand.visible is not None
    assert hand.visible.all()
    assert np.isnan(hand.xyz).all()
    assert "camera" in dataset.lacks


def test_images_go_by_their_id_and_not_by_their_place(wholebody: Path) -> None:
    dataset = CocoHands(wholebody)
    assert list(dataset.keys) == ["785"]
    assert list(dataset.file_names) == ["000000000785.jpg"]


def test_flag_zero_is_not_a_keypoint_at_the_corner(tmp_path: Path) -> None:
    values = keypoints()
    values[6:9] = [0, 0, 0]
    values[9:12] = [0, 0, 1]
    path = write(tmp_path / "a.json", [person(139, righthand_kpts=values, righthand_valid=True)])
    (hand,) = CocoHands(path).labels(0).hands
    assert np.isnan(hand.xy[2]).all()
    np.testing.assert_array_equal(hand.xy[3], [0, 0])
    assert hand.visible is not None
    assert not hand.visible[2]
    assert not hand.visible[3]
    assert hand.visible[4]


def test_hand_that_is_not_valid_is_not_labelled(tmp_path: Path) -> None:
    both = {"righthand_kpts": keypoints(), "righthand_valid": False, "lefthand_kpts": keypoints()}
    path = write(tmp_path / "a.json", [person(139, **both, lefthand_valid=True)])
    assert [hand.side for hand in CocoHands(path).labels(0).hands] == ["left"]


def test_all_people_of_a_picture_are_in_one_sample(tmp_path: Path) -> None:
    right = {"righthand_kpts": keypoints(), "righthand_valid": True}
    path = write(tmp_path / "a.json", [person(139, **right), person(785, **right), person(139, **right)])
    dataset = CocoHands(path)
    assert [len(dataset.labels(i).hands) for i in range(len(dataset))] == [2, 1]


def test_crowds_are_left_out(tmp_path: Path) -> None:
    right = {"righthand_kpts": keypoints(), "righthand_valid": True}
    path = write(tmp_path / "a.json", [person(139, **right), person(785, **right, iscrowd=1)])
    assert list(CocoHands(path).keys) == ["139"]


@pytest.mark.parametrize(("count", "left", "name"), [(136, 94, "halpe"), (133, 91, "coco-wholebody")])
def test_hands_inside_one_long_list(tmp_path: Path, count: int, left: int, name: str) -> None:
    values = np.zeros((count, 3))
    values[left : left + 21] = np.reshape(keypoints(10), (21, 3))
    values[left + 21 : left + 42] = np.reshape(keypoints(30, flag=1), (21, 3))
    entry = {"id": 1, "image_id": 139, "keypoints": values.ravel().tolist(), "bbox": [0, 0, 64, 48]}
    dataset = CocoHands(write(tmp_path / "a.json", [entry]))
    assert dataset.name == name
    first, second = dataset.labels(0).hands
    assert (first.side, second.side) == ("left", "right")
    np.testing.assert_array_equal(first.xy[0], [10, 20])
    np.testing.assert_array_equal(second.xy[0], [30, 60])
    assert first.box is None


def test_21_keypoints_are_of_no_known_side_unless_the_file_says(tmp_path: Path) -> None:
    plain = {"id": 1, "image_id": 139, "keypoints": keypoints(), "bbox": [5, 6, 7, 8]}
    dataset = CocoHands(write(tmp_path / "a.json", [plain, {**plain, "hand_type": "left"}]))
    first, second = dataset.labels(0).hands
    assert (first.side, second.side) == ("unknown", "left")
    assert dataset.name == "coco"
    assert "side" in dataset.lacks
    np.testing.assert_array_equal(first.box, [5, 6, 12, 14])


def test_pictures_are_found_beside_the_file_and_kept_as_stored(wholebody: Path) -> None:
    folder = wholebody.parents[1] / "val2017"
    folder.mkdir()
    image = np.zeros((48, 64, 3), dtype=np.uint8)
    image[:24] = [250, 20, 10]
    _, jpg = cv2.imencode(".jpg", image[..., ::-1])
    # A note that says "turn me by a quarter": the labels count the pixels as they are stored.
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    data = jpg.tobytes()
    turned = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
    (folder / "000000000785.jpg").write_bytes(turned)
    picture = CocoHands(wholebody)[0].image
    assert picture is not None
    assert picture.shape == (48, 64, 3)
    np.testing.assert_allclose(picture[5, 5], [250, 20, 10], atol=6)


def test_missing_picture_is_named(wholebody: Path) -> None:
    with pytest.raises(DataSetError, match=r"000000000785\.jpg"):
        CocoHands(wholebody)[0]


def test_folder_with_several_files_asks_which(wholebody: Path) -> None:
    write(wholebody.with_name("coco_wholebody_train_v1.0.json"), [person(785)])
    with pytest.raises(DataSetError, match="2 annotation files"):
        CocoHands(wholebody.parents[1])
    assert len(CocoHands(wholebody.parents[1], split="val")) == 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"images": [', "cut off"),
        ('{"images": []}', "annotations"),
        ('{"images": [], "annotations": [{"id": 3, "image_id": 9}]}', "image 9"),
        ('{"images": [], "annotations": []}', "no hand"),
        ('{"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}], "annotations": []}', "id 1"),
        (json.dumps({"images": [{"id": 1, "file_name": "a"}],
                     "annotations": [{"image_id": 1, "keypoints": [1, 2]}]}), "2 numbers"),
        (json.dumps({"images": [{"id": 1, "file_name": "a"}],
                     "annotations": [{"image_id": 1, "keypoints": [0] * 51}]}), "51 numbers"),
    ],
)  # fmt: skip
def test_malformed_file_is_refused_and_named(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(DataSetError, match=problem) as error:
        CocoHands(path)
    assert "broken.json" in str(error.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match="nothing"):
        CocoHands(tmp_path / "nothing.json")


def written(folder: Path) -> Path:
    writer = CocoWholeBodyWriter(folder)
    view = camera("0", 10.0)
    writer.write_part(1, 2, [capture(5, view, ("left",), unseen=(4,)), capture(6, view, ("right", "right"))])
    writer.write_part(0, 0, [capture(3, view), capture(4, view, ())])
    writer.finish(2)
    return folder


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    dataset = CocoHands(written(tmp_path / "set"))
    view = camera("0", 10.0)
    assert list(dataset.keys) == ["1", "3", "4"]
    truth = capture(3, view)
    for hand, true in zip(dataset[0].hands, sorted(truth.hands, key=lambda hand: hand.side), strict=True):
        assert hand.side == true.side
        np.testing.assert_allclose(hand.xy, true.xy)
        np.testing.assert_array_equal(hand.visible, true.visible)
    picture = dataset[0].image
    assert picture is not None
    assert truth.image is not None
    assert np.abs(picture.astype(int) - truth.image).mean() < 12
    (one,) = dataset.labels(1).hands
    assert np.isnan(one.xy[4]).all()
    assert len(dataset.labels(2).hands) == 2


def test_keypoints_outside_the_picture_are_not_labelled(tmp_path: Path) -> None:
    sample = capture(3, camera("0", 10.0), ("right",))
    sample.hands[0].xy[7] = [-3.0, 20.0]
    writer = CocoWholeBodyWriter(tmp_path / "set")
    writer.write_part(0, 0, [sample])
    writer.finish(1)
    assert np.isnan(CocoHands(tmp_path / "set").labels(0).hands[0].xy[7]).all()


def test_ids_of_annotations_begin_at_one_and_are_unique(tmp_path: Path) -> None:
    folder = written(tmp_path / "set")
    content = json.loads((folder / "annotations" / "coco_wholebody_train_v1.0.json").read_text())
    assert [annotation["id"] for annotation in content["annotations"]] == [1, 2, 3, 4]
    assert [image["id"] for image in content["images"]] == [1, 2, 3, 4]


def test_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (written(tmp_path / name) for name in "ab")
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) == 5
    for file in files:
        assert (first / file).read_bytes() == (second / file).read_bytes()


def test_hand_of_unknown_side_is_not_written(tmp_path: Path) -> None:
    sample = capture(3, camera("0", 10.0), ("right",))
    object.__setattr__(sample.hands[0], "side", "unknown")
    with pytest.raises(DataSetError, match="unknown"):
        CocoWholeBodyWriter(tmp_path / "set").write_part(0, 0, [sample])
