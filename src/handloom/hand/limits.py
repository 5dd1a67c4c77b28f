"""How far each joint turns: flexion, abduction and twist of a healthy adult hand.

Zero is the flat hand: fingers straight in the palm's plane, the thumb relaxed beside it. Flexion is
positive towards the palm, abduction away from the middle finger (radially for the middle finger itself, out
of the palm's plane for the thumb). Active ranges after Hume et al. 1990 and the goniometry tables of the
American Academy of Orthopaedic Surgeons, widened by a few degrees for hyperextension.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.hand.tree import HAND_TREE

ANGLES = ("flexion", "abduction", "twist")
"""The three angles of a joint, in storage order."""

_STILL = (-3.0, 3.0)
_FINGER = {
    "mcp": ((-20.0, 90.0), (-15.0, 20.0), (-5.0, 5.0)),
    "pip": ((-5.0, 110.0), _STILL, _STILL),
    "dip": ((-8.0, 80.0), _STILL, _STILL),
}
_THUMB = {
    "cmc": ((-25.0, 30.0), (-20.0, 35.0), (-15.0, 15.0)),
    "mcp": ((-15.0, 55.0), (-10.0, 10.0), (-5.0, 5.0)),
    "ip": ((-20.0, 80.0), _STILL, _STILL),
}


def joint_limits() -> NDArray[np.float64]:
    """(15, 3, 2) lowest and highest flexion, abduction and twist in radians, in the order of the tree."""
    rows = []
    for joint in HAND_TREE.articulated:
        finger, segment = joint.split("_")
        rows.append((_THUMB if finger == "thumb" else _FINGER)[segment])
    return np.deg2rad(rows)
