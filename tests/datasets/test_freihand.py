"""FreiHAND: files made by hand from the description of the layout, and what our writer writes."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from made_samples import made_sample, made_samples

from handloom.datasets.freihand import UNIQUE_SAMPLES, FreiHand
from handloom.datasets.freihand_writer import FreiHandWriter
from handloom.errors import DataSetError
from handloom.skeleton import HAND

K = [[480.0, 0.0, 112.0], [0.0, 478.0, 111.0], [0.0, 0.0, 1.0]]
RED, BLUE = (255, 0, 0), (0, 0, 255)


def joints(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal([0.01, 0.02, 0.7], 0.03, (21, 3))


def picture(path, colour) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((224, 224, 3), colour[::-1], np.uint8))


@pytest.fixture
def folder(tmp_path):
    """Three training samples in two versions, two evaluation samples without joints."""
    count = 3
    mano = [[list(np.arange(61.0) + n)] for n in range(count)]
    vertices = [[[n + 0.25, -1.5e-3, 0.7], [1.0, 2.0, 3.0 + n]] for n in range(count)]
    content = {
        "training_K": [K] * count,
        "training_xyz": [joints(n).tolist() for n in range(count)],
        "training_mano": mano,
        "training_verts": vertices,
        "training_scale": [0.03] * count,
        "evaluation_K": [K] * 2,
        "evaluation_scale": [0.025, 0.026],
    }
    for name, value in content.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    for n in range(count):
        picture(tmp_path / f"training/rgb/{n:08d}.jpg", RED)
        picture(tmp_path / f"training/rgb/{n + 32560:08d}.jpg", BLUE)
    mask = np.zeros((224, 224), np.uint8)
    mask[:50] = 255
    (tmp_path / "training/mask").mkdir()
    cv2.imwrite(str(tmp_path / "training/mask/00000001.jpg"), mask)
    picture(tmp_path / "evaluation/rgb/00000001.jpg", RED)
    return tmp_path


def test_labels_are_those_of_the_files(folder):
    sample = FreiHand(folder)[1]
    assert sample.key == "training/00000001"
    (hand,) = sample.hands
    assert hand.side == "right"
    np.testing.assert_array_equal(hand.xyz, joints(1))
    np.testing.assert_allclose(hand.xy, sample.camera.project(joints(1)), atol=1e-9)
    np.testing.assert_array_equal(hand.vertices, [[1.25, -1.5e-3, 0.7], [1, 2, 4]])
    assert sample.camera.image_size == (224, 224)
    assert sample.image.shape == (224, 224, 3)
    assert sample.image[0, 0, 0] > 200
    assert sample.image[0, 0, 2] < 50
    assert sample.conditions == {"version": "gs", "scale_m": 0.03}


def test_61_numbers_of_mano_hold_no_translation_and_count_from_the_mean_pose(folder):
    mano = FreiHand(folder).labels(2).hands[0].mano
    np.testing.assert_array_equal(mano.pose, np.arange(48.0) + 2)
    np.testing.assert_array_equal(mano.shape, np.arange(48.0, 58.0) + 2)
    assert np.isnan(mano.translation).all()
    assert not mano.flat_hand_mean


def test_versions_are_other_pictures_of_the_same_hands(folder):
    both = FreiHand(folder, versions=("gs", "hom"))
    assert len(both) == 6
    assert both.keys[4] == f"training/{UNIQUE_SAMPLES + 1:08d}"
    np.testing.assert_array_equal(both[4].hands[0].xyz, joints(1))
    assert both[4].image[0, 0, 2] > 200
    assert both[4].parts is not None  # the mask is that of the first version


def test_mask_is_of_the_hand_as_a_whole(folder):
    sample = FreiHand(folder)[1]
    assert set(np.unique(sample.parts)) == {0, 18}
    assert (sample.parts[:50] == 18).all()
    assert "finger parts" in FreiHand(folder).lacks
    assert FreiHand(folder)[0].parts is None


def test_evaluation_without_joints_says_so(folder):
    evaluation = FreiHand(folder, "evaluation")
    assert {"xyz", "xy", "mano", "vertices"} <= set(evaluation.lacks)
    hand = evaluation[1].hands[0]
    assert np.isnan(hand.xyz).all()
    assert hand.box is None
    with pytest.raises(DataSetError, match="one version only"):
        FreiHand(folder, "evaluation", versions="hom")


def test_evaluation_alone_is_the_default_split(folder):
    (folder / "training_K.json").unlink()
    assert FreiHand(folder).split == "evaluation"


def test_missing_files_are_named(folder):
    with pytest.raises(DataSetError, match=r"evaluation/rgb/00000000\.jpg"):
        FreiHand(folder, "evaluation")[0]
    (folder / "training_xyz.json").unlink()
    with pytest.raises(DataSetError, match=r"training_xyz\.json"):
        FreiHand(folder)


def test_malformed_files_are_named(folder):
    broken = {
        "training_scale.json": "[0.03, 0.03]",
        "training_mano.json": json.dumps([[[1.0] * 60]] * 3),
        "training_verts.json": "[[[1.0, 2.0, 3.0]], [[1.0, 2.0]], [[1.0, 2.0, 3.0]]]",
        "training_xyz.json": json.dumps([[[1.0] * 3] * 20] * 3),
        "training_K.json": "[[[1.0,",
    }
    for name, text in broken.items():
        whole = (folder / name).read_text()
        (folder / name).write_text(text)
        with pytest.raises(DataSetError, match=name):
            FreiHand(folder).labels(1)
        (folder / name).write_text(whole)
    (folder / "training_verts.json").write_text("[[[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0]]]")
    with pytest.raises(DataSetError, match="2 rows, where 3 are needed"):
        FreiHand(folder).labels(1)


def test_unknown_split_or_version_is_refused(folder):
    with pytest.raises(DataSetError, match="no split 'test'"):
        FreiHand(folder, "test")
    with pytest.raises(DataSetError, match="versions blue"):
        FreiHand(folder, versions="blue")


def test_what_is_written_is_read(tmp_path):
    samples = made_samples(5, mano=True)
    writer = FreiHandWriter(tmp_path / "set")
    writer.write_part(1, 3, samples[3:])
    writer.write_part(0, 0, samples[:3])
    writer.finish(2)
    read = FreiHand(tmp_path / "set")
    assert len(read) == 5
    for n, sample in enumerate(samples):
        found, hand, truth = read[n], read[n].hands[0], sample.hands[0]
        np.testing.assert_array_equal(found.camera.K, sample.camera.K)
        np.testing.assert_array_equal(hand.xyz, truth.xyz)
        np.testing.assert_allclose(hand.xy, truth.xy, atol=1e-9)
        np.testing.assert_allclose(hand.vertices, truth.vertices, atol=6e-8)
        np.testing.assert_array_equal(hand.mano.pose, truth.mano.pose)
        assert np.abs(found.image.astype(int) - sample.image).mean() < 6
        assert ((found.parts > 0) == (sample.parts > 1)).mean() > 0.99
    scale = np.linalg.norm(samples[0].hands[0].xyz[10] - samples[0].hands[0].xyz[9])
    assert read[0].conditions["scale_m"] == pytest.approx(scale)


def test_mano_root_is_the_middle_knuckle(tmp_path):
    sample = made_sample(0, mano=True)
    writer = FreiHandWriter(tmp_path / "set")
    writer.write_part(0, 0, [sample])
    writer.finish(1)
    values = np.array(json.loads((tmp_path / "set/training_mano.json").read_text())[0][0])
    K, focal = sample.camera.K, (sample.camera.K[0, 0] + sample.camera.K[1, 1]) / 2
    root = np.array([*(values[58:60] - K[:2, 2]), focal]) / values[60]
    np.testing.assert_allclose(root, sample.hands[0].xyz[HAND.index("middle_mcp")], atol=1e-12)


def test_left_hands_and_pairs_are_not_freihand(tmp_path):
    writer = FreiHandWriter(tmp_path / "set")
    for sides in (("left",), ("left", "right")):
        with pytest.raises(DataSetError, match="one right hand per picture"):
            writer.write_part(0, 0, [made_sample(0, sides)])
    assert not writer.done(0)
