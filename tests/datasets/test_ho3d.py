"""HO-3D, from files made as its authors describe them, with pickles as Python 2 wrote them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from captured_hands import HANDS
from mano_files import mano_content, python2_pickle, write_mano

from handloom.datasets.ho3d import DEPTH_M, Ho3d
from handloom.errors import DataSetError
from handloom.hand.mano import load_mano
from handloom.skeleton import HAND

K = np.array([[614.6, 0.0, 320.3], [0.0, 614.6, 241.4], [0.0, 0.0, 1.0]])
MANO = ["wrist", *(f"{f}_{s}" for f in ("index", "middle", "little", "ring") for s in ("mcp", "pip", "dip")),
        "thumb_cmc", "thumb_mcp", "thumb_ip"]  # fmt: skip
NAMES = [*MANO, *(f"{finger}_tip" for finger in ("thumb", "index", "middle", "ring", "little"))]
TRUE = HANDS["right"][3] + [-0.25, 0.0, 0.6]
"""In OpenCV's axes."""
OPENGL = TRUE * [1.0, -1.0, -1.0]


def annotation(**entries: Any) -> dict[str, Any]:
    joints = np.stack([OPENGL[HAND.index(name)] for name in NAMES])
    return {
        "camMat": K, "handJoints3D": joints.astype(np.float32),
        "handPose": np.full(48, 0.1, np.float32), "handBeta": np.zeros(10, np.float32),
        "handTrans": np.array([0.01, 0.02, -0.5], np.float32), "objName": "006_mustard_bottle",
        "objRot": np.zeros((3, 1)), "objTrans": np.zeros(3), "objCorners3DRest": np.zeros((8, 3)),
        "camIDList": ["0", "1"], "objLabel": 5, **entries,
    }  # fmt: skip


def write(folder: Path, split: str, entries: dict[str, Any], *, rgb: str = ".png", old: bool = True) -> Path:
    at = folder / split / "ABF10"
    for kind in ("meta", "rgb", "depth"):
        (at / kind).mkdir(parents=True, exist_ok=True)
    (folder / f"{split}.txt").write_text("ABF10/0007\n")
    content = python2_pickle(entries) if old else pickle.dumps(entries)
    (at / "meta" / "0007.pkl").write_bytes(content)
    image = np.zeros((480, 640, 3), np.uint8)
    image[:, :, 2] = 200
    cv2.imwrite(str(at / "rgb" / f"0007{rgb}"), image)
    coded = np.zeros((480, 640, 3), np.uint8)
    coded[100, 200] = [0, 15, 160]  # blue, green, red
    cv2.imwrite(str(at / "depth" / "0007.png"), coded)
    return folder


def test_axes_are_opengls_and_joints_manos_with_tips(tmp_path: Path) -> None:
    (hand,) = Ho3d(write(tmp_path, "train", annotation())).labels(0).hands
    np.testing.assert_allclose(hand.xyz, TRUE, atol=1e-6)
    assert (hand.xyz[:, 2] > 0).all()
    assert hand.side == "right"
    assert Ho3d(tmp_path).labels(0).frame == Ho3d(tmp_path)[0].frame == ("ABF10", 7)
    expected = TRUE @ K.T
    np.testing.assert_allclose(hand.xy, expected[:, :2] / expected[:, 2:], atol=1e-3)


def test_depth_is_red_and_256_times_green(tmp_path: Path) -> None:
    depth = Ho3d(write(tmp_path, "train", annotation()))[0].depth
    assert depth is not None
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth[100, 200], (160 + 256 * 15) * DEPTH_M, rtol=1e-6)
    assert np.isnan(depth[0, 0])


@pytest.mark.parametrize(("rgb", "old"), [(".png", True), (".jpg", False)])
def test_both_versions_have_their_pictures(tmp_path: Path, rgb: str, old: bool) -> None:
    dataset = Ho3d(write(tmp_path, "train", annotation(), rgb=rgb, old=old))
    image = dataset[0].image
    assert image is not None
    assert image.shape == (480, 640, 3)
    assert image[0, 0, 0] > 190
    assert list(dataset.keys) == ["ABF10/0007"]
    assert dataset.labels(0).conditions["object"] == "006_mustard_bottle"


def test_evaluation_has_the_wrist_and_the_box_only(tmp_path: Path) -> None:
    entries = annotation(handJoints3D=OPENGL[0], handBoundingBox=[310, 200, 420, 330])
    for name in ("handPose", "handBeta", "handTrans"):
        del entries[name]
    dataset = Ho3d(write(tmp_path, "evaluation", entries))
    (hand,) = dataset.labels(0).hands
    assert dataset.split == "evaluation"
    np.testing.assert_allclose(hand.xyz[0], TRUE[0], atol=1e-6)
    assert np.isnan(hand.xyz[1:]).all()
    assert np.isnan(hand.xy[1:]).all()
    np.testing.assert_array_equal(hand.box, [310, 200, 420, 330])
    assert hand.mano is None
    assert "mano" in dataset.lacks


def test_mano_gives_the_same_mesh_in_opencvs_axes(tmp_path: Path) -> None:
    path = write_mano(tmp_path / "MANO_RIGHT.pkl", mano_content("right", vertices=778))
    model = load_mano(path, "right")
    rng = np.random.default_rng(8)
    pose, shape, trans = rng.normal(0, 0.3, 48), rng.normal(0, 1, 10), np.array([0.03, 0.1, -0.6])

    def mesh(pose: np.ndarray, trans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rotations, T = model.from_mano(pose, trans, shape)
        posed = model.pose(np.zeros((15, 3)), shape, T, rotations=rotations)
        return posed.vertices, posed.keypoints

    vertices, keypoints = mesh(pose, trans)
    joints = np.stack([keypoints[HAND.index(name)] for name in NAMES])
    entries = annotation(handJoints3D=joints, handPose=pose, handBeta=shape, handTrans=trans)
    mano = Ho3d(write(tmp_path, "train", entries)).labels(0).hands[0].mano
    assert mano is not None
    assert mano.flat_hand_mean
    again, _ = mesh(mano.pose, mano.translation)
    np.testing.assert_allclose(again, vertices * [1.0, -1.0, -1.0], atol=1e-9)


def test_frame_without_annotation_has_no_hand(tmp_path: Path) -> None:
    empty = annotation(handJoints3D=None, handPose=None, handBeta=None, handTrans=None, objName=None)
    assert Ho3d(write(tmp_path, "train", empty)).labels(0).hands == ()


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        (annotation(handJoints3D=np.zeros((20, 3))), "handJoints3D"),
        (annotation(camMat=None), "camMat|float"),
        (annotation(handPose=np.zeros(51)), "handPose"),
        ([1, 2], "dictionary"),
    ],
)
def test_malformed_annotation_is_refused_and_named(tmp_path: Path, entries: Any, problem: str) -> None:
    with pytest.raises(DataSetError, match=problem) as error:
        Ho3d(write(tmp_path, "train", entries)).labels(0)
    assert "0007.pkl" in str(error.value)


def test_pickle_that_would_run_something_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "train", annotation())
    (tmp_path / "train" / "ABF10" / "meta" / "0007.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(DataSetError, match=r"os\.system"):
        Ho3d(tmp_path).labels(0)


@pytest.mark.parametrize("kind", ["meta/0007.pkl", "rgb/0007.png"])
def test_missing_file_is_named(tmp_path: Path, kind: str) -> None:
    write(tmp_path, "train", annotation())
    (tmp_path / "train" / "ABF10" / kind).unlink()
    with pytest.raises(DataSetError, match="0007"):
        Ho3d(tmp_path)[0]


def test_missing_or_malformed_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match=r"train\.txt"):
        Ho3d(tmp_path)
    (tmp_path / "train.txt").write_text("../../etc/passwd")
    with pytest.raises(DataSetError, match="passwd"):
        Ho3d(tmp_path)


def test_unknown_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match="val"):
        Ho3d(tmp_path, "val")
