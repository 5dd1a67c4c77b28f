"""Where the open hand bends: knuckles and the base of the thumb at their anatomical places.

Anny's fingers, like those of many characters, turn about points next to the webs. The centres of rotation are
in the heads of the metacarpals, a good two centimetres nearer to the wrist than the webs; the thumb turns
about the trapezium, not about the middle of its ball.
"""

from __future__ import annotations

import numpy as np

from handloom.hand.tree import HAND_TREE
from handloom.skeleton import FINGERS

PROXIMAL = {"index": 0.245, "middle": 0.266, "ring": 0.244, "little": 0.204}
"""From knuckle to middle joint as shares of the hand's length, after Buchholz, Armstrong and Goldstein (1992,
Ergonomics 35:261), quoted from memory. They are to each other as Buryanov and Kotiuk's (2010) 39.8, 44.6,
41.4 and 32.7 mm within 5 %; An et al. (1979) have the first two at 0.265 and 0.277."""
THUMB_BASE = (0.094, 0.118, 0.020)
"""Centre of the thumb's saddle joint as seen from the wrist, in shares of the hand's length: about a tenth
along the hand, a centimetre under the skin of its edge. It makes the metacarpal 0.23 long; Buchholz et al.
measured 0.251."""
BEND = 0.065
"""Half the length of the flesh that a knuckle bends, as a share of the hand's length."""
FLESH = 0.045
"""How far across the palm a finger's tendon takes the flesh along, standard deviation."""
BALL = (0.055, 0.14)
"""Distances from the thumb's metacarpal at which its flesh moves with it altogether, and no longer."""


def anatomical_joints(joints: np.ndarray) -> np.ndarray:
    """(N, 16, 3) joints of flat hands, knuckles and thumb's base moved."""
    joints = joints.copy()
    length = _length(joints)
    for finger, share in PROXIMAL.items():
        mcp, pip = HAND_TREE.index(f"{finger}_mcp"), HAND_TREE.index(f"{finger}_pip")
        back = joints[:, mcp] - joints[:, pip]
        back /= np.linalg.norm(back, axis=1, keepdims=True)
        joints[:, mcp] = joints[:, pip] + share * length[:, None] * back
    joints[:, HAND_TREE.index("thumb_cmc")] = np.array(THUMB_BASE) * length[:, None]
    return joints


def anatomical_weights(template: np.ndarray, joints: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(V, 16) skinning weights of the flat hand whose joints were moved.

    Flesh beyond a knuckle goes with the finger, halfway at the joint; between two fingers it is shared by
    distance. Along the fingers Anny's weights stay.
    """
    length = float(_length(joints[None])[0])
    new = weights.copy()
    thumb = [HAND_TREE.index(f"thumb_{s}") for s in ("cmc", "mcp", "ip")]
    base, knuckle = joints[thumb[0]], joints[thumb[1]]
    along, off = _along(template, base, knuckle)
    near, far = np.array(BALL) * length
    taken = _step(along / (BEND * length)) * (1.0 - _step(2.0 * (off - near) / (far - near) - 1.0))
    gain = np.maximum(taken - new[:, thumb].sum(axis=1), 0.0) * (1.0 - new[:, thumb].sum(axis=1) > 1e-3)
    new[:, thumb[0]] += np.minimum(gain, new[:, 0])
    new[:, 0] -= np.minimum(gain, new[:, 0])

    chains = [[HAND_TREE.index(j) for j in HAND_TREE.joints if j.startswith(f)] for f in FINGERS[1:]]
    own = np.stack([weights[:, chain].sum(axis=1) for chain in chains], axis=1)
    reach, nearness = np.empty_like(own), np.empty_like(own)
    for f, chain in enumerate(chains):
        ahead, off = _along(template, joints[chain[0]], joints[chain[1]])
        across = np.abs((template - joints[chain[0]]) @ _across(joints[chain[0]], joints[chain[1]]))
        reach[:, f] = _step(ahead / (BEND * length))
        nearness[:, f] = np.exp(-0.5 * (across / (FLESH * length)) ** 2) + 1e-12
    nearness /= nearness.sum(axis=1, keepdims=True)
    whole = own.sum(axis=1, keepdims=True)
    # Flesh that Anny gives to a finger stays its own; the rest is shared out.
    share = own + (1.0 - whole) * nearness
    beyond = (share * reach).sum(axis=1)
    gain = np.clip(beyond[:, None] * share - own, 0.0, None)
    gain *= np.minimum(1.0, new[:, :1] / np.maximum(gain.sum(axis=1, keepdims=True), 1e-12))
    for f, chain in enumerate(chains):
        new[:, chain[0]] += gain[:, f]
    new[:, 0] -= gain.sum(axis=1)
    return np.clip(new, 0.0, None) / np.clip(new, 0.0, None).sum(axis=1, keepdims=True)


def _length(joints: np.ndarray) -> np.ndarray:
    """(N,) lengths of the hands, told by the outer joint of the middle finger, which stays where it was."""
    return joints[:, HAND_TREE.index("middle_dip"), 1] / 0.863


def _along(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance along a bone from its start, and from the bone (itself, not its line)."""
    bone = (end - start) / np.linalg.norm(end - start)
    along = (points - start) @ bone
    inside = np.clip(along, 0.0, np.linalg.norm(end - start))
    return along, np.linalg.norm(points - start - inside[:, None] * bone, axis=1)


def _across(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    bone = (end - start) / np.linalg.norm(end - start)
    side = np.cross(bone, [0.0, 0.0, 1.0])
    return side / np.linalg.norm(side)


def _step(x: np.ndarray) -> np.ndarray:
    """0 below −1, 1 above 1, smooth between."""
    x = np.clip(0.5 * (x + 1.0), 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)
