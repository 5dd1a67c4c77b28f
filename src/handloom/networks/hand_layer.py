"""A hand as a torch module: any :class:`HandModel`, differentiable in pose, shape and place.

The same formulas as :meth:`handloom.hand.HandModel.pose`, batched over leading axes, on any device, in
float32 or float64.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from handloom.hand.model import HandModel
from handloom.hand.tree import HAND_TREE


class HandOutput(NamedTuple):
    """A posed hand, metres.

    Attributes:
        vertices: (..., V, 3).
        joints: (..., 16, 3) anatomical joint centres, in the order of ``HAND_TREE``.
        keypoints: (..., 21, 3) in the order of ``handloom.skeleton.HAND``.
        T_world_joint: (..., 16, 4, 4).
    """

    vertices: Tensor
    joints: Tensor
    keypoints: Tensor
    T_world_joint: Tensor


class HandLayer(nn.Module):
    """Shape, joint angles and place in; mesh, joints and keypoints out.

    The layer has buffers and no parameters; ``.to(device)`` and ``.double()`` move it.

    Args:
        model: the open hand or MANO, either side.
        dtype: of all numbers.
    """

    template: Tensor
    shape_directions: Tensor
    weights: Tensor
    rest_joints: Tensor
    joint_directions: Tensor
    rest_keypoints: Tensor
    keypoint_directions: Tensor
    keypoint_weights: Tensor
    axes: Tensor
    limits: Tensor
    pose_directions: Tensor | None
    keypoint_pose_directions: Tensor | None
    faces: Tensor

    def __init__(self, model: HandModel, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.side = model.side
        self.shape_count = model.shape_count
        for name in (
            "template", "shape_directions", "weights", "rest_joints", "joint_directions", "rest_keypoints",
            "keypoint_directions", "keypoint_weights", "axes", "limits", "pose_directions",
            "keypoint_pose_directions",
        ):  # fmt: skip
            value = getattr(model, name)
            numbers = None if value is None else torch.as_tensor(value.copy(), dtype=dtype)
            self.register_buffer(name, numbers, persistent=False)
        self.register_buffer("faces", torch.as_tensor(model.faces.copy()), persistent=False)

    def forward(
        self,
        angles: Tensor | None = None,
        shape: Tensor | None = None,
        T_world_wrist: Tensor | None = None,
        *,
        rotations: Tensor | None = None,
    ) -> HandOutput:
        """Pose the hand. Leading axes broadcast.

        Args:
            angles: (..., 15, 3) flexion, abduction, twist of every joint but the wrist, radians.
            shape: (..., B) shape coefficients in standard deviations; the mean hand without.
            T_world_wrist: (..., 4, 4) rigid place of the hand; the model's own frame without.
            rotations: (..., 15, 3, 3) joint rotations in the model's axes, in place of the angles.

        Raises:
            ValueError: unless exactly one of ``angles`` and ``rotations`` is given.
        """
        if (angles is None) == (rotations is None):
            raise ValueError("give either angles or rotations")
        local = rotation_from_angles(angles, self.axes) if angles is not None else rotations
        assert local is not None
        beta = self.template.new_zeros(self.shape_count) if shape is None else shape
        T = torch.eye(4, dtype=local.dtype, device=local.device) if T_world_wrist is None else T_world_wrist
        batch = torch.broadcast_shapes(local.shape[:-3], beta.shape[:-1], T.shape[:-2])
        features = (local - torch.eye(3, dtype=local.dtype, device=local.device)).flatten(-3)

        joints = _displaced(self.rest_joints, self.joint_directions, beta).expand(*batch, -1, -1)
        turns, places = _chain(joints, local.expand(*batch, -1, -1, -1), T.expand(*batch, -1, -1))
        # Rotation and translation that take a point of the rest pose along with each joint.
        moves = torch.cat([turns, (places - (turns @ joints[..., None])[..., 0])[..., None]], dim=-1)

        def skinned(rest: Tensor, directions: Tensor, correctives: Tensor | None, weights: Tensor) -> Tensor:
            points = _displaced(rest, directions, beta)
            if correctives is not None:
                points = points + _displaced(torch.zeros_like(rest), correctives, features)
            blended = (weights @ moves.flatten(-2)).unflatten(-1, (3, 4))
            return (blended[..., :3] @ points[..., None])[..., 0] + blended[..., 3]

        bottom = places.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*places.shape[:-1], 1, 4)
        return HandOutput(
            skinned(self.template, self.shape_directions, self.pose_directions, self.weights),
            places,
            skinned(
                self.rest_keypoints,
                self.keypoint_directions,
                self.keypoint_pose_directions,
                self.keypoint_weights,
            ),
            torch.cat([torch.cat([turns, places[..., None]], dim=-1), bottom], dim=-2),
        )


def rotation_from_vector(vector: Tensor) -> Tensor:
    """(..., 3, 3) Rodrigues' formula of (..., 3) axis times angle, with derivatives at zero too.

    Both coefficients are smooth functions of the squared angle; near zero their series stand in, so that no
    derivative passes through a square root of zero.
    """
    squared = (vector * vector).sum(dim=-1)[..., None, None]
    small = squared < 1e-3
    safe = torch.where(small, torch.ones_like(squared), squared)
    angle = safe.sqrt()
    series = 1 - squared / 6 * (1 - squared / 20 * (1 - squared / 42 * (1 - squared / 72)))
    first = torch.where(small, series, angle.sin() / angle)
    series = 0.5 - squared / 24 * (1 - squared / 30 * (1 - squared / 56 * (1 - squared / 90)))
    # Not (1 − cos)/angle², which float32 cannot tell from zero where the angle is small.
    second = torch.where(small, series, 2 * (angle / 2).sin() ** 2 / safe)
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    eye = torch.eye(3, dtype=vector.dtype, device=vector.device)
    return eye + first * cross + second * (cross @ cross)


def rotation_from_angles(angles: Tensor, axes: Tensor) -> Tensor:
    """(..., J, 3, 3) rotations of (..., J, 3) flexion, abduction, twist about (J, 3, 3) axes, twist first."""
    turns = rotation_from_vector(angles[..., None] * axes)
    return turns[..., 0, :, :] @ turns[..., 1, :, :] @ turns[..., 2, :, :]


def _displaced(rest: Tensor, directions: Tensor, coefficients: Tensor) -> Tensor:
    """(..., N, 3) rest points moved along (N, 3, B) directions by (..., B) coefficients."""
    moved = coefficients @ directions.flatten(0, 1).T
    return rest + moved.unflatten(-1, (-1, 3))


def _chain(joints: Tensor, local: Tensor, T: Tensor) -> tuple[Tensor, Tensor]:
    """Rotations (..., 16, 3, 3) and places (..., 16, 3) in the world, level after level of the tree."""
    R, t = T[..., :3, :3], T[..., :3, 3]
    turns: list[Tensor] = [R] * len(HAND_TREE)
    places: list[Tensor] = [(R @ joints[..., 0, :, None])[..., 0] + t] * len(HAND_TREE)
    for level in _LEVELS:
        parents = [HAND_TREE.parents[joint] for joint in level]
        above = torch.stack([turns[parent] for parent in parents], dim=-3)
        origin = torch.stack([places[parent] for parent in parents], dim=-2)
        offset = joints[..., level, :] - joints[..., parents, :]
        here = above @ local[..., [joint - 1 for joint in level], :, :]
        place = (above @ offset[..., None])[..., 0] + origin
        for i, joint in enumerate(level):
            turns[joint], places[joint] = here[..., i, :, :], place[..., i, :]
    return torch.stack(turns, dim=-3), torch.stack(places, dim=-2)


def _levels() -> list[list[int]]:
    depth = [0] * len(HAND_TREE)
    for joint, parent in enumerate(HAND_TREE.parents):
        depth[joint] = 0 if parent < 0 else depth[parent] + 1
    return [[j for j, d in enumerate(depth) if d == level] for level in range(1, max(depth) + 1)]


_LEVELS = _levels()
"""Joints by their distance from the wrist: all fingers turn at once."""
