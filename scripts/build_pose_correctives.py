"""Give the open hand back the volume that bending takes: adds pose correctives to ``open_hand.npz``.

    python scripts/build_pose_correctives.py            # after scripts/build_open_hand.py

Linear blend skinning pulls the skin of a bent joint towards the joint: knuckles flatten, and a finger bent as
far as it goes loses up to 40 % of the volume around the joint. For every joint the reference is built at
several angles:

* on the back and the sides of the finger, half-way skin is brought part of the way to where it would keep its
  distance from the joint, as under dual-quaternion skinning (Kavan et al. 2007), which alone makes balls of
  knuckles; in the fold it stays, or flesh would push through flesh;
* of the volume still missing most is added along the normals, smoothly, spread over the flesh on both sides
  of the fold and little on the back, where skin lies on bone.

The displacement, taken back to the rest pose, is fitted by two features of the joint's rotation R about its
flexion axis, sin θ and 1 − cos θ, linear in R − I and thus ordinary pose correctives (Loper et al. 2015).
"""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import splu

from handloom.hand.correctives import bend_features
from handloom.hand.kinematics import (
    joint_transforms,
    rotation_from_angles,
    rotation_from_vector,
    skin,
    skinning_transforms,
)
from handloom.hand.mesh import enclosed_volume, vertex_normals
from handloom.hand.model import HandModel, load_open_hand
from handloom.hand.tree import HAND_TREE

FILE = Path(__file__).resolve().parent.parent / "src" / "handloom" / "hand" / "open_hand.npz"
ANGLES = 9
"""Angles per joint at which the reference is built, from full extension to full flexion."""
KEPT_DISTANCE = 0.4
"""How far the back of a joint comes to where it keeps its distance: 0 skinning, 1 dual quaternions."""
KEPT_VOLUME = 0.7
"""Share of the lost volume that comes back; all of it makes a healthy hand look swollen."""
REACH = 1.5
"""Standard deviation, in radii of the finger, of the region that may move."""
SMOOTH = 6.0
KEPT_M = 4e-5
"""Vertices that never move farther than this are left out."""


def main() -> None:
    with np.load(FILE, allow_pickle=False) as z:
        content = {name: z[name] for name in z.files if not name.startswith("corrective")}
    np.savez_compressed(FILE, **content)
    load_open_hand.cache_clear()
    model = load_open_hand()
    closed = closed_faces(model.faces)
    laplacian = _laplacian(model.faces, len(model.template))

    joints, vertices, values = [], [], []
    for k, joint in enumerate(HAND_TREE.articulated):
        low, high = model.limits[k, 0]
        thetas = np.linspace(low, high, ANGLES)
        moved = np.stack([_reference(model, k, theta, closed, laplacian) for theta in thetas])
        rotations = rotation_from_vector(thetas[:, None] * model.axes[k, 0])
        features = bend_features(rotations, model.axes[k, 0])
        fit = np.linalg.lstsq(features, moved.reshape(len(thetas), -1), rcond=None)[0]
        fit = fit.reshape(2, -1, 3)
        size = np.linalg.norm(np.einsum("tf,fvc->tvc", features, fit), axis=-1).max(axis=0)
        kept = np.flatnonzero(size > KEPT_M)
        joints.append(np.full(len(kept), k, dtype=np.uint8))
        vertices.append(kept.astype(np.uint16))
        values.append(fit[:, kept].swapaxes(0, 1).astype(np.float16))
        print(f"{joint:12s} {len(kept):4d} vertices, up to {1e3 * size.max():.2f} mm")
    metadata = json.loads(str(content["metadata"]))
    metadata["pose_correctives"] = "python scripts/build_pose_correctives.py"
    content["metadata"] = np.array(json.dumps(metadata))
    np.savez_compressed(
        FILE,
        **content,
        corrective_joints=np.concatenate(joints),
        corrective_vertices=np.concatenate(vertices),
        corrective_values=np.concatenate(values),
    )
    print(f"{FILE.name}: {os.path.getsize(FILE) / 1024:.0f} KB")


def closed_faces(faces: np.ndarray) -> np.ndarray:
    """Faces with a lid on the mesh's open edge."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    directed = set(map(tuple, edges.tolist()))
    following = {a: b for a, b in directed if (b, a) not in directed}
    loop = [min(following)]
    while (step := following[loop[-1]]) != loop[0]:
        loop.append(step)
    lid = [[loop[0], b, a] for a, b in pairwise(loop[1:])]
    return np.vstack([faces, lid])


def _reference(model: HandModel, k: int, theta: float, closed: np.ndarray, laplacian) -> np.ndarray:
    """(V, 3) displacement of the rest pose for one joint turned to one angle."""
    joint = k + 1
    angles = np.zeros((len(HAND_TREE.articulated), 3))
    angles[k, 0] = theta
    R = np.concatenate([np.eye(3)[None], rotation_from_angles(angles, model.axes)])
    A = skinning_transforms(model.rest_joints, joint_transforms(model.rest_joints, R, HAND_TREE.parents))
    plain = skin(model.template, model.weights, A)
    centre = model.rest_joints[joint]
    flexion, bone = model.axes[k, 0], model.axes[k, 2]

    # Share of the turn that each vertex takes: the weights of the joint and all beyond it.
    beyond = [j for j in range(len(HAND_TREE)) if _above(j, joint)]
    share = model.weights[:, beyond].sum(axis=1)
    arm = model.template - centre
    along = arm @ bone
    blended = 4 * share * (1 - share)
    radius = _radius(arm, along, blended)
    # A finger moves its own flesh and the palm's, never its neighbours'.
    finger = HAND_TREE.joints[joint].split("_")[0]
    own = [j for j, name in enumerate(HAND_TREE.joints) if name.startswith(("wrist", finger))]
    zone = np.exp(-0.5 * (np.linalg.norm(arm, axis=1) / (REACH * radius)) ** 2) * model.weights[:, own].sum(
        axis=1
    )

    # The back of the joint, and its sides, keep their distance from the axis.
    turned = centre + np.einsum("vij,vj->vi", rotation_from_vector(share[:, None] * theta * flexion), arm)
    palmar = arm @ np.cross(flexion, bone) / radius * np.sign(theta if theta else 1.0)
    fold = np.clip(0.5 + 1.2 * palmar, 0.0, 1.0)
    target = KEPT_DISTANCE * (turned - plain) * ((1 - fold) * zone)[:, None]
    # Flesh is on the palm's side of every bone; right in the crease it has nowhere to go.
    crease = fold * np.exp(-0.5 * (along / (0.35 * radius)) ** 2)
    mobility = zone * (0.25 + 0.75 * np.clip(1.0 + 1.5 * palmar, 0, 1)) * (1 - 0.8 * crease)

    smooth = splu((diags(1.0 / np.maximum(mobility, 1e-3)) + SMOOTH * laplacian.T @ laplacian).tocsc())
    start = splu((diags(np.ones(len(arm))) + 0.5 * laplacian.T @ laplacian).tocsc())
    move = start.solve(target) * zone[:, None]
    lost = enclosed_volume(model.template, closed) - enclosed_volume(plain, closed)
    whole = enclosed_volume(plain, closed) + KEPT_VOLUME * lost
    for _ in range(4):
        posed = plain + move
        missing = whole - enclosed_volume(posed, closed)
        normals = vertex_normals(posed, closed)
        push = smooth.solve(normals * mobility[:, None])
        step = 1e-4
        gain = (
            enclosed_volume(posed + step * push, closed) - enclosed_volume(posed - step * push, closed)
        ) / 2
        if abs(theta) < 1e-3 or abs(gain) < 1e-12:
            break
        move = move + push * np.clip(step * missing / gain, -0.004, 0.004)
    back = np.linalg.inv(np.einsum("vk,kij->vij", model.weights, A[:, :3, :3]))
    return np.einsum("vij,vj->vi", back, move)


def _above(joint: int, ancestor: int) -> bool:
    while joint >= 0:
        if joint == ancestor:
            return True
        joint = HAND_TREE.parents[joint]
    return False


def _radius(arm: np.ndarray, along: np.ndarray, blended: np.ndarray) -> float:
    near = (blended > 0.3) & (np.abs(along) < 0.012) & (np.linalg.norm(arm, axis=1) < 0.03)
    return float(np.median(np.linalg.norm(arm[near], axis=1)))


def _laplacian(faces: np.ndarray, count: int):
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    i, j = np.concatenate([edges, edges[:, ::-1]]).T
    adjacency = coo_matrix((np.ones(len(i)), (i, j)), shape=(count, count)).tocsr()
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    return diags(np.ones(count)) - diags(1 / degree) @ adjacency


if __name__ == "__main__":
    main()
