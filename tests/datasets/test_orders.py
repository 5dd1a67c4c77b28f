"""Joint orders: the named joints give the permutations on record, and every conversion can be undone."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.datasets.orders import ORDERS, order, palm_of, wrist_of
from handloom.skeleton import HAND

# hand[i] = source[permutation[i]], as printed in the publications' code.
PERMUTATIONS = {
    "rhd": [0, 4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13, 20, 19, 18, 17],
    "stb": [0, 17, 18, 19, 20, 13, 14, 15, 16, 9, 10, 11, 12, 5, 6, 7, 8, 1, 2, 3, 4],
    "interhand": [20, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 19, 18, 17, 16],
    "mano16+tips": [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20],
    "ho3d": [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20],
    "boukhayma": [0, 17, 18, 19, 20, 1, 2, 3, 4, 5, 6, 7, 8, 13, 14, 15, 16, 9, 10, 11, 12],
    "freihand": list(range(21)),
    "mediapipe": list(range(21)),
    "openpose": list(range(21)),
    "coco-wholebody": list(range(21)),
}


@pytest.mark.parametrize("name", PERMUTATIONS)
def test_names_give_the_published_permutation(name):
    points = np.random.default_rng(0).normal(size=(2, 21, 3))
    assert np.array_equal(order(name).to_hand(points), points[:, PERMUTATIONS[name]])
    assert list(order(name).permutation) == PERMUTATIONS[name]


@pytest.mark.parametrize("name", ORDERS)
def test_every_order_is_one_to_one(name):
    joints = order(name)
    points = np.random.default_rng(1).normal(size=(len(joints), 3))
    assert np.array_equal(joints.from_hand(joints.to_hand(points)), points)
    assert len(set(joints.places)) == len(joints)


def test_joints_an_order_lacks_are_missing():
    hand = order("mano16").to_hand(np.ones((16, 3)))
    tips = [joint.endswith("_tip") for joint in HAND.joints]
    assert np.isnan(hand[tips]).all()
    assert (hand[~np.array(tips)] == 1).all()
    assert not order("mano16").to_hand(np.ones(16, bool), axis=-1)[tips].any()


def test_tip_to_base_orders_begin_a_finger_with_its_tip():
    assert order("rhd").joints[1:5] == ("thumb_tip", "thumb_ip", "thumb_mcp", "thumb_cmc")
    assert order("interhand").joints[4] == "index_tip"
    assert order("stb").joints[1] == "little_mcp"
    assert order("mano16").joints[7] == "little_mcp"


def test_only_stb_has_a_palm_for_a_root():
    assert [name for name in ORDERS if order(name).root == "palm"] == ["stb"]


def test_wrong_number_of_joints_is_refused():
    with pytest.raises(ValueError, match="has 16 joints, got 21"):
        order("mano16").to_hand(np.zeros((21, 3)))
    with pytest.raises(ValueError, match="got 16"):
        order("mano16").from_hand(np.zeros((16, 3)))
    with pytest.raises(KeyError, match="known are"):
        order("op42")


def test_palm_is_halfway_and_the_wrist_beyond_it():
    points = np.random.default_rng(2).normal(size=(21, 3))
    palm, ring = palm_of(points)[0], points[HAND.index("ring_mcp")]
    assert np.allclose(palm, (points[0] + points[HAND.index("middle_mcp")]) / 2)
    assert np.allclose(wrist_of(points)[0] - ring, 2 * (points[0] - ring))
    assert np.array_equal(palm_of(points)[1:], points[1:])
