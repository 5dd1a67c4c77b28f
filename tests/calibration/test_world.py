"""Frames and scales of the world: what a camera sees never changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from handloom.calibration import world
from handloom.calibration.boards import parse_board
from handloom.errors import CalibrationError, RigError
from handloom.hand.kinematics import rigid
from handloom.skeleton import BODY, HAND
from handloom.synthesis.board_scene import board_rig, wave_board

BOARD = parse_board("charuco:7x5:40mm")
RIG = board_rig(4)
POSES = wave_board(RIG, BOARD, 30)
POSES[3] = np.nan


def standing(frames=40, seed=0):
    """A person who sways and steps about on z = -0.9 of the scene, whose up is +z."""
    rng = np.random.default_rng(seed)
    body = np.full((frames, len(BODY), 3), np.nan)
    for side, x in (("left", 0.12), ("right", -0.12)):
        for joint, y, height in (
            ("shoulder", 0.0, 1.45), ("hip", 0.0, 0.95), ("knee", 0.02, 0.5), ("ankle", 0.0, 0.09),
            ("heel", -0.05, 0.02), ("foot_index", 0.15, 0.01),
        ):  # fmt: skip
            body[:, BODY.index(f"{side}_{joint}")] = x, y, height - 0.9
    steps = np.concatenate([rng.normal(0, 0.2, (frames, 2)), np.zeros((frames, 1))], axis=-1)
    lean = Rotation.from_rotvec(rng.normal(0, 0.02, (frames, 3)) * [1, 1, 10]).as_matrix()
    foot = np.array([0.0, 0.0, -0.9])
    return np.einsum("fij,fkj->fki", lean, body - foot) + foot + steps[:, None]


def projections(rig, boards, scale=1.0):
    """Pixels of the board's first point and of points at its axes' ends."""
    marks = np.concatenate([np.zeros((1, 3)), 0.1 * np.eye(3)]) * scale
    points = np.einsum("tij,pj->tpi", boards[:, :3, :3], marks) + boards[:, None, :3, 3]
    return rig.project(points)


MOVES = {
    "at_first_camera": lambda rig, boards: world.at_first_camera(rig, boards),
    "at_camera": lambda rig, boards: world.at_camera(rig, boards, "cam2"),
    "at_board": lambda rig, boards: world.at_board(rig, boards, 7),
    "on_floor": lambda rig, boards: world.on_floor(rig, boards, 7),
    "upright": lambda rig, boards: world.upright(rig, boards, standing()),
}


@pytest.mark.parametrize("move", MOVES)
def test_frames_preserve_projections(move):
    rig, boards = MOVES[move](RIG, POSES)
    np.testing.assert_allclose(projections(rig, boards), projections(RIG, POSES), atol=1e-6)
    assert np.isnan(boards[3]).all()
    assert rig.unit == "m"
    np.testing.assert_allclose(rig.baselines, RIG.baselines, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(*[st.floats(-3, 3)] * 3),
    st.tuples(*[st.floats(-100, 100)] * 3),
    st.floats(1e-3, 1e3),
)
def test_any_frame_and_scale_preserves_projections(turn, shift, factor):
    T = rigid(Rotation.from_rotvec(turn).as_matrix(), np.array(shift))
    rig, boards = world.in_frame(RIG, POSES, T)
    rig, boards = world.scale_by_factor(rig, boards, factor)
    np.testing.assert_allclose(projections(rig, boards, factor), projections(RIG, POSES), atol=1e-5)
    np.testing.assert_allclose(rig.up, T[:3, :3] @ RIG.up, atol=1e-12)


def test_first_camera_is_the_origin_to_the_last_bit():
    rig, _ = world.at_first_camera(RIG, POSES)
    assert (rig[0].T_camera_world == np.eye(4)).all()


def test_camera_by_name_is_the_origin_and_unknown_names_are_refused():
    rig, _ = world.at_camera(RIG, POSES, "cam3")
    np.testing.assert_allclose(rig["cam3"].center, 0, atol=1e-15)
    with pytest.raises(RigError, match="cam9"):
        world.at_camera(RIG, POSES, "cam9")


def test_board_is_the_frame():
    _, boards = world.at_board(RIG, POSES, 7)
    np.testing.assert_allclose(boards[7], np.eye(4), atol=1e-12)


@pytest.mark.parametrize("moment", [3, 30, -1])
def test_board_of_unknown_pose_is_refused(moment):
    with pytest.raises(CalibrationError, match=f"moment {moment} is not known; it is at 29 of 30"):
        world.on_floor(RIG, POSES, moment)


def test_frames_without_any_board():
    rig, boards = world.at_first_camera(RIG, np.empty((0, 4, 4)))
    assert boards.shape == (0, 4, 4)
    with pytest.raises(CalibrationError, match="at none"):
        world.at_board(rig, boards, 0)


@pytest.mark.parametrize("face_down", [False, True])
def test_floor_lies_below_the_cameras(face_down):
    flat = np.diag([1.0, -1.0, -1.0, 1.0]) if not face_down else np.eye(4)  # z of the board is into the paper
    flat[:3, 3] = 0.3, 0.2, -0.8
    rig, boards = world.on_floor(RIG, flat[None], 0)
    np.testing.assert_allclose(rig.up, [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(rig.centers[:, 2], RIG.centers[:, 2] + 0.8, atol=1e-12)
    np.testing.assert_allclose(boards[0, :3, 3], 0, atol=1e-12)
    np.testing.assert_allclose(boards[0, :3, 0], [1, 0, 0], atol=1e-12)


def test_gravity_from_a_standing_person():
    turn = rigid(Rotation.from_rotvec([0.4, -1.1, 0.3]).as_matrix(), np.array([1.0, 2.0, 3.0]))
    rig, boards = world.in_frame(RIG, POSES, turn)
    body = standing()
    body[5:9] += np.random.default_rng(1).normal(0, 0.3, body[5:9].shape)
    body[20] = np.nan
    rig, boards = world.upright(rig, boards, body @ turn[:3, :3].T + turn[:3, 3])
    assert (rig.up == [0, 0, 1]).all()
    # The scene's own up is +z and its floor is at -0.9.
    ups, true_ups = (np.stack([camera.T_camera_world[:3, 2] for camera in r]) for r in (rig, RIG))
    assert np.degrees(np.arccos((ups * true_ups).sum(axis=-1))).max() < 1.0
    np.testing.assert_allclose(rig.centers[:, 2], RIG.centers[:, 2] + 0.9, atol=0.05)
    assert abs(rig[0].axis[0]) < 1e-9  # the first camera looks along y
    assert rig[0].axis[1] > 0


def test_gravity_refuses_a_person_who_sits():
    body = standing()
    for side in ("left", "right"):
        body[:, BODY.index(f"{side}_knee")] += [0.0, 0.4, 0.3]
    with pytest.raises(CalibrationError, match="only 0 frames"):
        world.upright(RIG, POSES, body)


def test_gravity_refuses_a_person_who_is_not_always_the_same_way_up():
    body = standing()
    body[::2] = body[::2] @ Rotation.from_rotvec([1.5, 0, 0]).as_matrix().T
    with pytest.raises(CalibrationError, match="differs by"):
        world.upright(RIG, POSES, body)


def test_gravity_wants_bodies():
    with pytest.raises(ValueError, match="33"):
        world.upright(RIG, POSES, np.zeros((4, 21, 3)))


def test_scale_by_distance_makes_the_rig_metric():
    unknown = RIG.in_unit("m")
    small, boards = world.scale_by_factor(unknown, POSES, 0.25, "unknown")
    assert small.unit == "unknown"
    rig, back = world.scale_by_distance(small, boards, "cam0", "cam2", float(RIG.baselines[0, 2]))
    assert rig.unit == "m"
    assert rig.allclose(RIG)
    np.testing.assert_allclose(back, POSES, atol=1e-12)


@pytest.mark.parametrize("metres", [0.0, -1.0, np.nan, np.inf])
def test_scale_by_distance_refuses_what_is_no_length(metres):
    with pytest.raises(CalibrationError, match="no length"):
        world.scale_by_distance(RIG, POSES, "cam0", "cam1", metres)


def test_scale_by_distance_refuses_a_camera_and_itself():
    with pytest.raises(CalibrationError, match="same place"):
        world.scale_by_distance(RIG, POSES, "cam0", "cam0", 1.0)


def test_scale_by_bone_survives_frames_that_are_wrong():
    rng = np.random.default_rng(0)
    hand = np.full((50, len(HAND), 3), np.nan)
    hand[:, HAND.index("wrist")] = 0.0
    hand[:, HAND.index("middle_mcp")] = 0.0, 0.0, 2.0
    hand[:, HAND.index("index_mcp")] = 0.0, 2.1, 0.0
    hand[:10] += rng.normal(0, 3, hand[:10].shape)
    small, boards = world.scale_by_factor(RIG, POSES, 20.0, "board-square")
    bones = {("wrist", "middle_mcp"): 0.1, ("wrist", "index_mcp"): 0.105}
    rig, _ = world.scale_by_bone(small, boards, hand, HAND, bones)
    assert rig.unit == "m"
    assert rig.allclose(RIG)


@pytest.mark.parametrize(
    ("bones", "problem"),
    [
        ({}, "No bone"),
        ({("wrist", "elbow"): 0.1}, "no joint named 'elbow'"),
        ({("wrist", "little_tip"): 0.1}, "never reconstructed"),
        ({("wrist", "middle_mcp"): 0.0}, "no length"),
    ],
)
def test_scale_by_bone_says_what_is_wrong(bones, problem):
    hand = np.full((5, len(HAND), 3), np.nan)
    hand[:, :10] = np.arange(30.0).reshape(10, 3)
    with pytest.raises(CalibrationError, match=problem):
        world.scale_by_bone(RIG, POSES, hand, HAND, bones)


def test_scale_must_be_positive():
    with pytest.raises(ValueError, match="positive"):
        world.scale_by_factor(RIG, POSES, 0.0)
