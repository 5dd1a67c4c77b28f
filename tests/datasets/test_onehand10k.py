"""OneHand10K, from label files made as others' readers describe them, and as mmpose hands it out."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from handloom.datasets.coco import CocoHands
from handloom.datasets.onehand10k import OneHand10K
from handloom.errors import DataSetError

VALUES = [value for k in range(21) for value in (30 + k, 40 + k)]


def write(folder: Path, *lines: str, split: str = "Train") -> Path:
    (folder / split / "source").mkdir(parents=True)
    (folder / split / "label_joint.txt").write_text("\n".join(lines) + "\n")
    for name in ("0.jpg", "1.jpg"):
        cv2.imwrite(str(folder / split / "source" / name), np.full((90, 120, 3), 70, np.uint8))
    return folder


def line(name: str = "0.jpg", values: list[int] = VALUES, size: tuple[int, int] = (120, 90)) -> str:
    return ",".join(map(str, [name, *size, 1, *values]))


def test_joints_are_read_and_sides_are_unknown(tmp_path: Path) -> None:
    dataset = OneHand10K(write(tmp_path, line(), line("1.jpg")))
    assert list(dataset.keys) == ["0.jpg", "1.jpg"]
    hand = dataset[1].hands[0]
    assert hand.side == "unknown"
    assert "side" in dataset.lacks
    np.testing.assert_array_equal(hand.xy[20], [50, 60])
    assert dataset.labels(0).conditions["hands_in_picture"] == 1.0


@pytest.mark.parametrize("gone", [(-1, -1), (-1, 12)])
def test_minus_one_is_not_a_place(tmp_path: Path, gone: tuple[int, int]) -> None:
    values = list(VALUES)
    values[8:10] = gone
    hand = OneHand10K(write(tmp_path, line(values=values))).labels(0).hands[0]
    assert np.isnan(hand.xy[4]).all()
    assert np.isfinite(hand.xy).all(axis=1).sum() == 20
    np.testing.assert_array_equal(hand.box, [30, 40, 50, 60])


def test_test_split(tmp_path: Path) -> None:
    assert len(OneHand10K(write(tmp_path, line(), split="Test"))) == 1
    with pytest.raises(DataSetError, match="label_joint"):
        OneHand10K(tmp_path, "train")
    with pytest.raises(DataSetError, match="val"):
        OneHand10K(tmp_path, "val")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (line(values=VALUES[:40]), "44 entries, not 46"),
        (line().replace("31", "x"), "malformed"),
        ("", "no picture"),
        (f"{line()}\n{line()}", "twice"),
    ],
)
def test_malformed_labels_are_refused_and_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(DataSetError, match=problem) as error:
        OneHand10K(write(tmp_path, text))
    assert "label_joint.txt" in str(error.value)


def test_picture_of_another_size_than_its_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match="120 × 90"):
        OneHand10K(write(tmp_path, line(size=(90, 120))))[0]


def test_missing_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match=r"7\.jpg"):
        OneHand10K(write(tmp_path, line("7.jpg")))[0]


def test_mmposes_file_is_read_as_coco(tmp_path: Path) -> None:
    write(tmp_path, line())
    flagged = [value for k in range(21) for value in (30 + k, 40 + k, 1)]
    content = {
        "images": [{"id": 9, "file_name": "Train/source/0.jpg", "width": 120, "height": 90}],
        "annotations": [
            {"id": 9, "image_id": 9, "keypoints": flagged, "bbox": [25, 35, 40, 40], "iscrowd": 0}
        ],
    }
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "onehand10k_train.json").write_text(json.dumps(content))
    sample = CocoHands(tmp_path, "train")[0]
    np.testing.assert_array_equal(sample.hands[0].xy, OneHand10K(tmp_path).labels(0).hands[0].xy)
    assert sample.image is not None
