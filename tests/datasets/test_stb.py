"""STB: files made by hand from the description of the layout; each of its traps is a case."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from handloom.datasets.stb import Stb
from handloom.errors import DataSetError
from handloom.skeleton import HAND

COUNT = 3
R = cv2.Rodrigues(np.array([0.00531, -0.01196, 0.00301]))[0]
T_MM = np.array([-24.0381, -0.4563, -1.2326])


def native(sequence: str, rig: str) -> np.ndarray:
    """(21, 3, N) millimetres: palm, then little to thumb, base to tip."""
    seed = sum(map(ord, sequence + rig))
    return np.random.default_rng(seed).normal([[[0], [10], [600]]], 40, (21, 3, COUNT))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "labels").mkdir()
    for sequence in ("B1Counting", "B1Random", "B2Random"):
        for rig in ("BB", "SK"):
            points = native(sequence, rig).transpose(1, 0, 2)
            savemat(tmp_path / "labels" / f"{sequence}_{rig}.mat", {"handPara": points})
    (tmp_path / "B1Counting").mkdir()
    (tmp_path / "images/B2Random").mkdir(parents=True)
    for path in ("B1Counting/BB_right_1", "images/B2Random/BB_left_0"):
        cv2.imwrite(str(tmp_path / f"{path}.png"), np.full((480, 640, 3), (9, 60, 200), np.uint8))
    return tmp_path


def sample_of(dataset: Stb, key: str):
    return dataset.labels(list(dataset.keys).index(key))


def test_millimetres_become_metres_and_the_little_finger_is_last(folder):
    (hand,) = sample_of(Stb(folder), "B1Counting/BB_left_2").hands
    points = native("B1Counting", "BB")[..., 2] / 1000
    np.testing.assert_allclose(hand.xyz[HAND.index("little_mcp")], points[1])
    np.testing.assert_allclose(hand.xyz[HAND.index("little_tip")], points[4])
    np.testing.assert_allclose(hand.xyz[HAND.index("index_mcp")], points[13])
    np.testing.assert_allclose(hand.xyz[HAND.index("thumb_tip")], points[20])


def test_root_is_the_palm_and_all_hands_are_left(folder):
    (hand,) = sample_of(Stb(folder), "B1Counting/BB_left_0").hands
    assert (hand.root, hand.side) == ("palm", "left")
    np.testing.assert_allclose(hand.xyz[0], native("B1Counting", "BB")[0, :, 0] / 1000)
    assert "wrist" in Stb(folder).lacks


def test_right_view_sees_the_hand_a_baseline_further_left(folder):
    dataset = Stb(folder)
    left, right = (sample_of(dataset, f"B1Random/BB_{side}_1") for side in ("left", "right"))
    np.testing.assert_allclose(left.hands[0].xyz - right.hands[0].xyz, [[0.120054, 0, 0]] * 21, atol=1e-12)
    fx, cx = 822.79041, 318.47345
    x, z = right.hands[0].xyz[:, 0], right.hands[0].xyz[:, 2]
    np.testing.assert_allclose(right.hands[0].xy[:, 0], fx * x / z + cx, atol=1e-9)
    assert left.moment == right.moment == "B1Random/1"
    assert left.frame[1] == right.frame[1] == 1
    assert left.frame[0] != right.frame[0]


def test_colour_view_has_the_labels_of_the_depth_camera_moved(folder):
    dataset = Stb(folder, views="color")
    assert len(dataset) == 3 * COUNT
    sample = sample_of(dataset, "B2Random/SK_color_1")
    (hand,) = sample.hands
    depth = native("B2Random", "SK")[17, :, 1]  # thumb, base
    color = hand.xyz[HAND.index("thumb_cmc")] * 1000
    np.testing.assert_allclose(R @ color + T_MM, depth, atol=1e-9)
    np.testing.assert_allclose(sample.camera.K[0, 0], 607.92271)


def test_splits_are_those_of_the_papers(folder):
    evaluation = Stb(folder, "evaluation")
    assert len(evaluation) == 2 * COUNT * 2
    assert {key[:2] for key in evaluation.keys} == {"B1"}
    assert len(Stb(folder)) == 3 * COUNT * 2
    with pytest.raises(DataSetError, match=r"B2Counting_BB\.mat"):
        Stb(folder, "training")
    with pytest.raises(DataSetError, match="no split 'test'"):
        Stb(folder, "test")


def test_pictures_are_found_with_and_without_a_folder_around(folder):
    dataset = Stb(folder)
    for key in ("B1Counting/BB_right_1", "B2Random/BB_left_0"):
        assert tuple(dataset[list(dataset.keys).index(key)].image[0, 0]) == (200, 60, 9)
    with pytest.raises(DataSetError, match=r"B1Random/BB_left_0\.png"):
        dataset[list(dataset.keys).index("B1Random/BB_left_0")]


def test_only_one_rig_may_be_there(folder):
    for file in (folder / "labels").glob("*_BB.mat"):
        file.unlink()
    assert Stb(folder).views == ("color",)
    with pytest.raises(DataSetError, match="no label file of BB"):
        Stb(folder, views="left")
    with pytest.raises(DataSetError, match="no views depth"):
        Stb(folder, views="depth")


def test_malformed_labels_are_named(folder):
    file = folder / "labels/B1Counting_BB.mat"
    savemat(file, {"handPara": np.zeros((21, 3, 5))})
    with pytest.raises(DataSetError, match=r"B1Counting_BB\.mat is 21 × 3 × 5"):
        Stb(folder)
    savemat(file, {"other": np.zeros(3)})
    with pytest.raises(DataSetError, match="no variable handPara"):
        Stb(folder)
    file.write_bytes(b"no MATLAB file")
    with pytest.raises(DataSetError, match=r"B1Counting_BB\.mat is damaged"):
        Stb(folder)
