"""The hand as capsules: they follow the mesh, in size and in motion."""

from __future__ import annotations

import json

import numpy as np
import pytest

from handloom.hand import HAND_TREE, load_open_hand
from handloom.hand.capsules import hand_capsules, write_capsules
from handloom.hand.kinematics import rigid, rotation_from_vector
from handloom.synthesis.gestures import gesture


@pytest.fixture(params=["right", "left"])
def model(request):
    return load_open_hand(request.param)


@pytest.mark.parametrize("size", [-2.0, 0.0, 2.0])
@pytest.mark.parametrize("name", ["open", "half closed"])
def test_capsules_lie_along_the_skin(model, name, size):
    shape = np.zeros(model.shape_count)
    shape[0] = size
    T = rigid(rotation_from_vector([0.3, -0.8, 1.1]), [0.1, 0.2, 0.3])
    posed = model.pose(gesture(name), shape, T)
    distance = hand_capsules(model, shape).signed_distance(posed.vertices, posed)
    assert np.abs(distance).mean() < 0.0016
    assert np.percentile(np.abs(distance), 95) < 0.0055


def test_one_per_finger_bone_and_four_for_the_palm(model):
    capsules = hand_capsules(model)
    assert len(capsules) == 19
    assert capsules.names[:15] == HAND_TREE.articulated
    assert (capsules.joints[15:] == 0).all()
    assert ((capsules.radii > 0.004) & (capsules.radii < 0.02)).all()


def test_larger_hands_have_thicker_capsules(model):
    shape = np.zeros(model.shape_count)
    shape[0] = 2.0
    assert (hand_capsules(model, shape).radii > hand_capsules(model).radii).all()


def test_sides_mirror_each_other():
    right, left = (hand_capsules(load_open_hand(side)) for side in ("right", "left"))
    np.testing.assert_allclose(left.radii, right.radii, atol=1e-12)
    np.testing.assert_allclose(left.starts, right.starts * [-1, 1, 1], atol=1e-12)
    np.testing.assert_allclose(left.ends, right.ends * [-1, 1, 1], atol=1e-12)


def test_ends_come_in_batches(model):
    posed = model.pose(np.zeros((4, 2, 15, 3)))
    starts, ends = hand_capsules(model).at(posed.T_world_joint)
    assert starts.shape == ends.shape == (4, 2, 19, 3)


def test_a_point_inside_is_inside_and_one_outside_is_not(model):
    posed = model.pose(np.zeros((15, 3)))
    joint = posed.joints[HAND_TREE.index("middle_pip")]
    inside, outside = hand_capsules(model).signed_distance(joint + np.array([[0, 0, 0], [0, 0, 0.05]]), posed)
    assert inside < -0.003
    assert 0.03 < outside < 0.05


def test_neighbours_touch_and_fingers_do_not(model):
    capsules = hand_capsules(model)
    touching = capsules.touching()
    at = capsules.names.index
    np.testing.assert_array_equal(touching, touching.T)
    assert touching[at("index_mcp"), at("index_pip")]
    assert touching[at("index_mcp"), at("index_palm")]
    assert touching[at("index_palm"), at("little_palm")]
    assert not touching[at("index_mcp"), at("middle_mcp")]
    assert not touching[at("index_dip"), at("index_mcp")]
    assert not touching[at("thumb_ip"), at("index_palm")]


def test_written_capsules_say_what_they_are(model, tmp_path):
    capsules = hand_capsules(model)
    write_capsules(capsules, tmp_path / "capsules.json")
    read = json.loads((tmp_path / "capsules.json").read_text())
    assert read["unit"] == "m"
    assert read["side"] == model.side
    assert [c["name"] for c in read["capsules"]] == list(capsules.names)
    np.testing.assert_array_equal([c["start"] for c in read["capsules"]], capsules.starts)
    np.testing.assert_array_equal([c["radius"] for c in read["capsules"]], capsules.radii)
    assert read["capsules"][0]["joint"] == "thumb_cmc"
