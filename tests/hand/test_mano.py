"""MANO: against its formulas written plainly, its parameters there and back, both hands."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from mano_files import mano_content, open_tips, write_mano
from plain_mano import plain_mano

from handloom.errors import ModelError
from handloom.hand import HAND_TREE, load_open_hand
from handloom.hand.kinematics import rotation_from_vector
from handloom.hand.mano import TIP_TABLES, ManoHand, load_mano
from handloom.hand.mano_file import FROM_MANO, MANO_JOINTS, read_mano_file
from handloom.rendering import HandSurface
from handloom.skeleton import FINGERS, HAND

SIDES = ("right", "left")
MANO_DIR = os.environ.get("MANO_DIR")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mano")
    for side in SIDES:
        write_mano(folder / f"MANO_{side.upper()}.pkl", mano_content(side))
    return folder


@pytest.fixture(scope="module", params=SIDES)
def hand(folder, request) -> ManoHand:
    return load_mano(folder, request.param, tips=open_tips())


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def posed_as_mano(hand: ManoHand, pose, shape, trans, **convention):
    rotations, T = hand.from_mano(pose, trans, shape, **convention)
    return hand.pose(np.zeros((15, 3)), shape, T, rotations=rotations)


@pytest.mark.parametrize("flat_hand_mean", [True, False])
def test_agrees_with_the_plain_formulas(hand, rng, flat_hand_mean):
    content = mano_content(hand.side, faulty_left=False)
    for scale in (0.0, 0.5, 1.5):
        pose, shape = rng.normal(0.0, scale, 48) * 0.6, rng.normal(0.0, scale, 10)
        trans = rng.normal(size=3)
        from_flat = pose + (0.0 if flat_hand_mean else np.concatenate([np.zeros(3), content["hands_mean"]]))
        vertices, joints = plain_mano(content, from_flat, shape, trans)
        posed = posed_as_mano(hand, pose, shape, trans, flat_hand_mean=flat_hand_mean)
        assert np.abs(posed.vertices - vertices).max() < 1e-9
        assert np.abs(posed.joints - joints[FROM_MANO]).max() < 1e-9
        tips = [open_tips()[finger] for finger in FINGERS]
        found = posed.keypoints[HAND.indices(f"{finger}_tip" for finger in FINGERS)]
        assert np.abs(found - vertices[tips]).max() < 1e-9
        assert np.abs(posed.keypoints[HAND.indices(HAND_TREE.joints)] - posed.joints).max() < 1e-12


def test_parameters_there_and_back(hand, rng):
    pose, trans = rng.uniform(-0.9, 0.9, (20, 48)), rng.normal(size=(20, 3))
    shape = rng.normal(size=(20, 10))
    for flat in (True, False):
        rotations, T = hand.from_mano(pose, trans, shape, flat_hand_mean=flat)
        again, back = hand.to_mano(rotations, T, shape, flat_hand_mean=flat)
        np.testing.assert_allclose(again, pose, atol=1e-9)
        np.testing.assert_allclose(back, trans, atol=1e-9)


def test_a_fit_moved_rigidly_turns_about_its_own_wrist(hand, rng):
    pose, trans, shape = rng.normal(0, 0.4, 48), rng.normal(size=3), rng.normal(size=10)
    R, t = rotation_from_vector(rng.normal(size=3)), rng.normal(size=3)
    before = posed_as_mano(hand, pose, shape, trans).vertices
    rotations, T = hand.from_mano(pose, trans, shape)
    T[:3, :3], T[:3, 3] = R @ T[:3, :3], R @ T[:3, 3] + t
    moved = posed_as_mano(hand, *_swap(hand.to_mano(rotations, T, shape), shape)).vertices
    np.testing.assert_allclose(moved, before @ R.T + t, atol=1e-9)


def _swap(pose_trans, shape):
    return pose_trans[0], shape, pose_trans[1]


def test_the_mean_convention_is_a_visible_choice(folder):
    flat, mean = (load_mano(folder, tips=open_tips(), flat_hand_mean=flat) for flat in (True, False))
    np.testing.assert_allclose(
        posed_as_mano(flat, np.zeros(48), None, None).joints, flat.rest_joints @ flat.R_hand_mano + flat.wrist
    )
    bent = mean.from_mano(np.zeros(48))[0]
    np.testing.assert_allclose(bent, flat.from_mano(np.r_[np.zeros(3), flat.hands_mean])[0], atol=1e-12)
    assert np.abs(bent - np.eye(3)).max() > 0.2


def test_lives_in_the_frame_of_every_hand(hand):
    shape = np.random.default_rng(1).normal(size=10)
    for beta in (None, shape):
        posed = hand.pose(np.zeros((15, 3)), beta)
        np.testing.assert_allclose(posed.joints[0], 0.0, atol=1e-12)
    middle = hand.rest_joints[HAND_TREE.index("middle_mcp")]
    np.testing.assert_allclose(middle[[0, 2]], 0.0, atol=1e-12)
    assert middle[1] > 0.05
    assert (hand.rest_joints[HAND_TREE.index("thumb_ip"), 0] > 0) == (hand.side == "right")
    np.testing.assert_allclose(hand.rest_joints, load_open_hand(hand.side).rest_joints, atol=1e-4)


def test_axes_are_anatomical(hand):
    turned = np.einsum("kij,kij->ki", hand.axes, load_open_hand(hand.side).axes)
    assert np.degrees(np.arccos(np.clip(turned, -1, 1))).max() < 15
    square = hand.axes @ hand.axes.swapaxes(1, 2)
    np.testing.assert_allclose(square, np.broadcast_to(np.eye(3), square.shape), atol=1e-9)
    angles = np.zeros((15, 3))
    angles[[HAND_TREE.articulated.index(f"{finger}_mcp") for finger in FINGERS[1:]], 0] = 1.0
    tips = HAND.indices(f"{finger}_tip" for finger in FINGERS[1:])
    assert (hand.pose(angles).keypoints[tips, 2] > 0.03).all()


def test_left_is_the_mirror_of_right(folder, rng):
    right, left = (load_mano(folder, side, tips=open_tips()) for side in SIDES)
    mirrored = right.mirrored()
    assert mirrored.side == "left"
    for name in ("template", "shape_directions", "pose_directions", "axes", "rest_keypoints",
                 "keypoint_pose_directions", "wrist", "wrist_directions", "R_hand_mano", "hands_mean",
                 "hands_components"):  # fmt: skip
        np.testing.assert_allclose(getattr(mirrored, name), getattr(left, name), atol=1e-9, err_msg=name)
    angles, shape = rng.normal(0, 0.5, (15, 3)), rng.normal(size=10)
    np.testing.assert_allclose(
        left.pose(angles, shape).vertices, right.pose(angles, shape).vertices * [-1, 1, 1], atol=1e-9
    )


@pytest.mark.parametrize("right_is_there", [True, False])
@pytest.mark.parametrize("faulty", [True, False])
def test_left_shape_space_is_mended_once(tmp_path, faulty, right_is_there):
    left = write_mano(tmp_path / "MANO_LEFT.pkl", mano_content("left", faulty_left=faulty))
    if right_is_there:
        write_mano(tmp_path / "MANO_RIGHT.pkl", mano_content("right"))
    truth = mano_content("left", faulty_left=False)["shapedirs"]
    np.testing.assert_allclose(read_mano_file(left, "left").shape_directions, truth, atol=1e-12)


def test_components_give_poses(hand):
    np.testing.assert_array_equal(hand.pose_from_components(np.eye(45)), hand.hands_components)
    np.testing.assert_array_equal(hand.pose_from_components([0.0, 2.0]), 2.0 * hand.hands_components[1])
    assert hand.hands_coefficients.shape == (30, 45)


def test_arrays_may_be_plain(tmp_path):
    plain = write_mano(tmp_path / "a.pkl", mano_content("right"), lazy=False)
    lazy = write_mano(tmp_path / "b.pkl", mano_content("right"))
    for name in ("template", "shape_directions", "weights"):
        np.testing.assert_array_equal(
            getattr(read_mano_file(plain, "right"), name), getattr(read_mano_file(lazy, "right"), name)
        )


def test_named_tip_tables_are_for_manos_mesh(tmp_path):
    small = write_mano(tmp_path / "MANO_RIGHT.pkl", mano_content("right", vertices=778))
    hand = load_mano(small)
    tips = HAND.indices(f"{finger}_tip" for finger in FINGERS)
    np.testing.assert_allclose(hand.rest_keypoints[tips], load_open_hand().rest_keypoints[tips], atol=0.01)
    assert hand.tips == "smplx"
    assert not np.allclose(load_mano(small, tips="manopth").rest_keypoints, hand.rest_keypoints)
    large = write_mano(tmp_path / "large.pkl", mano_content("right"))
    with pytest.raises(ModelError, match="778 vertices"):
        load_mano(large)


@pytest.mark.parametrize(
    ("tips", "message"),
    [
        ("unheard-of", "unheard-of"),
        ({"thumb": 1}, "each of thumb"),
        (dict.fromkeys(FINGERS, 9999), "below 1609"),
    ],
)
def test_unknown_tips_are_refused(folder, tips, message):
    with pytest.raises(ModelError, match=message):
        load_mano(folder, tips=tips)


def test_every_table_names_five_vertices():
    for sides in TIP_TABLES.values():
        for vertices in sides.values():
            assert len(set(vertices)) == len(FINGERS)
            assert max(vertices) < 778


def test_can_be_drawn(hand):
    assert ((hand.uv >= 0) & (hand.uv <= 1)).all()
    for joint in ("thumb_ip", "little_dip"):
        assert hand.nails[hand.weights[:, HAND_TREE.index(joint)] > 0.5].any(), joint
    surface = HandSurface(hand).at(hand.template, np.eye(4))
    assert np.isfinite(surface.texture).all()


def _broken(**changes):
    def change(content):
        for key, value in changes.items():
            content[key] = value(content[key]) if callable(value) else value
        return content

    return change


def _without(*keys):
    return lambda content: {key: value for key, value in content.items() if key not in keys}


def _with_nan(array):
    array = array.copy()
    array.flat[7] = np.nan
    return array


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without("hands_mean", "hands_components"), "no MANO model: it lacks hands_mean, hands_components"),
        (_broken(v_template=_with_nan), "v_template holds values that are not finite"),
        (_broken(weights=lambda w: w * 0.9), "weights do not sum to one"),
        (_broken(kintree_table=lambda k: np.array([[0, *range(23)], range(24)])), "24 joints"),
        (_broken(kintree_table=lambda k: np.array([[-1, *range(15)], range(16)])), "hang together"),
        (_broken(posedirs=lambda p: p[..., :100]), "posedirs is 1609 × 3 × 100, not 1609 × 3 × 135"),
        (_broken(f=lambda f: f + 100), "faces name vertices beyond"),
        (_broken(v_template=lambda v: 1000 * v), "no hand in metres"),
        (_broken(hands_mean="mean"), "hands_mean is not an array of numbers"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_mano_says_why(tmp_path, change, message):
    path = write_mano(tmp_path / "MANO_RIGHT.pkl", change(mano_content("right")), lazy=False)
    with pytest.raises(ModelError, match=message) as caught:
        load_mano(path)
    assert caught.value.remedy


@pytest.mark.parametrize("side", SIDES)
def test_the_wrong_side_is_noticed(folder, side):
    other = "left" if side == "right" else "right"
    with pytest.raises(ModelError, match=f"is a {side} hand, and the {other} one"):
        load_mano(folder / f"MANO_{side.upper()}.pkl", other, tips=open_tips())


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"holds no MANO_LEFT\.pkl"):
        load_mano(tmp_path, "left")
    with pytest.raises(ModelError, match="There is no"):
        load_mano(tmp_path / "MANO_LEFT.pkl", "left")


def test_a_side_must_be_left_or_right(tmp_path):
    with pytest.raises(ValueError, match="side"):
        load_mano(tmp_path, "both")


def test_order_of_joints_goes_by_name():
    assert MANO_JOINTS[7] == "little_mcp"
    assert [MANO_JOINTS[i] for i in FROM_MANO] == list(HAND_TREE.joints)


@pytest.mark.skipif(not MANO_DIR, reason="MANO's own files are the user's; set MANO_DIR to test on them")
@pytest.mark.parametrize("side", SIDES)
def test_the_real_files(side, rng):
    hand = load_mano(str(MANO_DIR), side)
    assert hand.template.shape == (778, 3)
    right = load_mano(str(MANO_DIR), "right")
    palm = np.linalg.norm(right.rest_joints[HAND_TREE.index("middle_mcp")])
    assert palm == pytest.approx(0.09473, abs=1e-4)
    tips = HAND.indices(f"{finger}_tip" for finger in FINGERS[1:])
    assert (hand.rest_keypoints[tips, 1] > 0.12).all()
    raw = read_mano_file(str(MANO_DIR), side)
    content = {
        "v_template": raw.template, "shapedirs": raw.shape_directions, "posedirs": raw.pose_directions,
        "J_regressor": _Dense(raw.joint_regressor), "weights": raw.weights,
        "kintree_table": np.array([[-1, *(0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)]]),
    }  # fmt: skip
    pose, shape, trans = rng.normal(0, 0.4, 48), rng.normal(size=10), rng.normal(size=3)
    vertices, _ = plain_mano(content, pose, shape, trans)
    assert np.abs(posed_as_mano(hand, pose, shape, trans).vertices - vertices).max() < 1e-6


class _Dense:
    def __init__(self, array):
        self._array = array

    def toarray(self):
        return self._array
