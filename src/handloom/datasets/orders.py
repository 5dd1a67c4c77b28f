"""The joint orders of the field's data sets, by name, to and from :data:`handloom.skeleton.HAND`.

An order is a list of joint names, never a table of numbers: what stands where can be read, and a permutation
follows from it. Traps on record: RHD and InterHand2.6M count fingers from the tip to the base; MANO puts the
little finger before the ring finger; STB has the palm's centre in the wrist's place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.hand.mano_file import MANO_JOINTS
from handloom.skeleton import FINGERS, HAND

PALM = "palm"
"""The palm's centre, which some data sets label instead of the wrist."""


@dataclass(frozen=True)
class JointOrder:
    """One hand's joints in the order of a data set.

    Attributes:
        name: of the order.
        joints: names of ``HAND``, each at most once; :data:`PALM` may stand for the wrist.
    """

    name: str
    joints: tuple[str, ...]

    def __post_init__(self) -> None:
        named = [self._in_hand(joint) for joint in self.joints]
        unknown = [joint for joint in named if joint not in HAND.joints]
        if unknown or len(set(named)) != len(named):
            raise ValueError(f"order {self.name!r} names a joint twice or one that a hand does not have")

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def root(self) -> str:
        """What stands in the wrist's place: ``"wrist"`` or ``"palm"``."""
        return PALM if PALM in self.joints else "wrist"

    @cached_property
    def places(self) -> tuple[int, ...]:
        """``places[i]`` is where joint i of this order stands in ``HAND``."""
        return tuple(HAND.indices(self._in_hand(joint) for joint in self.joints))

    @cached_property
    def permutation(self) -> tuple[int, ...]:
        """``permutation[k]`` is where joint k of ``HAND`` stands in this order, -1 where it does not."""
        return tuple(self.places.index(k) if k in self.places else -1 for k in range(len(HAND)))

    def to_hand(self, values: ArrayLike, *, axis: int = -2) -> NDArray[Any]:
        """Values of this order's joints in the order of ``HAND``.

        Args:
            values: joints along ``axis``.
            axis: -2 for points (..., J, 2 or 3), -1 for one number or flag each (..., J).

        Returns:
            21 joints along ``axis``; joints that the order lacks are NaN, False for flags, 0 for integers.

        Raises:
            ValueError: if ``axis`` does not have as many entries as the order has joints.
        """
        values = np.moveaxis(np.asarray(values), axis, 0)
        if len(values) != len(self):
            raise ValueError(f"order {self.name!r} has {len(self)} joints, got {len(values)}")
        missing = np.nan if values.dtype.kind == "f" else 0
        hand = np.full((len(HAND), *values.shape[1:]), missing, dtype=values.dtype)
        hand[list(self.places)] = values
        return np.moveaxis(hand, 0, axis)

    def from_hand(self, values: ArrayLike, *, axis: int = -2) -> NDArray[Any]:
        """Values in the order of ``HAND`` in this order; joints that the order lacks are dropped.

        The wrist's value goes into the place of the palm, where the order has one: give values whose root
        is what the order's is (:func:`palm_of`).

        Raises:
            ValueError: if ``axis`` does not have 21 entries.
        """
        values = np.moveaxis(np.asarray(values), axis, 0)
        if len(values) != len(HAND):
            raise ValueError(f"a hand has {len(HAND)} joints, got {len(values)}")
        return np.moveaxis(values[list(self.places)], 0, axis)

    @staticmethod
    def _in_hand(joint: str) -> str:
        return "wrist" if joint == PALM else joint


def palm_of(points: ArrayLike) -> NDArray[np.float64]:
    """(..., 21, D) points with the palm's centre, halfway from wrist to middle knuckle, as their root.

    The convention by which Zimmermann & Brox (2017) train on RHD and test on STB.
    """
    palm = np.array(points, dtype=np.float64)
    palm[..., 0, :] = 0.5 * (palm[..., 0, :] + palm[..., HAND.index("middle_mcp"), :])
    return palm


def wrist_of(points: ArrayLike) -> NDArray[np.float64]:
    """(..., 21, D) points with a wrist estimated from the palm's centre.

    As far beyond the palm as the ring finger's knuckle is before it: the convention by which Ge et al.
    (2019) compare with STB.
    """
    wrist = np.array(points, dtype=np.float64)
    knuckle = wrist[..., HAND.index("ring_mcp"), :]
    wrist[..., 0, :] = knuckle + 2.0 * (wrist[..., 0, :] - knuckle)
    return wrist


def order(name: str) -> JointOrder:
    """The order of that name. Raises :class:`KeyError` naming the known ones."""
    if name not in ORDERS:
        raise KeyError(f"no joint order {name!r}; known are {', '.join(ORDERS)}")
    return ORDERS[name]


def _chain(finger: str) -> tuple[str, ...]:
    """A finger's joints, base to tip."""
    return tuple(joint for joint in HAND.joints if joint.startswith(f"{finger}_"))


def _chains(fingers: Iterable[str], *, from_tip: bool = False) -> tuple[str, ...]:
    return tuple(j for finger in fingers for j in (_chain(finger)[::-1] if from_tip else _chain(finger)))


_OF_MANO = ("index", "middle", "little", "ring", "thumb")
_TIPS = tuple(f"{finger}_tip" for finger in ("thumb", "index", "middle", "ring", "little"))

ORDERS = {
    name: JointOrder(name, joints)
    for name, joints in {
        **dict.fromkeys(
            (
                "hand", "openpose", "mediapipe", "freihand", "coco-wholebody", "halpe", "cmu",
                "onehand10k", "dexycb",
            ),
            HAND.joints,
        ),
        "rhd": ("wrist", *_chains(FINGERS, from_tip=True)),
        "stb": (PALM, *_chains(FINGERS[::-1])),
        "interhand": (*_chains(FINGERS, from_tip=True), "wrist"),
        "mano16": MANO_JOINTS,
        "mano16+tips": (*MANO_JOINTS, *_TIPS),
        "ho3d": (*MANO_JOINTS, *_TIPS),
        "boukhayma": ("wrist", *_chains(_OF_MANO)),
    }.items()
}  # fmt: skip
"""Every order by its name. Orders of whole data sets hold one hand; where both stand in one list (RHD: left,
then right; InterHand2.6M: right, then left) each half has this order."""
