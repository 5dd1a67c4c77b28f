"""GLB (binary glTF 2.0): ``hands.glb``, every fitted hand as a skinned mesh that moves, +Y up.

Each hand is a mesh of its fitted shape on a skeleton of 21 nodes, ``<track>_<joint>``: the sixteen joints of
the model and the finger tips. At rest the hand lies flat and every node is parallel to it, so that a node's
rotation is the joint's own. One animation holds the rotations of all joints and the place of the wrists at
the session's times, from its first frame on; between frames, and over frames without a fit, viewers
interpolate. Skin and nails are materials of their own; texture coordinates are kept.

Lengths are in metres, as the format has it; a rig that is not metric keeps its own unit, and ``extras`` of
the asset say which. Pose correctives, where the model has any, are not part of linear blend skinning and
are left out: bent knuckles are a little thinner than the model's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from handloom.errors import SessionError
from handloom.export.axes import scale_to, world_to_y_up
from handloom.export.gltf import INDICES, VERTICES, GltfFile
from handloom.hand import HAND_TREE, HandModel
from handloom.hand.kinematics import rotation_from_angles
from handloom.keypoints import Array, Track
from handloom.session import FittedHand, Session
from handloom.session.files import whole_file
from handloom.session.layout import package_version
from handloom.skeleton import HAND

_MATERIALS = {"skin": (0.72, 0.46, 0.36, 0.62), "nail": (0.82, 0.58, 0.52, 0.32)}
"""Linear red, green, blue, and roughness."""
_PER_SET = 4  # joints per set of skinning weights
_LEAST_WEIGHT = 1e-6


def write(session: Session, folder: Path, tracks: Sequence[Track]) -> list[Path]:
    """Write the session, see the module; called by :func:`handloom.export.export`."""
    hands = [hand for track, hand in session.hands().items() if track in tracks and hand.fitted.any()]
    if not hands:
        raise SessionError(
            f"The session in {session.folder} has no fitted hand to export.",
            f"Fit its hands first: handloom fit {session.folder}",
        )
    path = folder / "hands.glb"
    content = glb(hands, session.times_s, world_to_y_up(session.rig), *scale_to("m", session.rig))
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
    return [path]


def glb(hands: Sequence[FittedHand], times_s: Array, turn: Array, scale: float, unit: str) -> bytes:
    """The content of the file.

    Args:
        hands: each with at least one fitted frame.
        times_s: (T,) seconds, increasing.
        turn: (3, 3) rotation of the world to +Y up.
        scale: from the rig's unit to that of the file.
        unit: what results, for the record.
    """
    extras = {"unit": unit, "hands": {hand.track.name: {"shape": hand.shape.tolist()} for hand in hands}}
    file = GltfFile(f"handloom {package_version('handloom')}", extras)
    materials = {name: _material(file, name) for name in _MATERIALS}
    roots: list[int] = []
    channels: list[dict[str, object]] = []
    samplers: list[dict[str, object]] = []
    for hand in hands:
        joints = _skeleton(file, hand, scale)
        roots += [_skinned_mesh(file, hand, scale, joints, materials), joints[0]]
        known = np.flatnonzero(hand.fitted)
        time = file.add_array((times_s[known] - times_s[0]).astype(np.float32), bounds=True)
        for node, path, values in _motion(hand, known, joints, turn, scale):
            channels.append({"sampler": len(samplers), "target": {"node": node, "path": path}})
            output = file.add_array(values.astype(np.float32))
            samplers.append({"input": time, "output": output, "interpolation": "LINEAR"})
    file.add("animations", name="motion", channels=channels, samplers=samplers)
    return file.to_bytes(roots)


def rest_of(hand: FittedHand, scale: float) -> tuple[Array, Array]:
    """(V, 3) vertices and (21, 3) joints and finger tips of the flat hand of the fitted shape."""
    model = hand.model
    vertices = model.template + model.shape_directions @ hand.shape
    keypoints = model.rest_keypoints + model.keypoint_directions @ hand.shape
    keypoints[HAND.indices(HAND_TREE.joints)] = model.rest_joints + model.joint_directions @ hand.shape
    return vertices * hand.scale * scale, keypoints * hand.scale * scale


def _skeleton(file: GltfFile, hand: FittedHand, scale: float) -> list[int]:
    """The nodes of the joints at rest, in the order of ``HAND``."""
    _, rest = rest_of(hand, scale)
    parents = {child: parent for parent, child in HAND.bones}
    nodes: dict[str, int] = {}
    # Children are added before their parents, which list them.
    for joint in reversed(HAND.joints):
        offset = rest[HAND.index(joint)]
        if joint in parents:
            offset = offset - rest[HAND.index(parents[joint])]
        children = [nodes[child] for child in HAND.joints if parents.get(child) == joint]
        node = {"name": f"{hand.track.name}_{joint}", "translation": offset.tolist()}
        nodes[joint] = file.add("nodes", **node, **({"children": children} if children else {}))
    return [nodes[joint] for joint in HAND.joints]


def _skinned_mesh(
    file: GltfFile, hand: FittedHand, scale: float, joints: list[int], materials: dict[str, int]
) -> int:
    model = hand.model
    vertices, rest = rest_of(hand, scale)
    # A vertex on a seam of the texture chart is needed once for each of its texture coordinates.
    corners = np.stack([model.faces, model.uv_faces], axis=-1)
    pairs, index = np.unique(corners.reshape(-1, 2), axis=0, return_inverse=True)
    faces, vertex = index.reshape(-1, 3), pairs[:, 0]
    attributes = {
        "POSITION": file.add_array(vertices[vertex].astype(np.float32), target=VERTICES, bounds=True),
        "NORMAL": file.add_array(_unit(model.normals(vertices)[vertex]), target=VERTICES),
        "TEXCOORD_0": file.add_array(_top_left(model.uv[pairs[:, 1]]), target=VERTICES),
    }
    for number, (which, weights) in enumerate(_influences(model)):
        attributes[f"JOINTS_{number}"] = file.add_array(which[vertex], target=VERTICES)
        attributes[f"WEIGHTS_{number}"] = file.add_array(weights[vertex], target=VERTICES)
    on_nail = model.nails[model.faces].all(axis=1)
    primitives = [
        {
            "attributes": attributes,
            "indices": file.add_array(
                chosen.astype(np.uint16 if len(pairs) < 65535 else np.uint32).ravel(), target=INDICES
            ),
            "material": materials[name],
        }
        for name, chosen in (("skin", faces[~on_nail]), ("nail", faces[on_nail]))
        if len(chosen)
    ]
    inverse_bind = np.tile(np.eye(4, dtype=np.float32), (len(HAND), 1, 1))
    inverse_bind[:, :3, 3] = -rest
    name = hand.track.name
    return file.add(
        "nodes",
        name=name,
        mesh=file.add("meshes", name=name, primitives=primitives),
        skin=file.add(
            "skins",
            name=name,
            joints=joints,
            skeleton=joints[0],
            inverseBindMatrices=file.add_array(inverse_bind),
        ),
    )


def _influences(model: HandModel) -> list[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Skinning weights in sets of four: (V, 4) places in ``HAND`` and (V, 4) weights that sum to one."""
    count = int((model.weights > _LEAST_WEIGHT).sum(axis=1).max())
    width = -(-count // _PER_SET) * _PER_SET
    strongest = np.argsort(-model.weights, axis=1, kind="stable")[:, :width]
    weights = np.take_along_axis(model.weights, strongest, axis=1)
    weights = np.where(weights > _LEAST_WEIGHT, weights, 0.0)
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    place = np.array(list(HAND.indices(HAND_TREE.joints)), dtype=np.uint8)
    which = np.where(weights > 0, place[strongest], 0).astype(np.uint8)
    return [
        (
            np.ascontiguousarray(which[:, at : at + _PER_SET]),
            np.ascontiguousarray(weights[:, at : at + _PER_SET]),
        )
        for at in range(0, width, _PER_SET)
    ]


def _motion(
    hand: FittedHand, known: NDArray[np.int64], joints: list[int], turn: Array, scale: float
) -> list[tuple[int, str, Array]]:
    """Node, property and its values in the known frames."""
    T = hand.T_world_wrist[known]
    wrist = joints[HAND.index("wrist")]
    local = rotation_from_angles(hand.angles[known], hand.model.axes)
    return [
        (wrist, "translation", T[:, :3, 3] @ turn.T * scale),
        (wrist, "rotation", _quaternions(turn @ T[:, :3, :3])),
        *(
            (joints[HAND.index(joint)], "rotation", _quaternions(local[:, k]))
            for k, joint in enumerate(HAND_TREE.articulated)
        ),
    ]


def _quaternions(rotations: Array) -> Array:
    """(N, 4) x, y, z, w of (N, 3, 3) rotations, each on the side of the one before."""
    q = Rotation.from_matrix(rotations).as_quat()
    turned = (q[1:] * q[:-1]).sum(axis=1) < 0
    q[1:][np.cumsum(turned) % 2 == 1] *= -1.0
    return q


def _material(file: GltfFile, name: str) -> int:
    *colour, roughness = _MATERIALS[name]
    return file.add(
        "materials",
        name=name,
        doubleSided=True,  # the wrist is open
        pbrMetallicRoughness={
            "baseColorFactor": [*colour, 1.0],
            "metallicFactor": 0.0,
            "roughnessFactor": roughness,
        },
    )


def _unit(normals: Array) -> NDArray[np.float32]:
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    return np.where(length > 0.5, normals / np.maximum(length, 1e-12), [0.0, 1.0, 0.0]).astype(np.float32)


def _top_left(uv: Array) -> NDArray[np.float32]:
    """Texture coordinates that count from the top, as glTF's do."""
    return np.stack([uv[:, 0], 1.0 - uv[:, 1]], axis=-1).astype(np.float32)
