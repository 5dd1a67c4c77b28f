"""The kinematic tree of a hand: the wrist and fifteen finger joints, base to tip.

MANO's tree (Romero et al. 2017) by name and in the finger order of the project: the keypoints of
:data:`handloom.skeleton.HAND` without the five tips, which do not turn.
"""

from __future__ import annotations

from dataclasses import dataclass

from handloom.skeleton import HAND


@dataclass(frozen=True)
class KinematicTree:
    """Named joints and the parent of each.

    Attributes:
        joints: names, every parent before its children; the first is the root.
        parents: storage index of each joint's parent, -1 for the root.
    """

    joints: tuple[str, ...]
    parents: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        """Storage index of a joint. Raises :class:`ValueError` for a name the tree does not have."""
        return self.joints.index(joint)

    @property
    def articulated(self) -> tuple[str, ...]:
        """The joints that carry angles: all but the root."""
        return self.joints[1:]


def _hand_tree() -> KinematicTree:
    joints = tuple(joint for joint in HAND.joints if not joint.endswith("_tip"))
    parent_of = {child: parent for parent, child in HAND.bones}
    return KinematicTree(joints, (-1, *(joints.index(parent_of[joint]) for joint in joints[1:])))


HAND_TREE = _hand_tree()
