"""CMU's hand database, from files made as its authors describe them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from handloom.datasets.cmu import PANOPTIC_LABELS, CmuHands
from handloom.errors import DataSetError

POINTS = [[100.5 + k, 50.0 + 2 * k, 1.0] for k in range(21)]


def write(folder: Path, name: str, **entries: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"hand_pts": POINTS, "is_left": 0, "hand_box_center": [1, 2], **entries}
    (folder / f"{name}.json").write_text(json.dumps(content))
    cv2.imwrite(str(folder / f"{name}.jpg"), np.full((120, 160, 3), 90, np.uint8))


@pytest.fixture
def handdb(tmp_path: Path) -> Path:
    write(tmp_path / "hand_labels" / "manual_train", "a_01_l", is_left=1)
    write(tmp_path / "hand_labels" / "manual_train", "b_02_r", is_left=0.0)
    write(tmp_path / "hand_labels" / "manual_test", "c_03_r")
    for k in (1, 2):
        write(tmp_path / "hand_labels_synth" / f"synth{k}", "0001")
    dome = tmp_path / "hand143_panopticdb"
    (dome / "imgs").mkdir(parents=True)
    cv2.imwrite(str(dome / "imgs" / "00000000.jpg"), np.full((108, 192, 3), 90, np.uint8))
    entry = {"img_paths": "imgs/00000000.jpg", "joint_self": POINTS, "img_width": 192, "img_height": 108}
    (dome / PANOPTIC_LABELS).write_text(json.dumps({"root": [entry]}))
    return tmp_path


def test_sides_are_the_files_own(handdb: Path) -> None:
    dataset = CmuHands(handdb)
    assert list(dataset.keys) == ["manual_train/a_01_l", "manual_train/b_02_r"]
    assert [dataset.labels(k).hands[0].side for k in range(2)] == ["left", "right"]
    np.testing.assert_array_equal(dataset.labels(0).hands[0].xy, np.array(POINTS)[:, :2])
    image = dataset[0].image
    assert image is not None
    assert image.shape == (120, 160, 3)


@pytest.mark.parametrize("flag", [0, 0.5, 2])
def test_keypoint_without_its_flag_is_missing_although_it_has_a_place(tmp_path: Path, flag: float) -> None:
    points = [list(point) for point in POINTS]
    points[7][2] = flag
    write(tmp_path / "hand_labels" / "manual_train", "a", hand_pts=points)
    hand = CmuHands(tmp_path).labels(0).hands[0]
    assert np.isnan(hand.xy[7]).all()
    assert np.isfinite(hand.xy).all(axis=1).sum() == 20


def test_splits_and_folders(handdb: Path) -> None:
    assert list(CmuHands(handdb / "hand_labels", "manual_test").keys) == ["manual_test/c_03_r"]
    assert list(CmuHands(handdb / "hand_labels" / "manual_test").keys) == ["manual_test/c_03_r"]
    assert list(CmuHands(handdb, "synth").keys) == ["synth1/0001", "synth2/0001"]
    assert CmuHands(handdb / "hand_labels_synth").split == "synth"


def test_dome_does_not_tell_sides(handdb: Path) -> None:
    dataset = CmuHands(handdb, "panoptic")
    assert dataset.labels(0).hands[0].side == "unknown"
    assert "side" in dataset.lacks
    assert dataset[0].key == "imgs/00000000"
    told = CmuHands(handdb / "hand143_panopticdb", side="right")
    assert told.labels(0).hands[0].side == "right"
    assert "side" not in told.lacks


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({"hand_pts": POINTS[:20]}, "hand_pts"),
        ({"hand_pts": "none"}, "malformed"),
        ({"is_left": [1, 2]}, "is_left"),
    ],
)
def test_malformed_label_is_refused_and_named(tmp_path: Path, entries: dict[str, Any], problem: str) -> None:
    write(tmp_path / "hand_labels" / "manual_train", "odd", **entries)
    with pytest.raises(DataSetError, match=problem) as error:
        CmuHands(tmp_path).labels(0)
    assert "odd.json" in str(error.value)


def test_label_without_keypoints_is_named(handdb: Path) -> None:
    (handdb / "hand143_panopticdb" / PANOPTIC_LABELS).write_text('{"root": [{"img_paths": "imgs/1.jpg"}]}')
    with pytest.raises(DataSetError, match="joint_self"):
        CmuHands(handdb, "panoptic").labels(0)


def test_missing_parts_are_named(handdb: Path, tmp_path: Path) -> None:
    (handdb / "hand_labels" / "manual_train" / "a_01_l.jpg").unlink()
    with pytest.raises(DataSetError, match="a_01_l"):
        CmuHands(handdb)[0]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataSetError, match="manual_train"):
        CmuHands(tmp_path / "empty")
    with pytest.raises(DataSetError, match="train2"):
        CmuHands(handdb, "train2")
