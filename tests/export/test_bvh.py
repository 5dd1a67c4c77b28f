"""BVH files give back the tracked joints by forward kinematics, as a reader of other people's sees them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bvh import Bvh
from fitted_hands import fitted_session
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation
from synthetic import LEFT_HAND, PERSON, RIGHT_HAND, Scene, arc_rig

from handloom.errors import SessionError
from handloom.export import export
from handloom.export.pose import kabsch, shortest_rotation
from handloom.hand import HAND_TREE
from handloom.skeleton import BODY, HAND, SKELETONS


def read(path: Path) -> Bvh:
    return Bvh(path.read_text())


def joint_positions(motion: Bvh) -> dict[str, np.ndarray]:
    """(T, 3) of every joint, by the definition of the format and rotations of SciPy."""
    values = np.array(motion.frames, dtype=float)
    names = motion.get_joints_names()
    parents = {
        node.name: node.parent.name if node.value[0] == "JOINT" else None for node in motion.get_joints()
    }
    world: dict[str, tuple[Rotation, np.ndarray]] = {}
    for name in names:
        channels = motion.joint_channels(name)
        start = motion.get_joint_channels_index(name)
        column = {channel: values[:, start + i] for i, channel in enumerate(channels)}
        order = "".join(channel[0] for channel in channels if channel.endswith("rotation"))
        turn = Rotation.from_euler(order, np.stack([column[f"{a}rotation"] for a in order], -1), degrees=True)
        offset = np.array(motion.joint_offset(name))
        if "Xposition" in column:
            offset = offset + np.stack([column[f"{a}position"] for a in "XYZ"], axis=-1)
        parent = parents[name]
        if parent is None:
            world[name] = turn, np.broadcast_to(offset, (len(values), 3))
        else:
            outer, origin = world[parent]
            world[name] = outer * turn, origin + outer.apply(offset)
    return {name: position for name, (_, position) in world.items()}


@pytest.mark.parametrize("track", [RIGHT_HAND, LEFT_HAND, PERSON], ids=lambda track: track.name)
def test_forward_kinematics_gives_the_joints_to_a_tenth_of_a_millimetre(tmp_path, track):
    scene = Scene.of(80, tracks=[track])
    [path] = export(scene.write(tmp_path / "session"), "bvh", tmp_path)
    assert path.name == f"{track.name}.bvh"
    found = joint_positions(read(path))
    skeleton = SKELETONS[track.target]
    shared = [joint for joint in skeleton.joints if joint in found]
    assert len(shared) == (21 if skeleton is HAND else 25)
    for joint in shared:
        truth_cm = 100 * scene.truth[track][:, skeleton.index(joint)]
        assert np.abs(found[joint] - truth_cm).max() < 0.01, joint


def test_rate_and_frame_count(tmp_path):
    [path] = export(Scene.of(40, rate=50.0, tracks=[RIGHT_HAND]).write(tmp_path / "s"), "bvh", tmp_path)
    motion = read(path)
    assert len(motion.frames) == 40
    assert "Frames: 40" in path.read_text()
    assert_allclose(float(motion.search("Frame", "Time:")[0].value[2]), 0.02)


def test_missing_frames_hold_the_last_pose(tmp_path):
    scene = Scene.of(30, tracks=[RIGHT_HAND])
    scene.truth[RIGHT_HAND][10:20] = np.nan
    scene.truth[RIGHT_HAND][:3] = np.nan
    [path] = export(scene.write(tmp_path / "session"), "bvh", tmp_path)
    values = np.array(read(path).frames, dtype=float)
    assert np.isfinite(values).all()
    assert_allclose(values[10:20], np.repeat(values[9:10], 10, axis=0))
    assert_allclose(values[:3], np.repeat(values[3:4], 3, axis=0))


def test_joints_that_were_seen_are_right_while_others_are_missing(tmp_path):
    scene = Scene.of(30, tracks=[RIGHT_HAND])
    truth = scene.truth[RIGHT_HAND].copy()
    scene.truth[RIGHT_HAND][10:20, HAND.indices(["ring_dip", "ring_tip"])] = np.nan
    [path] = export(scene.write(tmp_path / "session"), "bvh", tmp_path)
    found = joint_positions(read(path))
    for joint in ("wrist", "ring_pip", "middle_tip", "thumb_tip"):
        assert np.abs(found[joint] - 100 * truth[:, HAND.index(joint)]).max() < 0.01, joint


def test_upper_body_alone_hangs_on_the_neck(tmp_path):
    scene = Scene.of(20, tracks=[PERSON])
    below = [j for j in BODY.joints if any(part in j for part in ("hip", "knee", "ankle", "heel", "foot"))]
    scene.truth[PERSON][:, BODY.indices(below)] = np.nan
    [path] = export(scene.write(tmp_path / "session"), "bvh", tmp_path)
    motion = read(path)
    assert motion.get_joints_names()[0] == "neck"
    assert "left_knee" not in motion.get_joints_names()
    truth = 100 * scene.truth[PERSON][:, BODY.index("left_wrist")]
    assert np.abs(joint_positions(motion)["left_wrist"] - truth).max() < 0.01


def test_rest_pose_stands_upright_with_level_arms(tmp_path):
    [path] = export(Scene.of(10, tracks=[PERSON]).write(tmp_path / "session"), "bvh", tmp_path)
    motion = read(path)
    assert motion.joint_offset("left_knee")[1] < -30
    assert motion.joint_offset("left_elbow")[0] > 20
    assert motion.joint_offset("right_elbow")[0] < -20


def test_unknown_unit_is_not_made_centimetres(tmp_path):
    scene = Scene.of(10, rig=arc_rig(unit="board-square"), tracks=[RIGHT_HAND])
    [path] = export(scene.write(tmp_path / "session"), "bvh", tmp_path)
    wrist = joint_positions(read(path))["wrist"]
    assert_allclose(wrist, scene.truth[RIGHT_HAND][:, 0], atol=1e-5)


def test_nothing_in_3d_says_so(tmp_path):
    scene = Scene.of(10, tracks=[RIGHT_HAND])
    scene.truth[RIGHT_HAND][:] = np.nan
    session = scene.write(tmp_path / "session")

    with pytest.raises(SessionError, match="no hand or body in 3D"):
        export(session, "bvh", tmp_path)
    assert not list(tmp_path.glob("*.bvh"))


def test_the_reader_reads_a_real_recording(data):
    path = data / "rosemotion_bvh" / "Test_bvh_test_output.bvh"
    found = joint_positions(read(path))
    assert found["RightHandIndex5"].shape == (429, 3)
    # The reader and these forward kinematics are what judges our files: bones of a real hand stay constant.
    lengths = np.linalg.norm(found["RightHandIndex3"] - found["RightHandIndex2"], axis=-1)
    assert 10 < lengths.mean() < 100
    assert_allclose(lengths, lengths[0], rtol=1e-9)


directions = arrays(float, 3, elements=st.floats(-1, 1)).filter(lambda v: np.linalg.norm(v) > 1e-2)


@given(directions, directions)
@settings(max_examples=60, deadline=None)
def test_shortest_rotation_takes_one_direction_to_the_other(a, b):
    turn = shortest_rotation(a, b[None])[0]
    assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
    assert_allclose(turn @ a / np.linalg.norm(a), b / np.linalg.norm(b), atol=1e-6)


def test_shortest_rotation_to_the_opposite_direction():
    turn = shortest_rotation(np.array([0.0, 2.0, 0.0]), np.array([[0.0, -1.0, 0.0]]))[0]
    assert_allclose(turn @ [0, 1, 0], [0, -1, 0], atol=1e-12)
    assert_allclose(np.linalg.det(turn), 1.0)


def test_kabsch_finds_a_rotation_with_one_vector_missing():
    truth = Rotation.random(5, random_state=np.random.default_rng(1)).as_matrix()
    rest = np.random.default_rng(2).normal(size=(4, 3))
    seen = np.einsum("tij,nj->tni", truth, rest)
    seen[:, 2] = np.nan
    assert_allclose(kabsch(rest, seen), truth, atol=1e-12)


def test_kabsch_of_a_single_vector_is_not_a_rotation():
    seen = np.full((1, 3, 3), np.nan)
    seen[0, 1] = [0.0, 1.0, 0.0]
    assert np.isnan(kabsch(np.eye(3), seen)).all()


def test_fitted_hands_have_the_joints_of_the_model(tmp_path):
    session, hands = fitted_session(tmp_path / "session")
    for track, path in zip(session.tracks, export(session, "bvh", tmp_path), strict=True):
        hand, motion = hands[track], read(path)
        assert set(motion.get_joints_names()) == set(HAND.joints)
        found = joint_positions(motion)
        expected = hand.posed().joints
        for k, joint in enumerate(HAND_TREE.joints):
            assert np.abs(found[joint] / 100 - expected[:, k])[hand.fitted].max() < 1e-6, joint
        held = np.flatnonzero(~hand.fitted)
        assert_allclose(found["index_tip"][held], np.tile(found["index_tip"][held[0] - 1], (len(held), 1)))


def test_fitted_hand_at_rest_lies_palm_down_and_points_away(tmp_path):
    session, _ = fitted_session(tmp_path / "session")
    for track, path in zip(session.tracks, export(session, "bvh", tmp_path), strict=True):
        motion = read(path)
        outwards = -1.0 if track.side == "right" else 1.0
        finger = np.sum([motion.joint_offset(f"middle_{joint}") for joint in ("mcp", "pip", "dip")], axis=0)
        assert outwards * finger[0] > 0.99 * np.linalg.norm(finger)
        assert motion.joint_offset("thumb_mcp")[2] > 0


def test_only_fitted_hands_have_the_skeleton_of_the_model(tmp_path):
    session, _ = fitted_session(tmp_path / "fitted", tracks=[RIGHT_HAND])
    plain = Scene.of(12, tracks=[RIGHT_HAND]).write(tmp_path / "plain")
    assert "_base" not in export(session, "bvh", tmp_path)[0].read_text()
    assert "_base" in export(plain, "bvh", tmp_path)[0].read_text()
