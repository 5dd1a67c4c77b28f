"""Submissions and our own file: written and read again, and what is wrong with a file."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_hands import made
from numpy.testing import assert_allclose

from handloom.datasets.orders import ORDERS
from handloom.errors import DataSetError
from handloom.evaluation.hands import Hands
from handloom.evaluation.submissions import (
    SUBMISSIONS,
    read,
    read_predictions,
    read_submission,
    write_predictions,
    write_submission,
)
from handloom.skeleton import HAND


@pytest.fixture(scope="module")
def hands() -> Hands:
    hands = made(5, both=True)
    return replace(
        hands, vertices=np.random.default_rng(0).normal(size=(5, 778, 3)), right=np.linspace(0, 1, 5)
    )


@pytest.mark.parametrize("layout", list(SUBMISSIONS))
@pytest.mark.parametrize("name", ["pred.json", "pred.zip"])
def test_submissions_are_read_as_written(hands: Hands, tmp_path: Path, layout: str, name: str) -> None:
    path = write_submission(hands, tmp_path / name, layout)
    found = read(path, hands.keys, layout)
    assert_allclose(found.xyz, hands.xyz)
    assert_allclose(found.vertices, hands.vertices)
    assert found.keys == hands.keys


def test_freihands_file_is_two_lists_in_metres_base_to_tip(hands: Hands, tmp_path: Path) -> None:
    xyz, verts = json.loads(write_submission(hands, tmp_path / "pred.json", "freihand").read_text())
    assert_allclose(xyz, hands.xyz)
    assert np.shape(verts) == (5, 778, 3)


def test_ho3ds_file_has_opengl_axes_and_manos_order(hands: Hands, tmp_path: Path) -> None:
    xyz = np.array(json.loads(write_submission(hands, tmp_path / "pred.json", "ho3d").read_text())[0])
    assert_allclose(xyz[0, 0], hands.xyz[0, 0] * [1, -1, -1])
    assert_allclose(xyz[0, 4], hands.xyz[0, HAND.index("middle_mcp")] * [1, -1, -1])
    assert_allclose(xyz[0, 16], hands.xyz[0, HAND.index("thumb_tip")] * [1, -1, -1])


def test_samples_without_a_hand_are_written_as_zeros(hands: Hands, tmp_path: Path) -> None:
    path = write_submission(hands.take([3]), tmp_path / "pred.json", "freihand", keys=hands.keys)
    found = read_submission(path, hands.keys, "freihand")
    assert_allclose(found.xyz[3], hands.xyz[3])
    assert not found.xyz[:3].any()


def test_several_hands_of_one_sample_do_not_fit_into_a_submission(hands: Hands, tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match="several"):
        write_submission(replace(hands, keys=("a",) * 5), tmp_path / "pred.json", "freihand")
    assert not list(tmp_path.iterdir())


def test_our_own_file_is_read_as_written(hands: Hands, tmp_path: Path) -> None:
    gaps = replace(hands, xyz=hands.xyz.copy())
    gaps.xyz[2, 4] = np.nan
    found = read(write_predictions(gaps, tmp_path / "p.npz", {"method": "m"}), (), "interhand")
    for name in ("xyz", "xy", "vertices", "right"):
        assert_allclose(getattr(found, name), getattr(gaps, name))
    assert (found.keys, found.sides, found.root) == (gaps.keys, gaps.sides, "wrist")


def test_our_own_file_goes_by_names_units_and_axes(hands: Hands, tmp_path: Path) -> None:
    order = ORDERS["ho3d"]
    np.savez(
        tmp_path / "p.npz", key=np.array(hands.keys), joints=np.array(order.joints), unit="mm", axes="opengl",
        xyz=1000 * np.asarray(order.from_hand(hands.xyz)) * [1, -1, -1],
    )  # fmt: skip
    found = read_predictions(tmp_path / "p.npz")
    assert_allclose(found.xyz, hands.xyz)
    assert set(found.sides) == {"unknown"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", "no JSON"),
        ({"xyz": []}, "not a list"),
        ([[], []], "21 joints"),
        ([[[[0, 0, 0]] * 20] * 5, []], "21 joints"),
        ([[[[0, 0, 0]] * 21] * 4, []], "4 hands, the data set 5"),
        ([[[[0, 0, 0]] * 21] * 5, [[[0, 0, 0]]] * 3], "3 meshes"),
        ([[[[0, 0, 0]] * 21] * 4 + [[[0, 0, 0]] * 3], []], "different numbers"),
        ([[[[0, 0]] * 21] * 5, []], "shape"),
    ],
)
def test_submissions_that_are_malformed(hands: Hands, tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "pred.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(DataSetError, match=message):
        read_submission(path, hands.keys, "freihand")


def test_files_that_are_missing_or_of_another_kind(hands: Hands, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "e.zip", "w") as archive:
        archive.writestr("other.json", "[]")
    (tmp_path / "bad.zip").write_text("no zip")
    (tmp_path / "bad.npz").write_text("no npz")
    np.savez(tmp_path / "empty.npz", xyz=np.zeros((1, 21, 3)))
    np.savez(tmp_path / "few.npz", key=np.array(["a"]), xyz=np.zeros((1, 20, 3)))
    np.savez(tmp_path / "unit.npz", key=np.array(["a"]), xyz=np.zeros((1, 21, 3)), unit="inch")
    np.savez(tmp_path / "side.npz", key=np.array(["a"]), xyz=np.zeros((1, 21, 3)), side=np.array(["up"]))
    np.savez(tmp_path / "pickle.npz", key=np.array([{"a": 1}], dtype=object), xyz=np.zeros((1, 21, 3)))
    for name, message in (
        ("gone.json", "cannot be read"), ("gone.npz", "cannot be read"), ("e.zip", "holds no"),
        ("bad.zip", "no JSON"), ("bad.npz", "no file of predictions"), ("empty.npz", "no key"),
        ("few.npz", "malformed"), ("unit.npz", "inch"), ("side.npz", "side"), ("pickle.npz", "no file of"),
    ):  # fmt: skip
        with pytest.raises(DataSetError, match=message):
            read(tmp_path / name, hands.keys, "freihand")


def test_data_sets_without_a_submission_file_say_so(hands: Hands, tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match="has none"):
        read(tmp_path / "pred.json", hands.keys, "interhand")
