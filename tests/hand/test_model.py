"""The open hand: its parts fit together, and it moves like a hand."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files

import numpy as np
import pytest

from handloom.hand import HAND_TREE, HandModel, load_open_hand
from handloom.hand.kinematics import rigid, rotation_from_vector
from handloom.hand.limits import joint_limits
from handloom.skeleton import FINGERS, HAND


@pytest.fixture(params=["right", "left"])
def model(request) -> HandModel:
    return load_open_hand(request.param)


@pytest.fixture
def pose(rng):
    limits = joint_limits()
    return rng.uniform(limits[..., 0], limits[..., 1], (5, *limits.shape[:2]))


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_parts_fit_together(model):
    V, B = len(model.template), model.shape_count
    assert B >= 10
    assert model.shape_directions.shape == (V, 3, B)
    assert model.joint_directions.shape == (len(HAND_TREE), 3, B)
    assert model.keypoint_directions.shape == (len(HAND), 3, B)
    assert model.weights.shape == (V, len(HAND_TREE))
    assert model.nails.shape == (V,)
    assert model.faces.shape == model.uv_faces.shape
    assert model.faces.min() == 0
    assert model.faces.max() == V - 1
    assert model.uv_faces.max() == len(model.uv) - 1
    assert ((model.uv >= 0) & (model.uv <= 1)).all()
    np.testing.assert_allclose(model.weights.sum(axis=1), 1.0)
    np.testing.assert_allclose(model.keypoint_weights.sum(axis=1), 1.0, atol=1e-12)
    square = model.axes @ model.axes.swapaxes(1, 2)
    np.testing.assert_allclose(square, np.broadcast_to(np.eye(3), square.shape), atol=1e-12)
    assert model.pose_directions.shape == (V, 3, 9 * len(HAND_TREE.articulated))
    for name in (
        "template",
        "shape_directions",
        "weights",
        "axes",
        "limits",
        "rest_keypoints",
        "pose_directions",
    ):
        assert np.isfinite(getattr(model, name)).all(), name


def test_file_is_small():
    assert len((files("handloom.hand") / "open_hand.npz").read_bytes()) <= 400 * 1024


def test_mesh_is_one_surface_open_at_the_wrist_only(model):
    edges = np.concatenate([model.faces[:, [0, 1]], model.faces[:, [1, 2]], model.faces[:, [2, 0]]])
    directed = Counter(map(tuple, edges))
    assert max(directed.values()) == 1, "an edge runs the same way in two faces"
    border = [edge for edge in directed if edge[::-1] not in directed]
    assert len({a for a, _ in border}) == len(border) > 0
    assert np.abs(model.template[[a for a, _ in border], 1]).max() < 0.02
    assert len(model.template) - len(directed) // 2 - len(border) / 2 + len(model.faces) == 1


def test_faces_look_outwards(model):
    a, b, c = model.template[model.faces].transpose(1, 0, 2)
    assert (a * np.cross(b, c)).sum() > 0


def test_zero_pose_is_the_template(model):
    posed = model.pose(np.zeros((15, 3)))
    np.testing.assert_allclose(posed.vertices, model.template, atol=1e-12)
    np.testing.assert_allclose(posed.joints, model.rest_joints, atol=1e-12)
    np.testing.assert_allclose(posed.keypoints, model.rest_keypoints, atol=1e-12)


def test_hand_lengths_span_people(model):
    def length(first: float) -> float:
        shape = np.zeros(model.shape_count)
        shape[0] = first
        joints = model.pose(np.zeros((15, 3)), shape).joints
        chain = joints[HAND_TREE.index("middle_dip"), 1]
        tip = model.pose(np.zeros((15, 3)), shape).vertices[:, 1].max()
        assert tip > chain
        return tip

    assert length(-2.0) == pytest.approx(0.150, abs=0.006)
    assert length(2.0) == pytest.approx(0.205, abs=0.008)


def test_batches_broadcast(model, pose, rng):
    shape = rng.normal(size=(4, 1, model.shape_count))
    posed = model.pose(pose, shape, rigid(np.eye(3), rng.normal(size=(5, 3))))
    assert posed.vertices.shape == (4, 5, len(model.template), 3)
    assert posed.keypoints.shape == (4, 5, 21, 3)
    assert posed.T_world_joint.shape == (4, 5, 16, 4, 4)


def test_batch_equals_one_by_one(model, pose):
    posed = model.pose(pose)
    for i, angles in enumerate(pose):
        np.testing.assert_allclose(posed.vertices[i], model.pose(angles).vertices, atol=1e-12)


def test_moving_the_wrist_moves_everything_rigidly(model, pose, rng):
    T = rigid(rotation_from_vector(rng.normal(size=3)), rng.normal(size=3))
    here, there = model.pose(pose), model.pose(pose, None, T)
    for name in ("vertices", "joints", "keypoints"):
        moved = getattr(here, name) @ T[:3, :3].T + T[:3, 3]
        np.testing.assert_allclose(getattr(there, name), moved, atol=1e-12)


def test_left_is_the_mirror_of_right(pose, rng):
    shape = rng.normal(size=load_open_hand().shape_count)
    right, left = load_open_hand("right").pose(pose, shape), load_open_hand("left").pose(pose, shape)
    for name in ("vertices", "joints", "keypoints"):
        np.testing.assert_allclose(getattr(left, name), getattr(right, name) * [-1, 1, 1], atol=1e-12)


def test_mirroring_twice_gives_the_hand_back():
    right = load_open_hand("right")
    again = right.mirrored().mirrored()
    assert again.side == "right"
    np.testing.assert_array_equal(again.template, right.template)
    np.testing.assert_array_equal(again.axes, right.axes)
    np.testing.assert_array_equal(again.faces, right.faces)


def test_flexion_bends_fingers_towards_the_palm(model):
    for finger in FINGERS[1:]:
        angles = np.zeros((15, 3))
        angles[HAND_TREE.index(f"{finger}_mcp") - 1, 0] = np.deg2rad(60)
        tip = HAND.index(f"{finger}_tip")
        moved = model.pose(angles).keypoints[tip] - model.rest_keypoints[tip]
        assert moved[2] > 0.02, finger


def test_abduction_spreads_the_fingers(model):
    angles = np.zeros((15, 3))
    for finger in ("index", "ring", "little"):
        angles[HAND_TREE.index(f"{finger}_mcp") - 1, 1] = np.deg2rad(15)
    spread, flat = model.pose(angles).keypoints, model.rest_keypoints
    middle = HAND.index("middle_tip")
    for finger in ("index", "ring", "little"):
        tip = HAND.index(f"{finger}_tip")
        assert np.linalg.norm(spread[tip] - spread[middle]) > np.linalg.norm(flat[tip] - flat[middle]) + 0.01


def test_thumb_is_on_the_side_documented(model):
    thumb = model.rest_keypoints[HAND.index("thumb_tip")][0]
    assert (thumb > 0) == (model.side == "right")


def test_keypoints_lie_in_or_near_the_flesh(model):
    distance = np.linalg.norm(model.rest_keypoints[:, None] - model.template[None], axis=-1).min(axis=1)
    assert distance.max() < 0.03


def test_clamp_respects_the_limits(model, rng):
    clamped = model.clamp(rng.normal(0.0, 3.0, (50, 15, 3)))
    assert (clamped >= model.limits[..., 0]).all()
    assert (clamped <= model.limits[..., 1]).all()
    assert (model.limits[..., 0] < model.limits[..., 1]).all()


def test_unknown_side_is_refused():
    with pytest.raises(ValueError, match="side"):
        load_open_hand("both")
