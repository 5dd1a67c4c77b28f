"""GLB files hold the fitted hands: skinning what is in them gives the model's mesh."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fitted_hands import fitted_session
from scipy.spatial.transform import Rotation, Slerp
from synthetic import LEFT_HAND, PERSON, RIGHT_HAND, Scene, arc_rig

from handloom.cameras import CameraRig
from handloom.errors import SessionError
from handloom.export import export
from handloom.export.axes import world_to_y_up
from handloom.export.glb import glb
from handloom.session import FittedHand, Session
from handloom.skeleton import HAND

_KINDS = {5126: np.float32, 5125: np.uint32, 5123: np.uint16, 5121: np.uint8}
_SHAPES = {"SCALAR": (), "VEC2": (2,), "VEC3": (3,), "VEC4": (4,), "MAT4": (4, 4)}

_VALIDATE = """
const fs = require('fs'), validator = require('gltf-validator');
validator.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1]))).then(
  report => console.log(JSON.stringify(report.issues)));
"""


class Glb:
    """A GLB file, taken apart by the letter of the specification."""

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        magic, version, length = struct.unpack_from("<4sII", content)
        assert (magic, version, length) == (b"glTF", 2, len(content))
        size, kind = struct.unpack_from("<I4s", content, 12)
        assert (kind, size % 4) == (b"JSON", 0)
        self.json: dict[str, Any] = json.loads(content[20 : 20 + size])
        binary_size, kind = struct.unpack_from("<I4s", content, 20 + size)
        assert (kind, binary_size % 4) == (b"BIN\0", 0)
        self._binary = content[28 + size :]
        assert len(self._binary) == binary_size == self.json["buffers"][0]["byteLength"]

    def array(self, index: int) -> np.ndarray:
        accessor = self.json["accessors"][index]
        view = self.json["bufferViews"][accessor["bufferView"]]
        shape = (accessor["count"], *_SHAPES[accessor["type"]])
        kind = np.dtype(_KINDS[accessor["componentType"]])
        assert view["byteLength"] == kind.itemsize * np.prod(shape)
        values = np.frombuffer(self._binary, kind, int(np.prod(shape)), view["byteOffset"]).reshape(shape)
        if "min" in accessor:
            np.testing.assert_array_equal(np.ravel(accessor["min"]), np.ravel(values.min(axis=0)))
            np.testing.assert_array_equal(np.ravel(accessor["max"]), np.ravel(values.max(axis=0)))
        return values.swapaxes(-1, -2) if len(shape) == 3 else values

    def mesh_node(self, name: str) -> dict[str, Any]:
        return next(node for node in self.json["nodes"] if node["name"] == name and "mesh" in node)

    def world(self, time_s: float) -> np.ndarray:
        """(N, 4, 4) of every node at a time, interpolated as the format says."""
        nodes = self.json["nodes"]
        local = np.tile(np.eye(4), (len(nodes), 1, 1))
        for matrix, node in zip(local, nodes, strict=True):
            matrix[:3, 3] = node.get("translation", (0, 0, 0))
        [animation] = self.json["animations"]
        for channel in animation["channels"]:
            sampler = animation["samplers"][channel["sampler"]]
            assert sampler["interpolation"] == "LINEAR"
            keys, values = self.array(sampler["input"]), self.array(sampler["output"])
            at = np.clip(time_s, keys[0], keys[-1])
            matrix = local[channel["target"]["node"]]
            if channel["target"]["path"] == "translation":
                matrix[:3, 3] = [np.interp(at, keys, column) for column in values.T]
            else:
                turns = Rotation.from_quat(values)
                turn = Slerp(keys, turns)(at) if len(keys) > 1 else turns[0]
                matrix[:3, :3] = turn.as_matrix()
        placed = np.full(local.shape, np.nan)

        def place(node: int, outer: np.ndarray) -> None:
            placed[node] = outer @ local[node]
            for child in nodes[node].get("children", ()):
                place(child, placed[node])

        for root in self.json["scenes"][0]["nodes"]:
            place(root, np.eye(4))
        return placed

    def vertices(self, name: str, time_s: float) -> np.ndarray:
        """(N, 3) skinned vertices, in the world."""
        node = self.mesh_node(name)
        skin = self.json["skins"][node["skin"]]
        bones = self.world(time_s)[skin["joints"]] @ self.array(skin["inverseBindMatrices"])
        attributes = self.attributes(name)
        blended = np.zeros((len(attributes["POSITION"]), 4, 4))
        number = 0
        while f"JOINTS_{number}" in attributes:
            which, weights = attributes[f"JOINTS_{number}"], attributes[f"WEIGHTS_{number}"]
            blended += (bones[which] * weights[..., None, None]).sum(axis=1)
            number += 1
        rest = np.append(attributes["POSITION"], np.ones((len(blended), 1)), axis=1)
        return (blended @ rest[..., None])[:, :3, 0]

    def attributes(self, name: str) -> dict[str, np.ndarray]:
        primitives = self.json["meshes"][self.mesh_node(name)["mesh"]]["primitives"]
        assert all(primitive["attributes"] == primitives[0]["attributes"] for primitive in primitives)
        return {key: self.array(index) for key, index in primitives[0]["attributes"].items()}


def plain(hand: FittedHand) -> FittedHand:
    """The hand without pose correctives, which linear blend skinning does not have."""
    return replace(hand, model=replace(hand.model, pose_directions=None, keypoint_pose_directions=None))


def of_corners(hand: FittedHand) -> np.ndarray:
    """The vertex behind each vertex of the file, which splits those on seams of the texture chart."""
    corners = np.stack([hand.model.faces, hand.model.uv_faces], axis=-1).reshape(-1, 2)
    return np.unique(corners, axis=0)[:, 0]


def write(tmp_path: Path, **scene: Any) -> tuple[Glb, Session, dict[Any, FittedHand]]:
    session, hands = fitted_session(tmp_path / "session", **scene)
    [path] = export(session, "glb", tmp_path / "out")
    return Glb(path), session, hands


@pytest.mark.parametrize("up", ["y", "z", "oblique"])
def test_skinning_gives_the_mesh_of_the_model(tmp_path: Path, up: str) -> None:
    rig = arc_rig(3)
    direction = {"y": [0.0, 1.0, 0.0], "z": [0.0, 0.0, 1.0], "oblique": [0.6, 0.0, 0.8]}[up]
    rig = CameraRig(rig.cameras, up=np.array(direction))
    file, session, hands = write(tmp_path, rig=rig)
    turn = world_to_y_up(rig)
    for track, hand in hands.items():
        for t in (0, 2, 3, 7, 11):
            expected = plain(hand).posed(t).vertices[of_corners(hand)] @ turn.T
            found = file.vertices(track.name, session.times_s[t])
            assert np.abs(found - expected).max() < 1e-5, (track.name, t)


def test_what_skinning_leaves_out_is_small(tmp_path: Path) -> None:
    file, session, hands = write(tmp_path, tracks=[RIGHT_HAND])
    hand = hands[RIGHT_HAND]
    turn = world_to_y_up(session.rig)
    for t in (0, 7, 11):
        expected = hand.posed(t).vertices[of_corners(hand)] @ turn.T
        off = np.linalg.norm(file.vertices(RIGHT_HAND.name, session.times_s[t]) - expected, axis=1)
        assert off.max() < 0.004
        assert off.mean() < 0.001


def test_nodes_stand_where_the_joints_are(tmp_path: Path) -> None:
    file, session, hands = write(tmp_path, tracks=[LEFT_HAND])
    [skin] = file.json["skins"]
    names = [file.json["nodes"][joint]["name"] for joint in skin["joints"]]
    assert names == [f"{LEFT_HAND.name}_{joint}" for joint in HAND.joints]
    placed = file.world(session.times_s[9])[skin["joints"]][:, :3, 3]
    joints = hands[LEFT_HAND].posed(9).joints @ world_to_y_up(session.rig).T
    articulated = [i for i, joint in enumerate(HAND.joints) if not joint.endswith("_tip")]
    np.testing.assert_allclose(placed[articulated], joints, atol=1e-6)


def test_motion_is_at_the_times_of_the_session_and_passes_over_gaps(tmp_path: Path) -> None:
    file, session, hands = write(tmp_path, tracks=[RIGHT_HAND])
    sampler = file.json["animations"][0]["samplers"][0]
    keys = file.array(sampler["input"])
    np.testing.assert_allclose(keys, session.times_s[hands[RIGHT_HAND].fitted], atol=1e-6)
    for channel in file.json["animations"][0]["samplers"][1:]:
        q = file.array(channel["output"])
        np.testing.assert_allclose(np.linalg.norm(q, axis=1), 1.0, atol=1e-6)
        assert ((q[1:] * q[:-1]).sum(axis=1) > 0).all()


def test_nails_have_a_material_of_their_own(tmp_path: Path) -> None:
    file, _, hands = write(tmp_path, tracks=[RIGHT_HAND])
    model = hands[RIGHT_HAND].model
    primitives = file.json["meshes"][0]["primitives"]
    assert [file.json["materials"][p["material"]]["name"] for p in primitives] == ["skin", "nail"]
    nails = of_corners(hands[RIGHT_HAND])[file.array(primitives[1]["indices"])]
    assert model.nails[nails].all()
    assert sum(len(file.array(p["indices"])) for p in primitives) == model.faces.size


def test_texture_coordinates_count_from_the_top(tmp_path: Path) -> None:
    file, _, hands = write(tmp_path, tracks=[RIGHT_HAND])
    model = hands[RIGHT_HAND].model
    pairs = np.unique(np.stack([model.faces, model.uv_faces], axis=-1).reshape(-1, 2), axis=0)
    uv = file.attributes(RIGHT_HAND.name)["TEXCOORD_0"]
    np.testing.assert_allclose(uv, model.uv[pairs[:, 1]] * [1, -1] + [0, 1], atol=1e-6)


def test_weights_of_a_vertex_sum_to_one(tmp_path: Path) -> None:
    file, _, _ = write(tmp_path, tracks=[RIGHT_HAND])
    attributes = file.attributes(RIGHT_HAND.name)
    weights = sum(v.astype(np.float64).sum(axis=1) for k, v in attributes.items() if k.startswith("WEIGHTS"))
    np.testing.assert_allclose(weights, 1.0, atol=4e-7)


def test_more_than_four_joints_on_a_vertex_take_further_sets_of_weights(tmp_path: Path) -> None:
    session, hands = fitted_session(tmp_path / "session", tracks=[RIGHT_HAND])
    hand = plain(hands[RIGHT_HAND])
    spread = 0.7 * hand.model.weights
    spread[:, 4:10] += 0.05
    hand = replace(hand, model=replace(hand.model, weights=spread))
    path = tmp_path / "hands.glb"
    path.write_bytes(glb([hand], session.times_s, np.eye(3), 1.0, "m"))
    file = Glb(path)
    assert "JOINTS_1" in file.attributes(RIGHT_HAND.name)
    expected = hand.posed(3).vertices[of_corners(hand)]
    assert np.abs(file.vertices(RIGHT_HAND.name, session.times_s[3]) - expected).max() < 1e-5


def test_a_single_fitted_frame_stands_still(tmp_path: Path) -> None:
    session, hands = fitted_session(tmp_path / "session", frames=1, tracks=[RIGHT_HAND])
    [path] = export(session, "glb", tmp_path)
    found = Glb(path).vertices(RIGHT_HAND.name, 5.0)
    expected = plain(hands[RIGHT_HAND]).posed(0).vertices[of_corners(hands[RIGHT_HAND])]
    assert np.abs(found - expected @ world_to_y_up(session.rig).T).max() < 1e-5


def test_a_rig_that_is_not_metric_keeps_its_unit(tmp_path: Path) -> None:
    rig = arc_rig(3, unit="board-square", distance=100.0)
    file, session, hands = write(tmp_path, tracks=[RIGHT_HAND], rig=rig, scale=40.0)
    assert file.json["asset"]["extras"]["unit"] == "board-square"
    hand = hands[RIGHT_HAND]
    expected = plain(hand).posed(3).vertices[of_corners(hand)] @ world_to_y_up(rig).T
    assert np.abs(file.vertices(RIGHT_HAND.name, session.times_s[3]) - expected).max() < 1e-3


def test_only_the_hands_asked_for(tmp_path: Path) -> None:
    session, _ = fitted_session(tmp_path / "session")
    [path] = export(session, "glb", tmp_path, tracks=[LEFT_HAND])
    assert list(Glb(path).json["asset"]["extras"]["hands"]) == [LEFT_HAND.name]


@pytest.mark.parametrize("track", [RIGHT_HAND, PERSON], ids=lambda track: track.name)
def test_nothing_fitted_says_what_to_run(tmp_path: Path, track: Any) -> None:
    session = Scene.of(3, tracks=[track]).write(tmp_path / "session")
    with pytest.raises(SessionError, match="handloom fit"):
        export(session, "glb", tmp_path)
    assert not list(tmp_path.glob("*.glb"))


def test_validator_of_khronos_finds_nothing(tmp_path: Path) -> None:
    node = shutil.which("node")
    known = node and subprocess.run(
        [node, "-e", "require('gltf-validator')"], capture_output=True, check=False
    )
    if not node or (known and known.returncode):
        pytest.skip("needs node and the npm package gltf-validator (NODE_PATH says where)")
    session, _ = fitted_session(tmp_path / "session")
    [path] = export(session, "glb", tmp_path)
    result = subprocess.run([node, "-e", _VALIDATE, str(path)], capture_output=True, text=True, check=True)
    issues = json.loads(result.stdout)
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]
