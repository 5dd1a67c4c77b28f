"""What a hand's joints say about its axes: which way it points, bends and spreads.

For hands that come as joints and a mesh only. Axes follow Yang et al. 2021 (CPF, their anatomical
alignment of MANO): the bone is the twist axis, a direction out of the back of finger or thumb the axis of
abduction, and flexion turns about what is square to both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.hand.tree import HAND_TREE
from handloom.skeleton import FINGERS

Array = NDArray[np.float64]

_MIRROR = np.array([-1.0, 1.0, 1.0])
_BACK_OF_FINGERS = np.array([0.0, 0.0, -1.0])
_BACK_OF_THUMB = np.array([1.0, -1.0, -1.0])
"""Radial, towards the wrist and dorsal: where the nail of a relaxed right thumb looks."""


def hand_frame(joints: Array, side: str) -> Array:
    """(3, 3) rotation into the hand's own axes: +y to the middle knuckle, +z out of the palm.

    Args:
        joints: (16, 3) of a flat hand in the order of ``HAND_TREE``, in any frame.
        side: ``"left"`` or ``"right"``.
    """
    y, thumbward = _palm(joints)
    x = thumbward if side == "right" else -thumbward
    return np.stack([x, y, np.cross(x, y)])


def side_of(joints: Array) -> str:
    """``"left"`` or ``"right"``, from the thumb, which lies on the palm's side of a flat hand.

    Args:
        joints: (16, 3) of a flat hand in the order of ``HAND_TREE``, in any frame.
    """
    y, thumbward = _palm(joints)
    thumb = [HAND_TREE.index(joint) for joint in ("thumb_mcp", "thumb_ip")]
    palmar = np.cross(thumbward, y) @ (joints[thumb].mean(axis=0) - joints[0])
    return "right" if palmar > 0 else "left"


def anatomical_axes(joints: Array, tips: Array, side: str) -> Array:
    """(15, 3, 3) axes of flexion, abduction and twist of a flat hand in its own frame.

    Args:
        joints: (16, 3) in the order of ``HAND_TREE``, frame of :func:`hand_frame`.
        tips: (5, 3) finger tips, thumb first.
        side: ``"left"`` or ``"right"``; the same angles give mirror images.
    """
    if side == "left":
        # A rotation's axis is a pseudovector: the mirror keeps x and turns the rest around.
        return anatomical_axes(joints * _MIRROR, tips * _MIRROR, "right") * -_MIRROR
    rows = []
    for k, bone in enumerate(bone_ends(joints, tips) - joints[1:]):
        finger = HAND_TREE.articulated[k].split("_")[0]
        twist = _unit(bone)
        back = _BACK_OF_THUMB if finger == "thumb" else _BACK_OF_FINGERS
        flexion = _unit(np.cross(back, twist))
        # Abduction leads away from the middle finger, hence the other way round beyond it.
        outwards = 1.0 if finger in ("ring", "little") else -1.0
        rows.append([flexion, outwards * np.cross(flexion, twist), twist])
    return np.array(rows)


def bone_ends(joints: Array, tips: Array) -> Array:
    """(..., 15, 3) the far end of the bone behind every joint but the wrist.

    Args:
        joints: (..., 16, 3) in the order of ``HAND_TREE``.
        tips: (..., 5, 3) finger tips, thumb first.
    """
    ends = []
    for index, joint in enumerate(HAND_TREE.joints[1:], start=1):
        finger = FINGERS.index(joint.split("_")[0])
        last = index not in HAND_TREE.parents
        ends.append(tips[..., finger, :] if last else joints[..., index + 1, :])
    return np.stack(ends, axis=-2)


def nails(
    template: Array, normals: Array, weights: Array, joints: Array, tips: Array, axes: Array
) -> NDArray[np.bool_]:
    """(V,) true where nails should be: on the back of the outer half of every last bone.

    Args:
        template: (V, 3) flat hand in its own frame.
        normals: (V, 3).
        weights: (V, 16) skinning weights.
        joints: (16, 3).
        tips: (5, 3).
        axes: (15, 3, 3) of :func:`anatomical_axes`.
    """
    nail = np.zeros(len(template), dtype=bool)
    ends = bone_ends(joints, tips)
    for joint in (j for j in range(1, len(HAND_TREE)) if j not in HAND_TREE.parents):
        bone = _unit(ends[joint - 1] - joints[joint])
        back = np.cross(bone, axes[joint - 1, 0])
        own = weights[:, joint] > 0.5
        reach = (template - joints[joint]) @ bone
        longest = reach[own].max(initial=0.0)
        nail |= own & (reach > 0.55 * longest) & (reach < 0.95 * longest) & (normals @ back > 0.75)
    return nail


def _palm(joints: Array) -> tuple[Array, Array]:
    """Unit vectors to the middle knuckle and, square to it, from the little to the index knuckle."""
    y = _unit(joints[HAND_TREE.index("middle_mcp")] - joints[0])
    across = joints[HAND_TREE.index("index_mcp")] - joints[HAND_TREE.index("little_mcp")]
    return y, _unit(across - y * (across @ y))


def _unit(vector: Array) -> Array:
    return vector / np.linalg.norm(vector)
