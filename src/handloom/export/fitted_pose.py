"""The tree of a fitted hand for BVH: the model's own bones, turned by the fitted joint angles."""

from __future__ import annotations

import numpy as np

from handloom.export.glb import rest_of
from handloom.export.pose import Node, hand_at_rest
from handloom.hand import HAND_TREE
from handloom.hand.kinematics import rotation_from_angles
from handloom.keypoints import Array
from handloom.session import FittedHand
from handloom.skeleton import HAND


def fitted_tree(hand: FittedHand, turn: Array, scale: float) -> tuple[Node, dict[str, Array]]:
    """Bones and rotations of a fitted hand; at rest it lies palm down and points away from the body.

    Args:
        hand: the fit.
        turn: (3, 3) rotation of the world to +Y up.
        scale: from the rig's unit to that of the file.

    Returns:
        The wrist with all that hangs on it, and the (T, 3, 3) rotation of every joint but the tips relative
        to its parent, by name, the wrist's relative to the world; NaN where there is no fit.
    """
    R_rest_model = hand_at_rest(hand.track.side)
    _, rest = rest_of(hand, scale)
    rest = rest @ R_rest_model.T
    position = hand.T_world_wrist[:, :3, 3] @ turn.T * scale
    position = np.where(hand.fitted[:, None], position, np.nan)
    nodes = {"wrist": Node("wrist", np.zeros(3), position)}
    for parent, child in HAND.bones:
        nodes[child] = Node(child, rest[HAND.index(child)] - rest[HAND.index(parent)], position)
        nodes[parent].children.append(nodes[child])
    known = hand.fitted[:, None, None, None]
    angles = np.where(known[..., 0], hand.angles, 0.0)
    local = R_rest_model @ rotation_from_angles(angles, hand.model.axes) @ R_rest_model.T
    local = np.where(known, local, np.nan)
    wrist = turn @ hand.T_world_wrist[:, :3, :3] @ R_rest_model.T
    turns = {joint: local[:, k] for k, joint in enumerate(HAND_TREE.articulated)}
    return nodes["wrist"], {"wrist": np.where(known[:, 0], wrist, np.nan), **turns}
