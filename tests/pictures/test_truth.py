"""Truth and conditions of pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hand_pictures import Shown

from handloom.errors import HandloomError
from handloom.pictures import ImageOptions, errors, read_conditions, read_hands, read_truth
from handloom.pictures.search import HandSearch

PICTURES = [Path("a.jpg"), Path("b.jpg")]


def _file(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(content))
    return path


def test_freihand_joints_with_intrinsics(tmp_path: Path) -> None:
    xyz = np.random.default_rng(0).normal(0, 0.05, (2, 21, 3))
    xyz[..., 2] += 0.6
    K = [[[500, 0, 112], [0, 500, 112], [0, 0, 1]]] * 2
    truth = read_truth(_file(tmp_path, {"xyz": xyz.tolist(), "K": K}), PICTURES)
    xy, points = truth[PICTURES[1]].xy, truth[PICTURES[1]].xyz
    assert xy is not None
    assert points is not None
    assert np.allclose(points[0], xyz[1])
    assert np.allclose(xy[0, 3], 500 * xyz[1, 3, :2] / xyz[1, 3, 2] + 112)


def test_coco_annotations(tmp_path: Path) -> None:
    keypoints = np.column_stack([np.arange(21), np.arange(21), np.full(21, 2)])
    keypoints[5, 2] = 0
    content = {
        "images": [{"id": 7, "file_name": "folder/b.jpg"}],
        "annotations": [{"image_id": 7, "keypoints": keypoints.ravel().tolist()}],
    }
    truth = read_truth(_file(tmp_path, content), PICTURES)
    assert list(truth) == [PICTURES[1]]
    xy = truth[PICTURES[1]].xy
    assert xy is not None
    assert np.isnan(xy[0, 5]).all()
    assert np.allclose(xy[0, 6], 6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([[[0, 0, 0]] * 21], "1 hands for 2 pictures"),
        ([[[0, 0, 0]] * 20] * 2, "shape"),
        ({"xyz": [[[0, 0, 0]] * 21] * 2, "K": [1]}, "1 intrinsics"),
        ({"images": [], "annotations": []}, "labels no hand"),
        ({"images": [{"id": 1, "file_name": "a.jpg"}],
          "annotations": [{"image_id": 1, "keypoints": [1, 2, 3]}]}, "3 numbers for keypoints"),
        ({"images": [{"id": 1, "file_name": "z.jpg"}],
          "annotations": [{"image_id": 1, "keypoints": [1] * 63}]}, "labels none"),
        ({"images": [], "annotations": [{"image_id": 3, "keypoints": [0] * 63}]}, "image 3"),
        ({"something": "else"}, "neither"),
        ("text", "neither"),
    ],
)  # fmt: skip
def test_a_truth_that_does_not_fit(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(HandloomError, match=message):
        read_truth(_file(tmp_path, content), PICTURES)


def test_a_truth_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HandloomError, match="no JSON"):
        read_truth(tmp_path / "t.json", PICTURES)
    with pytest.raises(HandloomError, match="cannot be read"):
        read_truth(tmp_path / "gone.json", PICTURES)


def test_errors_against_the_truth(shown: Shown, search: HandSearch, tmp_path: Path) -> None:
    picture = Path("hand.png")
    options = ImageOptions(intrinsics=shown.camera, checks=False)
    result = read_hands(shown.image, picture, "hand", search, options)
    truth = read_truth(_file(tmp_path, [shown.keypoints.tolist()]), [picture])
    error = errors(result, truth[picture])[0]
    assert np.nanmean(error.px) < 12.0
    assert error.aligned_mm.mean() <= error.root_mm.mean()
    assert error.aligned_mm.mean() < 12.0


def test_conditions_by_picture(tmp_path: Path) -> None:
    path = tmp_path / "meta.csv"
    path.write_text("file,View,lighting\na.jpg,palm,dark\nb,back,\nother.jpg,side,dark\n")
    assert read_conditions(path, PICTURES) == {
        PICTURES[0]: {"view": "palm", "lighting": "dark"},
        PICTURES[1]: {"view": "back", "lighting": "–"},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "columns"), ("view\npalm\n", "columns"), ("file,weather\na.jpg,rain\n", "columns"),
     ("file,view\nz.jpg,palm\n", "none of the 2")],
)  # fmt: skip
def test_conditions_that_do_not_fit(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "meta.csv").write_text(text)
    with pytest.raises(HandloomError, match=message):
        read_conditions(tmp_path / "meta.csv", PICTURES)
