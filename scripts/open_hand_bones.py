"""Lengths of single bones of the open hand, drawn as anthropometry finds them.

Anny's phenotypes change a hand's build, not the proportions of its bones. On radiographs of 66 adults
(Buryanov and Kotiuk 2010, Int. J. Morphol. 28(3):755) lengths vary by 8 to 9 % in metacarpals, 9 % in
proximal, 12 % in middle and 13 % in distal phalanges; where the whole hand's length, which varies by 8 %, is
taken out, the spreads below are left. Bones of one row vary together more than bones of one finger: half of a
bone's variance is given to its row.
"""

from __future__ import annotations

import numpy as np

from handloom.hand.tree import HAND_TREE
from handloom.skeleton import FINGERS

SPREAD = {
    "metacarpal": 0.03,
    "mcp": 0.045, "pip": 0.08, "dip": 0.08,
    "thumb_cmc": 0.05, "thumb_mcp": 0.06, "thumb_ip": 0.05,
}  # fmt: skip
"""Standard deviation of the logarithm of a bone's length in a hand of given length, by the joint it begins
at."""
FINGER = 0.02
"""What the three bones of a finger have in common; two fingers' ratio varies by 3 to 4 %."""
BREADTH = 0.035
"""Of the palm's breadth in a hand of given length, beside what Anny's build makes of it."""
THUMB_BASE_M = 0.002
"""Of the place of the thumb's base, per axis."""


def stretched(
    vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(N, V, 3) vertices and (N, 16, 3) joints of flat hands, every bone with a length of its own.

    A bone's flesh is stretched along it and takes along all that lies beyond; between bones the skinning
    weights mediate.
    """
    mean = joints.mean(axis=0)
    out_vertices, out_joints = np.empty_like(vertices), np.empty_like(joints)
    for n, (points, centres) in enumerate(zip(vertices, joints, strict=True)):
        bones = _drawn(rng)
        palm = np.array([bones[f"{finger}_metacarpal"] for finger in FINGERS[1:]])
        breadth = rng.normal(0.0, BREADTH)
        base = rng.normal(0.0, THUMB_BASE_M, 3)
        moved = weights[:, :1] * (_palm(points, mean, palm, breadth) - points)
        new = centres.copy()
        for k in range(1, len(HAND_TREE)):
            joint, parent = HAND_TREE.joints[k], HAND_TREE.parents[k]
            if parent == 0:
                new[k] = _palm(centres[k], mean, palm, breadth) + (base if joint == "thumb_cmc" else 0.0)
            bone = _direction(k, centres, points, weights)
            along = (points - centres[k]) @ bone
            growth = np.expm1(bones[joint])
            moved += weights[:, k, None] * (new[k] - centres[k] + growth * along[:, None] * bone)
            for child in (c for c, p in enumerate(HAND_TREE.parents) if p == k):
                reach = (centres[child] - centres[k]) @ bone
                new[child] = centres[child] + (new[k] - centres[k]) + growth * reach * bone
        out_vertices[n], out_joints[n] = points + moved, new
    return out_vertices, out_joints


def _drawn(rng: np.random.Generator) -> dict[str, float]:
    """Logarithms of the bones' growth, by the joint they begin at."""
    bones = {}
    rows = {row: rng.normal() for row in ("metacarpal", "mcp", "pip", "dip")}
    for finger in FINGERS[1:]:
        common = FINGER * rng.normal()
        for row, spread in SPREAD.items():
            if row in rows:
                own = spread * np.sqrt(0.5) * (rows[row] + rng.normal())
                bones[f"{finger}_{row}"] = own + (common if row != "metacarpal" else 0.0)
    for joint in ("thumb_cmc", "thumb_mcp", "thumb_ip"):
        bones[joint] = SPREAD[joint] * rng.normal()
    return bones


def _palm(points: np.ndarray, mean: np.ndarray, growth: np.ndarray, breadth: float) -> np.ndarray:
    """Points of the palm, its four rays grown and its breadth changed; between rays it is interpolated."""
    knuckles = np.array([mean[HAND_TREE.index(f"{finger}_mcp")] for finger in FINGERS[1:]])
    # Rays fan out from the wrist: what counts is the direction a point is seen in from there.
    angle = np.arctan2(points[..., 0], np.maximum(points[..., 1], 0.02))
    rays = np.arctan2(knuckles[:, 0], knuckles[:, 1])
    ray = np.interp(angle, rays[::-1], growth[::-1])
    moved = points * (1.0 + np.expm1(ray))[..., None]
    moved[..., 0] += breadth * points[..., 0]
    return moved


def _direction(k: int, centres: np.ndarray, points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Unit direction of the bone behind a joint."""
    children = [c for c, p in enumerate(HAND_TREE.parents) if p == k]
    end = centres[children[0]] if children else points[weights[:, k] > 0.9].mean(axis=0)
    return (end - centres[k]) / np.linalg.norm(end - centres[k])
