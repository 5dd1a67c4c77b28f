"""What is known of a hand or a body before it is seen: rigid pairs, their lengths, how it moves.

The proportions are rough figures for adults, as fractions of hand length and stature, and quote no one table;
their spread is wide, so that a recording soon knows better.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from handloom.skeleton import BODY, FINGERS, HAND, Skeleton

Array = NDArray[np.float64]

HAND_LENGTH_M = 0.188
HAND_PROPORTIONS = {
    ("wrist", "thumb_cmc"): 0.20,
    ("thumb_cmc", "thumb_mcp"): 0.251,
    ("thumb_mcp", "thumb_ip"): 0.196,
    ("thumb_ip", "thumb_tip"): 0.158,
    ("wrist", "index_mcp"): 0.463,
    ("index_mcp", "index_pip"): 0.245,
    ("index_pip", "index_dip"): 0.143,
    ("index_dip", "index_tip"): 0.097,
    ("wrist", "middle_mcp"): 0.446,
    ("middle_mcp", "middle_pip"): 0.266,
    ("middle_pip", "middle_dip"): 0.170,
    ("middle_dip", "middle_tip"): 0.108,
    ("wrist", "ring_mcp"): 0.421,
    ("ring_mcp", "ring_pip"): 0.244,
    ("ring_pip", "ring_dip"): 0.165,
    ("ring_dip", "ring_tip"): 0.107,
    ("wrist", "little_mcp"): 0.414,
    ("little_mcp", "little_pip"): 0.204,
    ("little_pip", "little_dip"): 0.117,
    ("little_dip", "little_tip"): 0.093,
}
PALM_STRUTS = {
    ("index_mcp", "middle_mcp"): 0.12,
    ("middle_mcp", "ring_mcp"): 0.11,
    ("ring_mcp", "little_mcp"): 0.11,
    ("index_mcp", "ring_mcp"): 0.23,
    ("middle_mcp", "little_mcp"): 0.22,
    ("index_mcp", "little_mcp"): 0.33,
    ("thumb_cmc", "index_mcp"): 0.33,
    ("thumb_cmc", "little_mcp"): 0.41,
}
"""Pairs that are no bones but keep their distance, because the palm does."""

STATURE_M = 1.70
BODY_PROPORTIONS = {
    ("left_shoulder", "right_shoulder"): 0.22,
    ("left_hip", "right_hip"): 0.13,
    ("left_shoulder", "left_hip"): 0.288,
    ("right_shoulder", "right_hip"): 0.288,
    ("left_shoulder", "left_elbow"): 0.170,
    ("right_shoulder", "right_elbow"): 0.170,
    ("left_elbow", "left_wrist"): 0.146,
    ("right_elbow", "right_wrist"): 0.146,
    ("left_hip", "left_knee"): 0.240,
    ("right_hip", "right_knee"): 0.240,
    ("left_knee", "left_ankle"): 0.240,
    ("right_knee", "right_ankle"): 0.240,
}


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Prior knowledge of one kind of thing.

    Attributes:
        pairs: (B, 2) joints that keep their distance; the first ones are bones of the skeleton.
        lengths_m: (B,) expected distances, metres.
        spread: (B,) standard deviation of the logarithm of a length among people of the same size.
        stiffness: (B,) standard deviation, relative to its length, with which a pair holds in one person.
        chains: (F, 4) joints of each finger, base to tip.
        acceleration_mps2: standard deviation of a joint's acceleration per axis, m/s².
    """

    pairs: NDArray[np.int64]
    lengths_m: Array
    spread: Array
    stiffness: Array
    chains: NDArray[np.int64]
    acceleration_mps2: float


@cache
def anatomy_of(skeleton: Skeleton) -> Anatomy:
    """The anatomy that belongs to a skeleton."""
    return {HAND: _hand, BODY: _body}[skeleton]()


def _hand() -> Anatomy:
    expected = [*HAND_PROPORTIONS.items(), *PALM_STRUTS.items()]
    chains = [[name for name in HAND.joints if name.startswith(finger)] for finger in FINGERS]
    return Anatomy(
        pairs=np.array([HAND.indices(pair) for pair, _ in expected]),
        lengths_m=HAND_LENGTH_M * np.array([length for _, length in expected]),
        spread=np.array([0.12] * len(HAND_PROPORTIONS) + [0.25] * len(PALM_STRUTS)),
        stiffness=np.full(len(expected), 0.11),
        chains=np.array([HAND.indices(chain) for chain in chains]),
        acceleration_mps2=4.3,
    )


def _body() -> Anatomy:
    pairs = np.array([BODY.indices(pair) for pair in BODY_PROPORTIONS])
    return Anatomy(
        pairs=pairs,
        lengths_m=STATURE_M * np.array(list(BODY_PROPORTIONS.values())),
        spread=np.full(len(pairs), 0.12),
        stiffness=np.full(len(pairs), 0.04),
        chains=np.zeros((0, 4), dtype=np.int64),
        acceleration_mps2=15.0,
    )
