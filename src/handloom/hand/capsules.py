"""A hand as nineteen capsules, for collision: one per finger bone, four for the palm.

A capsule hangs rigidly on a joint. Its axis is the bone, moved to the middle of the flesh around it; its
radius is the mean distance of that flesh. Both are measured on the mesh of the shape asked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.hand.anatomy import bone_ends
from handloom.hand.model import HandModel, PosedHand
from handloom.hand.tree import HAND_TREE
from handloom.skeleton import FINGERS, HAND

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Capsules:
    """Capsules in the frames of the joints that carry them, metres.

    Attributes:
        side: ``"left"`` or ``"right"``.
        names: of the C capsules: ``index_pip`` is the bone that starts at that joint, ``index_palm`` the
            metacarpal behind the index knuckle.
        joints: (C,) index of the joint each hangs on, in ``HAND_TREE``.
        starts: (C, 3) one end of the axis, relative to the joint, axes of the flat hand.
        ends: (C, 3) the other end.
        radii: (C,).
    """

    side: str
    names: tuple[str, ...]
    joints: NDArray[np.int64]
    starts: Array
    ends: Array
    radii: Array

    def __len__(self) -> int:
        return len(self.names)

    def at(self, T_world_joint: ArrayLike) -> tuple[Array, Array]:
        """(..., C, 3) starts and ends in the world, for (..., 16, 4, 4) of :class:`PosedHand`."""
        T = np.asarray(T_world_joint, dtype=np.float64)[..., self.joints, :, :]
        R, t = T[..., :3, :3], T[..., :3, 3]
        return (R @ self.starts[..., None])[..., 0] + t, (R @ self.ends[..., None])[..., 0] + t

    def signed_distance(self, points: ArrayLike, posed: PosedHand) -> Array:
        """(N,) distance of (N, 3) points from the surface of one posed hand, negative inside."""
        starts, ends = self.at(posed.T_world_joint)
        axis = ends - starts
        away = np.asarray(points, dtype=np.float64)[:, None] - starts
        along = (away * axis).sum(axis=-1) / np.maximum((axis * axis).sum(axis=-1), 1e-18)
        nearest = np.clip(along, 0.0, 1.0)[..., None] * axis
        return np.asarray((np.linalg.norm(away - nearest, axis=-1) - self.radii).min(axis=1))

    def touching(self) -> NDArray[np.bool_]:
        """(C, C) pairs that overlap by construction and are not to be tested: on one joint, or on neighbours.

        All of the palm counts as one.
        """
        parent = np.array(HAND_TREE.parents)[self.joints]
        same = self.joints[:, None] == self.joints[None]
        next_to = parent[:, None] == self.joints[None]
        return same | next_to | next_to.T

    def as_dict(self) -> dict[str, Any]:
        """Plain lists and strings, as :func:`write_capsules` puts them into a file."""
        return {
            "unit": "m",
            "side": self.side,
            "frame": "each capsule relative to its joint, axes of the flat hand: +y to the middle knuckle, "
            "+z out of the palm",
            "capsules": [
                {
                    "name": name,
                    "joint": HAND_TREE.joints[joint],
                    "start": start.tolist(),
                    "end": end.tolist(),
                    "radius": float(radius),
                }
                for name, joint, start, end, radius in zip(
                    self.names, self.joints, self.starts, self.ends, self.radii, strict=True
                )
            ],
        }


def hand_capsules(model: HandModel, shape: ArrayLike | None = None) -> Capsules:
    """Capsules of a hand of one shape.

    Args:
        model: either side, the open hand or MANO.
        shape: (B,) shape coefficients; the mean hand without.
    """
    flat = model.pose(np.zeros((len(HAND_TREE.articulated), 3)), shape)
    tips = flat.keypoints[HAND.indices(f"{finger}_tip" for finger in FINGERS)]
    ends = bone_ends(flat.joints, tips)
    owner = model.weights.argmax(axis=1)
    rows = []
    for joint in range(1, len(HAND_TREE)):
        flesh = flat.vertices[owner == joint]
        is_last = joint not in HAND_TREE.parents
        capsule = _around(flat.joints[joint], ends[joint - 1], flesh, is_last)
        rows.append((HAND_TREE.joints[joint], joint, *capsule))
    rows += _palm(flat, owner)
    names, joints, starts, stops, radii = zip(*rows, strict=True)
    index = np.array(joints)
    return Capsules(
        model.side,
        tuple(names),
        index,
        np.array(starts) - flat.joints[index],
        np.array(stops) - flat.joints[index],
        np.array(radii),
    )


def write_capsules(capsules: Capsules, path: str | Path) -> None:
    """Write capsules as JSON."""
    Path(path).write_text(json.dumps(capsules.as_dict(), indent=1) + "\n", encoding="utf-8")


def _around(start: Array, end: Array, flesh: Array, is_last: bool) -> tuple[Array, Array, float]:
    """Axis and radius of a capsule about a bone, moved to the middle of its flesh."""
    bone = end - start
    direction = bone / np.linalg.norm(bone)
    along = (flesh - start) @ direction
    across = flesh - start - along[:, None] * direction
    # Rings of the mesh are not evenly spaced; the shaft alone says where the middle is.
    shaft = (along > 0) & (along < np.linalg.norm(bone) * (0.7 if is_last else 1.0))
    across = across[shaft] if shaft.sum() >= 8 else across
    middle = (across.min(axis=0) + across.max(axis=0)) / 2
    radius = float(np.linalg.norm(across - middle, axis=1).mean())
    if is_last:
        # The round end closes the finger.
        end = start + max(float(along.max()) - radius, 0.0) * direction
    return start + middle, end + middle, radius


def _palm(flat: PosedHand, owner: NDArray[np.int64]) -> list[tuple[str, int, Array, Array, float]]:
    """Four capsules from the wrist to the knuckles, each with the flesh nearest to it."""
    wrist, knuckles = (
        flat.joints[0],
        flat.joints[[HAND_TREE.index(f"{finger}_mcp") for finger in FINGERS[1:]]],
    )
    flesh = flat.vertices[owner == 0]
    # Close to the wrist the metacarpals lie side by side, not on one point.
    starts = wrist + (knuckles - wrist) * [0.45, 0.08, 0.45]
    bones = knuckles - starts
    share = np.clip(((flesh[:, None] - starts) * bones).sum(-1) / (bones * bones).sum(-1), 0, 1)
    distance = np.linalg.norm(flesh[:, None] - starts - share[..., None] * bones, axis=-1)
    nearest = distance.argmin(axis=1)
    rows = []
    for i, finger in enumerate(FINGERS[1:]):
        own = nearest == i
        axis = starts[i] + share[own, i, None] * bones[i]
        depth = (flesh[own] - axis)[:, 2]
        middle = np.array([0.0, 0.0, (depth.min() + depth.max()) / 2])
        shaft = (share[own, i] > 0.02) & (share[own, i] < 0.98)
        radius = float(np.abs(depth - middle[2])[shaft].mean())
        rows.append((f"{finger}_palm", 0, starts[i] + middle, knuckles[i] + middle, radius))
    return rows
