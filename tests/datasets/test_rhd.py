"""RHD: files made by hand from the description of the layout, and what our writer writes."""

from __future__ import annotations

import os
import pickle

import cv2
import numpy as np
import pytest
from made_samples import made_sample, made_samples

from handloom.datasets.rhd import Rhd, dominant_hand
from handloom.datasets.rhd_writer import RhdWriter
from handloom.errors import DataSetError
from handloom.hand.tree import HAND_TREE
from handloom.skeleton import HAND

K = np.array([[300.0, 0, 160], [0, 301, 158], [0, 0, 1]])


def entry(number: int) -> dict:
    """Both hands; the x of a joint of the left hand says where it stands in the file."""
    xyz = np.random.default_rng(number).normal([0, 0, 0.6], 0.03, (42, 3))
    uv = xyz @ K.T
    visible = np.arange(42) % 3 > 0
    return {"uv_vis": np.column_stack([uv[:, :2] / uv[:, 2:], visible]), "xyz": xyz, "K": K}


def save(path, rgb_or_grey) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = rgb_or_grey[..., ::-1] if rgb_or_grey.ndim == 3 else rgb_or_grey
    cv2.imwrite(str(path), pixels)


def annotate(folder, content, protocol=2) -> None:
    (folder / "training").mkdir(exist_ok=True)
    (folder / "training/anno_training.pickle").write_bytes(pickle.dumps(content, protocol))


@pytest.fixture
def folder(tmp_path):
    annotate(tmp_path, {n: entry(n) for n in (1, 0)})
    for n in range(2):
        save(tmp_path / f"training/color/{n:05d}.png", np.full((320, 320, 3), (200, 10, 20), np.uint8))
    mask = np.zeros((320, 320), np.uint8)
    for number in range(34):
        mask[number] = number
    mask[40:45] = 33
    save(tmp_path / "training/mask/00000.png", mask)
    depth = np.zeros((320, 320, 3), np.uint8)
    depth[0, 0] = (0x20, 0x10, 0)
    depth[0, 1] = (255, 255, 0)
    save(tmp_path / "training/depth/00000.png", depth)
    return tmp_path


def test_left_hand_is_first_and_fingers_begin_at_the_tip(folder):
    sample = Rhd(folder)[0]
    left, right = sample.hands
    assert (left.side, right.side) == ("left", "right")
    xyz, seen = entry(0)["xyz"], entry(0)["uv_vis"][:, 2] == 1
    np.testing.assert_array_equal(left.xyz[HAND.index("wrist")], xyz[0])
    np.testing.assert_array_equal(left.xyz[HAND.index("thumb_tip")], xyz[1])
    np.testing.assert_array_equal(left.xyz[HAND.index("thumb_cmc")], xyz[4])
    np.testing.assert_array_equal(right.xyz[HAND.index("little_tip")], xyz[21 + 17])
    np.testing.assert_array_equal(right.xyz[HAND.index("little_mcp")], xyz[21 + 20])
    assert left.visible[HAND.index("thumb_tip")] == seen[1]
    assert right.visible[HAND.index("index_mcp")] == seen[21 + 8]
    np.testing.assert_allclose(right.xy, sample.camera.project(right.xyz), atol=1e-9)
    assert sample.camera.image_size == (320, 320)
    assert tuple(sample.image[0, 0]) == (200, 10, 20)


def test_samples_go_by_their_number(folder):
    assert list(Rhd(folder).keys) == ["training/00000", "training/00001"]
    np.testing.assert_array_equal(Rhd(folder).labels(1).hands[0].xyz[0], entry(1)["xyz"][0])


def test_parts_of_masks_go_by_the_joint_that_moves_them(folder):
    parts = Rhd(folder)[0].parts[:, 0]
    part = {name: number for number, name in enumerate(HAND_TREE.joints)}
    assert parts[:2].tolist() == [0, 1]
    assert parts[2] == 2 + part["thumb_ip"]  # RHD: left thumb, tip
    assert parts[4] == 2 + part["thumb_cmc"]
    assert parts[5] == 2 + part["index_dip"]
    assert parts[17] == 2 + part["wrist"]  # RHD: left palm
    assert parts[18] == 18 + part["thumb_ip"]
    assert parts[32] == 18 + part["little_mcp"]
    assert parts[33] == 18 + part["wrist"]
    assert len(set(parts[:34])) == 34


def test_depth_is_two_bytes_of_five_metres(folder):
    depth = Rhd(folder)[0].depth
    assert depth[0, 0] == pytest.approx(0x2010 / 65535 * 5.0, rel=1e-6)
    assert np.isnan(depth[0, 1])


def test_dominant_hand_is_the_one_with_more_of_the_mask(folder):
    sample = Rhd(folder)[0]
    assert dominant_hand(sample).side == "right"
    sample.parts[100:120] = 2
    assert dominant_hand(sample).side == "left"
    sample.parts[:] = 1
    assert dominant_hand(sample) is None
    with pytest.raises(ValueError, match="no mask"):
        dominant_hand(Rhd(folder).labels(0))


def test_missing_maps_stay_missing(folder):
    sample = Rhd(folder)[1]
    assert sample.parts is None
    assert sample.depth is None


def test_hand_of_zeros_is_not_labelled(tmp_path):
    content = entry(0)
    content["xyz"][:21] = 0
    content["uv_vis"][:21] = 0
    annotate(tmp_path, {0: content})
    assert [hand.side for hand in Rhd(tmp_path).labels(0).hands] == ["right"]


def test_missing_files_are_named(folder):
    (folder / "training/color/00001.png").unlink()
    with pytest.raises(DataSetError, match=r"training/color/00001\.png"):
        Rhd(folder)[1]
    with pytest.raises(DataSetError, match=r"anno_evaluation\.pickle"):
        Rhd(folder, "evaluation")
    with pytest.raises(DataSetError, match="no split 'test'"):
        Rhd(folder, "test")


class Runs:
    def __reduce__(self):
        return os.system, ("true",)


def test_annotations_that_run_something_are_refused(tmp_path):
    annotate(tmp_path, {0: {"K": Runs()}})
    with pytest.raises(DataSetError, match="was not loaded: it asks for"):
        Rhd(tmp_path)


def test_malformed_annotations_are_named(tmp_path):
    annotate(tmp_path, [entry(0)])
    with pytest.raises(DataSetError, match="no dictionary by numbers"):
        Rhd(tmp_path)
    without = entry(0)
    del without["K"]
    annotate(tmp_path, {0: without, 1: entry(0) | {"xyz": np.zeros((41, 3))}})
    with pytest.raises(DataSetError, match=r"Entry 0 of .*lacks the entry 'K'"):
        Rhd(tmp_path).labels(0)
    with pytest.raises(DataSetError, match=r"Entry 1 of .*123 numbers"):
        Rhd(tmp_path).labels(1)


def test_what_is_written_is_read(tmp_path):
    samples = [*made_samples(2, ("left", "right")), made_sample(2, ("right",)), made_sample(3, ("left",))]
    writer = RhdWriter(tmp_path / "set")
    writer.write_part(0, 0, samples[:3])
    writer.write_part(1, 3, samples[3:])
    writer.finish(2)
    read = Rhd(tmp_path / "set")
    for n, truth in enumerate(samples):
        found = read[n]
        assert [hand.side for hand in found.hands] == [hand.side for hand in truth.hands]
        np.testing.assert_array_equal(found.image, truth.image)
        np.testing.assert_array_equal(found.parts, truth.parts)
        np.testing.assert_allclose(found.depth, truth.depth, atol=4e-5)
        for hand, expected in zip(found.hands, truth.hands, strict=True):
            for what in ("xy", "xyz", "visible"):
                np.testing.assert_array_equal(getattr(hand, what), getattr(expected, what))


def test_two_hands_of_one_side_are_not_rhd(tmp_path):
    with pytest.raises(DataSetError, match="one left and one right"):
        RhdWriter(tmp_path / "set").write_part(0, 0, [made_sample(0, ("left", "left"))])
