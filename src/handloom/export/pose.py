"""The tree of bones behind a BVH file: its rest pose, its lengths, the rotations that fit it to points."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from handloom.keypoints import Array, Track
from handloom.skeleton import FINGERS, HAND, SKELETONS

# Where bones point at rest: a person who stands facing +Z with arms level, so that their left is +X.
_LEFT, _UP, _DOWN, _FORWARD = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)

# Degrees in the plane of a flat hand, from the middle finger towards the thumb.
_SPLAY = {"thumb": 45.0, "index": 14.0, "middle": 0.0, "ring": -13.0, "little": -26.0}

_LEFT_HALF: tuple[tuple[str, str, tuple[float, float, float]], ...] = (
    ("mid_hip", "left_hip", _LEFT),
    ("left_hip", "left_knee", _DOWN),
    ("left_knee", "left_ankle", _DOWN),
    ("left_ankle", "left_heel", (0.0, -0.7, -0.7)),
    ("left_ankle", "left_foot_index", (0.0, -0.4, 0.9)),
    ("neck", "left_shoulder", _LEFT),
    ("left_shoulder", "left_elbow", _LEFT),
    ("left_elbow", "left_wrist", _LEFT),
    ("left_wrist", "left_index", (0.97, 0.0, 0.26)),
    ("left_wrist", "left_little", (0.97, 0.0, -0.26)),
    ("left_wrist", "left_thumb", (0.7, 0.0, 0.7)),
    ("head", "left_ear", _LEFT),
)

_MIDDLES = {
    "mid_hip": ("left_hip", "right_hip"),
    "neck": ("left_shoulder", "right_shoulder"),
    "head": ("left_ear", "right_ear"),
}
"""Joints of the tree that are the middle of two landmarks."""


@dataclass(eq=False)
class Node:
    """A joint of the tree, or the helper joint of one of several bones that leave a joint.

    Attributes:
        name: of the joint; unique.
        offset: (3,) from the parent at rest.
        position: (T, 3) where it was tracked; NaN where missing.
        children: nodes that hang on it.
    """

    name: str
    offset: Array
    position: Array
    children: list[Node] = field(default_factory=list)

    @property
    def _bone_end(self) -> Node:
        """A helper stands for the far end of its bone."""
        return self.children[0] if not self.offset.any() and self.children else self

    @property
    def rest(self) -> Array:
        """(3,) where the bone to this node points at rest."""
        return self._bone_end.offset

    @property
    def target(self) -> Array:
        """(T, 3) where the bone to this node was seen to end."""
        return self._bone_end.position


def pose_tree(track: Track, xyz: Array) -> Node | None:
    """The tree of a hand or a body with the median lengths of its bones.

    Args:
        track: whose tree.
        xyz: (T, J, 3) joints, +Y up; NaN where missing.

    Returns:
        The root: the wrist of a hand, the middle of the hips of a body or, if never seen, its neck.
        Bones whose ends were never seen together are left out, with what hangs on them. None if none is left.
    """
    positions = dict(zip(SKELETONS[track.target].joints, np.moveaxis(xyz, 1, 0), strict=True))
    if track.target == "hand":
        bones, roots = _hand_bones(track.side), ["wrist"]
    else:
        bones, roots = _body_bones(), ["mid_hip", "neck"]
        for middle, (a, b) in _MIDDLES.items():
            positions[middle] = (positions[a] + positions[b]) / 2
    for root in roots:
        node = _grow(root, np.zeros(3), positions, bones)
        if node.children:
            return node
    return None


def _grow(
    joint: str, offset: Array, positions: dict[str, Array], bones: list[tuple[str, str, Array]]
) -> Node:
    node = Node(joint, offset, positions[joint])
    ends: list[Node] = []
    for parent, child, direction in bones:
        if parent == joint:
            lengths = np.linalg.norm(positions[child] - positions[parent], axis=-1)
            known = lengths[np.isfinite(lengths)]
            if known.size and np.median(known) > 0:
                ends.append(_grow(child, direction * np.median(known), positions, bones))
    if len(ends) > 1:
        ends = [Node(f"{end.name}_base", np.zeros(3), node.position, [end]) for end in ends]
    node.children = ends
    return node


def _hand_bones(side: str) -> list[tuple[str, str, Array]]:
    """Bones of a flat hand, palm down, that points away from the body, with their rest directions."""
    outwards = -1.0 if side == "right" else 1.0
    angle = {finger: np.radians(_SPLAY[finger]) for finger in FINGERS}
    direction = {
        finger: np.array([outwards * np.cos(angle[finger]), 0.0, np.sin(angle[finger])]) for finger in FINGERS
    }
    return [(parent, child, direction[child.split("_")[0]]) for parent, child in HAND.bones]


def hand_at_rest(side: str) -> Array:
    """(3, 3) takes the frame of a hand model (+y along the fingers, +z out of the palm) to its rest."""
    fingers = np.array([-1.0 if side == "right" else 1.0, 0.0, 0.0])
    palm = np.array(_DOWN)
    return np.stack([np.cross(fingers, palm), fingers, palm], axis=-1)


def _body_bones() -> list[tuple[str, str, Array]]:
    """Bones of a standing body with their rest directions; of the face, the nose and the ears."""
    halves = [
        (parent.replace("left", side), child.replace("left", side), np.array(way) * [mirror, 1.0, 1.0])
        for side, mirror in (("left", 1.0), ("right", -1.0))
        for parent, child, way in _LEFT_HALF
    ]
    spine = [
        ("mid_hip", "neck", np.array(_UP)),
        ("neck", "head", np.array(_UP)),
        ("head", "nose", np.array(_FORWARD)),
    ]
    return [(parent, child, way / np.linalg.norm(way)) for parent, child, way in spine + halves]


def shortest_rotation(rest: Array, seen: Array) -> Array:
    """Rotations that turn one direction into others by the shortest way (Rodrigues).

    Args:
        rest: (3,) any length.
        seen: (T, 3) any length; NaN where missing.

    Returns:
        (T, 3, 3); NaN where missing. Opposite directions turn about an axis square to ``rest``.
    """
    a = rest / np.linalg.norm(rest)
    with np.errstate(invalid="ignore"):  # a bone of no length has no direction
        b = seen / np.linalg.norm(seen, axis=-1, keepdims=True)
    cosine = b @ a
    axis = np.cross(a, b)
    x, y, z = axis.T
    zero = np.zeros_like(x)
    K = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(-1, 3, 3)
    opposite = cosine < -1.0 + 1e-12
    factor = 1.0 / np.where(opposite, 1.0, 1.0 + cosine)
    turn = np.eye(3) + K + K @ K * factor[:, None, None]
    square = np.cross(a, np.eye(3)[np.argmin(np.abs(a))])
    square /= np.linalg.norm(square)
    return np.where(opposite[:, None, None], 2.0 * np.outer(square, square) - np.eye(3), turn)


def kabsch(rest: Array, seen: Array) -> Array:
    """Rotations about the origin that fit several vectors best in the least-squares sense (Kabsch 1976).

    Args:
        rest: (N, 3) vectors at rest.
        seen: (T, N, 3) the same vectors when seen; NaN where missing.

    Returns:
        (T, 3, 3); NaN where those that were seen do not fix a rotation.
    """
    missing = np.isnan(seen).any(axis=-1, keepdims=True)
    known = np.where(missing, 0.0, seen)
    U, singular, Vt = np.linalg.svd(np.einsum("tni,nj->tij", known, rest))
    sign = np.sign(np.linalg.det(U @ Vt))
    U[..., 2] *= sign[:, None]
    turn = U @ Vt
    turn[singular[:, 1] <= 1e-4 * singular[:, 0]] = np.nan
    return turn
