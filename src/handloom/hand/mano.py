"""MANO (Romero et al. 2017) from the user's own files, as a :class:`HandModel` like every other.

The licence of MANO forbids handing it on; its files come from the user. A loaded hand lives in this
project's conventions: joints in the order of ``HAND_TREE``, origin at the wrist joint whatever the shape,
+y to the middle knuckle, +z out of the palm, angles about anatomical axes, zero for the flat hand.
:meth:`ManoHand.from_mano` and :meth:`ManoHand.to_mano` translate MANO's own parameters without loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.errors import ModelError
from handloom.hand.anatomy import anatomical_axes, hand_frame, nails
from handloom.hand.kinematics import rigid, rotation_from_vector, vector_from_rotation
from handloom.hand.limits import joint_limits
from handloom.hand.mano_file import FROM_MANO, MANO_JOINTS, ManoFile, find_mano_file, read_mano_file
from handloom.hand.mesh import vertex_normals
from handloom.hand.model import HandModel
from handloom.hand.tree import HAND_TREE
from handloom.hand.unwrap import two_sided_chart
from handloom.skeleton import FINGERS, HAND

Array = NDArray[np.float64]

_MANO_VERTICES = 778
TIP_TABLES: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "smplx": {"right": (744, 320, 443, 554, 671), "left": (744, 320, 443, 554, 671)},
    "manopth": {"right": (745, 317, 444, 556, 673), "left": (745, 317, 445, 556, 673)},
    "manopth-319": {"right": (745, 319, 444, 556, 673)},
    "zhang": {"right": (745, 317, 444, 556, 673), "left": (745, 317, 444, 556, 673)},
    "freihand": {"right": (744, 320, 443, 555, 672)},
    "boukhayma": {"right": (745, 333, 444, 555, 672), "left": (745, 333, 444, 555, 672)},
    "minimal-hand": {"right": (744, 333, 444, 555, 672), "left": (744, 333, 444, 555, 672)},
}
"""Which vertices stand for the finger tips, thumb first, by who uses them; they differ by up to 1 cm."""

_MIRROR = np.array([-1.0, 1.0, 1.0])
_MIRROR_ROTATION = np.tile([1.0, -1.0, -1.0], len(HAND_TREE) - 1)
"""What a mirror at x = 0 does to 15 rotation vectors."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ManoHand(HandModel):
    """A MANO hand with what its own parameters mean.

    Attributes:
        R_hand_mano: (3, 3) MANO's axes into the hand's.
        wrist: (3,) the wrist joint in MANO's frame, mean shape.
        wrist_directions: (3, B) how it moves with shape.
        hands_mean: (45,) MANO's mean pose, axis-angle, in MANO's order and axes.
        hands_components: (45, 45) its principal components of pose, one per row.
        hands_coefficients: (N, 45) the scans in these components, None if the file has none.
        flat_hand_mean: whether MANO's pose vectors count from the flat hand; else from ``hands_mean``.
        tips: name of the tip table.
    """

    R_hand_mano: Array = field(repr=False)
    wrist: Array = field(repr=False)
    wrist_directions: Array = field(repr=False)
    hands_mean: Array = field(repr=False)
    hands_components: Array = field(repr=False)
    hands_coefficients: Array | None = field(repr=False, default=None)
    flat_hand_mean: bool = True
    tips: str = ""

    def from_mano(
        self,
        pose: ArrayLike,
        trans: ArrayLike | None = None,
        shape: ArrayLike | None = None,
        *,
        flat_hand_mean: bool | None = None,
    ) -> tuple[Array, Array]:
        """MANO's parameters in this project's terms.

        MANO turns the hand about its wrist joint, which moves with shape and is not the origin.

        Args:
            pose: (..., 48) axis-angle, the global rotation first, joints in MANO's order.
            trans: (..., 3) translation; none without.
            shape: (..., B) coefficients; the mean hand without.
            flat_hand_mean: what the pose counts from, if not as the model says.

        Returns:
            rotations: (..., 15, 3, 3) for :meth:`HandModel.pose`.
            T_world_wrist: (..., 4, 4).
        """
        vector = np.asarray(pose, dtype=np.float64)
        joints = (vector[..., 3:] + self._counted_from(flat_hand_mean)).reshape(*vector.shape[:-1], -1, 3)
        mano = rotation_from_vector(joints)[..., _ARTICULATED, :, :]
        Q = self.R_hand_mano
        move = np.zeros(3) if trans is None else np.asarray(trans, dtype=np.float64)
        T = rigid(rotation_from_vector(vector[..., :3]) @ Q.T, move + self._wrist_at(shape))
        return Q @ mano @ Q.T, T

    def to_mano(
        self,
        rotations: ArrayLike,
        T_world_wrist: ArrayLike,
        shape: ArrayLike | None = None,
        *,
        flat_hand_mean: bool | None = None,
    ) -> tuple[Array, Array]:
        """The inverse of :meth:`from_mano`.

        Args:
            rotations: (..., 15, 3, 3) joint rotations in the hand's axes.
            T_world_wrist: (..., 4, 4).
            shape: (..., B) coefficients; the mean hand without.
            flat_hand_mean: what the pose shall count from, if not as the model says.

        Returns:
            pose: (..., 48) axis-angle, every joint's rotation at most half a turn.
            trans: (..., 3).
        """
        Q = self.R_hand_mano
        ours = np.asarray(rotations, dtype=np.float64)
        T = np.asarray(T_world_wrist, dtype=np.float64)
        mano = np.empty_like(ours)
        mano[..., _ARTICULATED, :, :] = Q.T @ ours @ Q
        joints = vector_from_rotation(mano).reshape(*ours.shape[:-3], -1) - self._counted_from(flat_hand_mean)
        turn = vector_from_rotation(T[..., :3, :3] @ Q)
        batch = np.broadcast_shapes(joints.shape[:-1], turn.shape[:-1])
        parts = [np.broadcast_to(part, (*batch, part.shape[-1])) for part in (turn, joints)]
        return np.concatenate(parts, axis=-1), T[..., :3, 3] - self._wrist_at(shape)

    def pose_from_components(self, coefficients: ArrayLike) -> Array:
        """(..., 45) the joint part of a pose vector from (..., n) coefficients of the first n components.

        It counts from the flat hand or from the mean pose as the coefficients do; the file's own
        ``hands_coefficients`` count from the mean.
        """
        c = np.asarray(coefficients, dtype=np.float64)
        return c @ self.hands_components[: c.shape[-1]]

    def mirrored(self) -> ManoHand:
        """The other hand, with MANO's own parameters mirrored at x = 0 of its frame."""
        hand = super().mirrored()
        assert isinstance(hand, ManoHand)
        return replace(
            hand,
            R_hand_mano=_MIRROR[:, None] * self.R_hand_mano * _MIRROR,
            wrist=self.wrist * _MIRROR,
            wrist_directions=self.wrist_directions * _MIRROR[:, None],
            hands_mean=self.hands_mean * _MIRROR_ROTATION,
            hands_components=self.hands_components * _MIRROR_ROTATION,
        )

    def _counted_from(self, flat_hand_mean: bool | None) -> Array:
        flat = self.flat_hand_mean if flat_hand_mean is None else flat_hand_mean
        return np.zeros_like(self.hands_mean) if flat else self.hands_mean

    def _wrist_at(self, shape: ArrayLike | None) -> Array:
        if shape is None:
            return self.wrist
        return self.wrist + np.asarray(shape, dtype=np.float64) @ self.wrist_directions.T


_ARTICULATED = [index - 1 for index in FROM_MANO[1:]]
"""Where each articulated joint of ``HAND_TREE`` stands among MANO's articulated joints."""


def load_mano(
    path: str | Path,
    side: str = "right",
    *,
    tips: str | Mapping[str, int] = "smplx",
    flat_hand_mean: bool = True,
) -> ManoHand:
    """Load one hand of MANO from the files its authors hand out.

    The file is read by a restricted unpickler: nothing in it is run (:mod:`handloom.hand.restricted_pickle`).

    Args:
        path: ``MANO_RIGHT.pkl`` or ``MANO_LEFT.pkl``, or a folder that holds them.
        side: ``"left"`` or ``"right"``.
        tips: a name of ``TIP_TABLES``, or a vertex for every finger by name. MANO has no joints at the finger
            tips, and the data sets of the field do not agree on which vertices stand for them.
        flat_hand_mean: what MANO's own pose vectors count from (:meth:`ManoHand.from_mano`): the flat hand,
            or the file's mean pose. The hand's own angles are zero for the flat hand in either case.

    Returns:
        The hand; its keypoints are MANO's joints and the tips chosen.

    Raises:
        ModelError: if the file is missing, damaged, hostile, no MANO model or the other hand, or if the tips
            do not suit it.
    """
    content = read_mano_file(path, side)
    tip_vertices, tip_name = _tip_vertices(tips, content)
    rest = content.joint_regressor @ content.template
    directions = np.einsum("kv,vcb->kcb", content.joint_regressor, content.shape_directions)
    Q = hand_frame(rest[FROM_MANO], side)

    template = (content.template - rest[0]) @ Q.T
    shape_directions = np.einsum("ij,vjb->vib", Q, content.shape_directions - directions[0])
    rest_joints = (rest[FROM_MANO] - rest[0]) @ Q.T
    joint_directions = np.einsum("ij,kjb->kib", Q, directions[FROM_MANO] - directions[0])
    pose_directions = _pose_directions(content.pose_directions, Q)
    weights = content.weights[:, FROM_MANO]
    tip_points = template[tip_vertices]
    axes = anatomical_axes(rest_joints, tip_points, side)
    normals = vertex_normals(template, content.faces)
    uv, uv_faces = two_sided_chart(template, content.faces)

    def with_tips(of_joints: Array, of_vertices: Array) -> Array:
        keypoints = np.zeros((len(HAND), *of_joints.shape[1:]))
        keypoints[HAND.indices(HAND_TREE.joints)] = of_joints
        keypoints[HAND.indices(f"{finger}_tip" for finger in FINGERS)] = of_vertices[tip_vertices]
        return keypoints

    return ManoHand(
        side=side,
        template=template,
        shape_directions=shape_directions,
        faces=content.faces,
        uv=uv,
        uv_faces=uv_faces,
        nails=nails(template, normals, weights, rest_joints, tip_points, axes),
        weights=weights,
        rest_joints=rest_joints,
        joint_directions=joint_directions,
        rest_keypoints=with_tips(rest_joints, template),
        keypoint_directions=with_tips(joint_directions, shape_directions),
        keypoint_weights=with_tips(np.eye(len(HAND_TREE)), weights),
        axes=axes,
        limits=joint_limits(),
        metadata={
            "name": "MANO",
            "licence": "MANO licence; not to be handed on",
            "sha256": content.sha256,
            "file": str(find_mano_file(path, side).resolve()),
            "tips": tip_name,
            "flat_hand_mean": flat_hand_mean,
        },
        pose_directions=pose_directions,
        keypoint_pose_directions=with_tips(
            np.zeros((len(HAND_TREE), *pose_directions.shape[1:])), pose_directions
        ),
        R_hand_mano=Q,
        wrist=rest[0],
        wrist_directions=directions[0],
        hands_mean=content.hands_mean,
        hands_components=content.hands_components,
        hands_coefficients=content.hands_coefficients,
        flat_hand_mean=flat_hand_mean,
        tips=tip_name,
    )


def _pose_directions(directions: Array, Q: Array) -> Array:
    """(V, 3, 135) in the hand's axes and joint order, from MANO's: R − I becomes Q (R − I) Qᵀ."""
    entries = directions.reshape(len(directions), 3, len(MANO_JOINTS) - 1, 3, 3)[:, :, _ARTICULATED]
    turned = np.einsum("dc,vckab,ia,jb->vdkij", Q, entries, Q, Q, optimize=True)
    return turned.reshape(directions.shape)


def _tip_vertices(tips: str | Mapping[str, int], content: ManoFile) -> tuple[list[int], str]:
    count = len(content.template)
    if not isinstance(tips, str):
        if set(tips) != set(FINGERS) or not all(0 <= tips[finger] < count for finger in FINGERS):
            raise ModelError(
                f"Tips must name a vertex below {count} for each of {', '.join(FINGERS)}.",
                f"Or name a table: {', '.join(TIP_TABLES)}.",
            )
        return [int(tips[finger]) for finger in FINGERS], "own"
    table = TIP_TABLES.get(tips, {}).get(content.side)
    if table is None:
        known = ", ".join(name for name, sides in TIP_TABLES.items() if content.side in sides)
        raise ModelError(f"There is no tip table {tips!r} for a {content.side} hand.", f"There are {known}.")
    if count != _MANO_VERTICES:
        raise ModelError(
            f"The tip tables are for MANO's {_MANO_VERTICES} vertices; this hand has {count}.",
            "Name a vertex for every finger instead.",
        )
    return list(table), tips
