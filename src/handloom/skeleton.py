"""Joint sets by name: the 21 joints of a hand, the 33 landmarks of a body.

A :class:`Skeleton` is the single place where joint order, bones and mirror maps are written down; every
other module asks it by name. The hand order (wrist, then base to tip of thumb, index, middle, ring, little)
is the one of MediaPipe, OpenPose and FreiHAND; the body order is that of BlazePose (Bazarevsky et al. 2020).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

FINGERS = ("thumb", "index", "middle", "ring", "little")


@dataclass(frozen=True)
class Skeleton:
    """A named, ordered set of joints and the bones between them.

    Attributes:
        name: ``"hand"`` or ``"body"``.
        joints: joint names in storage order.
        bones: pairs of joint names, parent first.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        """Storage index of a joint. Raises :class:`KeyError` for a name the skeleton does not have."""
        return self._index_of[joint]

    def indices(self, joints: Iterable[str]) -> list[int]:
        """Storage indices of several joints, in the order asked for."""
        return [self._index_of[joint] for joint in joints]

    @cached_property
    def _index_of(self) -> dict[str, int]:
        return {joint: i for i, joint in enumerate(self.joints)}

    @cached_property
    def bone_indices(self) -> tuple[tuple[int, int], ...]:
        """Bones as pairs of storage indices, parent first."""
        return tuple((self.index(a), self.index(b)) for a, b in self.bones)

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """``mirror[i]`` is the index of joint i's counterpart on the other side of the person."""
        return tuple(self.index(_other_side(joint)) for joint in self.joints)


def _other_side(joint: str) -> str:
    if joint.startswith("left_"):
        return "right_" + joint.removeprefix("left_")
    if joint.startswith("right_"):
        return "left_" + joint.removeprefix("right_")
    if joint.startswith("mouth_"):
        return "mouth_right" if joint == "mouth_left" else "mouth_left"
    return joint


def _hand() -> Skeleton:
    segments = dict.fromkeys(FINGERS, ("mcp", "pip", "dip", "tip")) | {"thumb": ("cmc", "mcp", "ip", "tip")}
    chains = [[f"{finger}_{segment}" for segment in segments[finger]] for finger in FINGERS]
    joints = ("wrist", *(joint for chain in chains for joint in chain))
    bones = [pair for chain in chains for pair in zip(["wrist", *chain[:-1]], chain, strict=True)]
    return Skeleton("hand", joints, tuple(bones))


HAND = _hand()

BODY = Skeleton(
    "body",
    joints=(
        "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye",
        "right_eye_outer", "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder",
        "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_little",
        "right_little", "left_index", "right_index", "left_thumb", "right_thumb", "left_hip",
        "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel",
        "right_heel", "left_foot_index", "right_foot_index",
    ),
    bones=(
        ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"),
        ("left_shoulder", "left_hip"), ("right_shoulder", "right_hip"),
        ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
        ("left_wrist", "left_little"), ("left_wrist", "left_index"), ("left_wrist", "left_thumb"),
        ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
        ("right_wrist", "right_little"), ("right_wrist", "right_index"), ("right_wrist", "right_thumb"),
        ("left_hip", "left_knee"), ("left_knee", "left_ankle"), ("left_ankle", "left_heel"),
        ("left_heel", "left_foot_index"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
        ("right_ankle", "right_heel"), ("right_heel", "right_foot_index"), ("left_ear", "right_ear"),
        ("nose", "left_ear"), ("nose", "right_ear"),
    ),
)  # fmt: skip

SKELETONS = {skeleton.name: skeleton for skeleton in (HAND, BODY)}

LIMBS = (
    ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
    ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
    ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
)  # fmt: skip
"""The body's eight limbs: the bones whose length a person keeps."""
