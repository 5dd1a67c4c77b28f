"""Named hand poses in joint angles, the vocabulary of invented motion."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from handloom.hand import HAND_TREE
from handloom.skeleton import FINGERS

#        finger: flexion of base, middle and end joint, abduction of the base, in degrees
_STRAIGHT = (0, 4, 2, 0)
_CURLED = (72, 88, 48, 0)
_HALF = (34, 42, 24, 0)
_THUMB_OUT = (-8, 0, 0, 5)
_THUMB_IN = (6, 26, 26, 12)

_GESTURES: Mapping[str, Mapping[str, tuple[float, float, float, float]]] = {
    "open": {"thumb": _THUMB_OUT} | dict.fromkeys(FINGERS[1:], _STRAIGHT),
    "spread": {
        "thumb": (-20, 0, 0, 0), "index": (-4, 2, 2, 10), "middle": (-4, 2, 2, 0), "ring": (-4, 2, 2, 8),
        "little": (-4, 2, 2, 13),
    },
    "relaxed": {
        "thumb": (0, 8, 10, 6), "index": (14, 22, 12, 0), "middle": (19, 26, 14, 0), "ring": (23, 28, 15, 0),
        "little": (26, 28, 15, 2),
    },
    "half closed": {"thumb": (4, 12, 14, 14)} | dict.fromkeys(FINGERS[1:], _HALF),
    "fist": {"thumb": _THUMB_IN} | dict.fromkeys(FINGERS[1:], _CURLED),
    "point": {"thumb": _THUMB_IN, "index": _STRAIGHT} | dict.fromkeys(FINGERS[2:], _CURLED),
    "victory": {"thumb": _THUMB_IN, "index": (0, 4, 2, 9), "middle": (0, 4, 2, -8)}
    | dict.fromkeys(FINGERS[3:], _CURLED),
    "pinch": {
        "thumb": (8, 14, 24, 26), "index": (46, 44, 24, 0), "middle": (24, 24, 12, 0),
        "ring": (18, 20, 10, 2), "little": (14, 18, 10, 4),
    },
    "call": {"thumb": _THUMB_OUT, "little": (0, 4, 2, 8)} | dict.fromkeys(FINGERS[1:4], _CURLED),
    "hook": {"thumb": _THUMB_OUT} | dict.fromkeys(FINGERS[1:], (6, 70, 40, 0)),
}  # fmt: skip


def gesture_names() -> tuple[str, ...]:
    """All gestures by name."""
    return tuple(_GESTURES)


def gesture(name: str) -> NDArray[np.float64]:
    """(15, 3) flexion, abduction and twist in radians. Raises :class:`KeyError` for a name not known."""
    angles = np.zeros((len(HAND_TREE.articulated), 3))
    for k, joint in enumerate(HAND_TREE.articulated):
        finger = joint.split("_")[0]
        *flexion, abduction = _GESTURES[name][finger]
        segment = k % 3
        angles[k, 0] = flexion[segment]
        angles[k, 1] = abduction if segment == 0 else 0.0
    return np.deg2rad(angles)
