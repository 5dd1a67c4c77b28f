"""Folders of networks: what is missing, wrong or hostile is said before anything runs."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from made_onnx import node, onnx, said, write_handsegnet, write_lifting, write_network, write_posenet

from handloom.detection.colorhandpose import ColorHandPoseDetector, find_weights, weights
from handloom.errors import ModelError
from handloom.skeleton import HAND


@pytest.fixture
def folder(tmp_path):
    write_handsegnet(tmp_path)
    write_posenet(tmp_path)
    return tmp_path


def test_a_whole_folder_is_known_by_its_hashes(folder):
    found = find_weights(folder)
    content = (folder / "posenet.onnx").read_bytes()
    assert found.sha256["posenet"] == hashlib.sha256(content).hexdigest()
    assert set(found.sha256) == {"handsegnet", "posenet"}
    assert not found.lifts


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match="no folder"):
        find_weights(tmp_path / "nowhere")


def test_a_missing_network(folder):
    (folder / "posenet.onnx").unlink()
    with pytest.raises(ModelError, match=r"posenet\.onnx is missing"):
        find_weights(folder)


def test_one_lifting_network_without_the_other(folder):
    write_lifting(folder, np.zeros((21, 3)), np.ones(3), np.ones(3))
    (folder / "viewpoint.onnx").unlink()
    with pytest.raises(ModelError, match=r"viewpoint\.onnx is missing"):
        find_weights(folder)


def test_a_file_that_is_no_network(folder):
    (folder / "posenet.onnx").write_bytes(b"not a network")
    with pytest.raises(ModelError, match=r"posenet\.onnx is no network"):
        ColorHandPoseDetector(folder)


def test_a_network_cut_short(folder):
    file = folder / "handsegnet.onnx"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(ModelError, match=r"handsegnet\.onnx"):
        ColorHandPoseDetector(folder)


def test_networks_in_each_others_place(folder):
    (folder / "posenet.onnx").write_bytes((folder / "handsegnet.onnx").read_bytes())
    with pytest.raises(ModelError, match="'handsegnet', not 'posenet'"):
        ColorHandPoseDetector(folder)


def test_a_network_that_says_nothing_of_itself(folder):
    write_handsegnet(folder, metadata={})
    with pytest.raises(ModelError, match="no network of handloom's"):
        ColorHandPoseDetector(folder)


@pytest.mark.parametrize("size", ["0x0", "99999x99999", "128", "128x64", "-8x-8"])
def test_an_impossible_size(folder, size):
    write_handsegnet(folder, metadata={**said("handsegnet", 128), "size": size})
    with pytest.raises(ModelError, match="takes pictures of"):
        ColorHandPoseDetector(folder)


@pytest.mark.parametrize("margin", ["wide", "nan", "0.2", "1e9"])
def test_an_impossible_margin(folder, margin):
    write_handsegnet(folder, metadata={**said("handsegnet", 128), "margin": margin})
    with pytest.raises(ModelError, match="times as wide as hands"):
        ColorHandPoseDetector(folder)


def test_another_order_of_joints(folder):
    write_handsegnet(folder, metadata={**said("handsegnet", 128), "joints": ",".join(HAND.joints[::-1])})
    with pytest.raises(ModelError, match="other joints"):
        ColorHandPoseDetector(folder)


def test_a_network_of_another_number_of_joints(folder):
    write_posenet(folder, joints=20)
    with pytest.raises(ModelError, match="1 × 20 × 32 × 32, not 1 × 21"):
        ColorHandPoseDetector(folder)


def test_a_network_that_takes_something_else(folder):
    write_handsegnet(folder, side=64, metadata=said("handsegnet", 128))
    with pytest.raises(ModelError, match="takes n × 3 × 64 × 64, not 1 × 3 × 128 × 128"):
        ColorHandPoseDetector(folder)


def test_a_network_that_gives_no_numbers(folder):
    write_network(
        folder / "handsegnet.onnx",
        [node("Conv", ["pictures", "W", "b"], "logits")],
        {"pictures": ("n", 3, 64, 64)},
        {"logits": ("n", 2, 64, 64)},
        {"W": np.zeros((2, 3, 1, 1)), "b": np.full(2, np.nan)},
        said("handsegnet", 64),
    )
    with pytest.raises(ModelError, match="no numbers"):
        ColorHandPoseDetector(folder)


def test_a_network_that_reads_other_files(folder):
    file = folder / "handsegnet.onnx"
    model = onnx.load(file)
    onnx.save_model(model, file, save_as_external_data=True, location="elsewhere.bin", size_threshold=0)
    with pytest.raises(ModelError, match="other files"):
        ColorHandPoseDetector(folder)


def test_a_file_too_large_to_be_one(folder, monkeypatch):
    monkeypatch.setattr(weights, "LARGEST_FILE", 100)
    with pytest.raises(ModelError, match="more than"):
        find_weights(folder)


def test_carried_files_are_held_against_their_sums(folder, monkeypatch):
    monkeypatch.setattr(weights, "SHIPPED", folder)
    lines = [
        f"{hashlib.sha256((folder / f'{name}.onnx').read_bytes()).hexdigest()}  {name}.onnx"
        for name in ("handsegnet", "posenet")
    ]
    (folder / weights.SUMS).write_text("\n".join(lines) + "\n")
    assert find_weights().folder == folder
    write_handsegnet(folder, side=64)
    with pytest.raises(ModelError, match="not the file that handloom carries"):
        find_weights()


def test_without_carried_files_the_message_says_how_to_get_some(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "SHIPPED", tmp_path)
    with pytest.raises(ModelError, match="--weights"):
        find_weights()


def test_openvino_that_is_not_installed(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(ModelError, match="not installed"):
        ColorHandPoseDetector(folder, "openvino")
