"""Two hands of one person: apart, or in touch without being in each other.

Hands in touch are turned to each other in one of several ways (palm to palm, palm to back, crossed, finger
tips, side by side or free), start apart, and move along one direction until flesh meets flesh: steps as long
as the gap between their capsules can never pass contact. The last millimetres are taken between the meshes
themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.hand.kinematics import rigid, rotation_from_vector
from handloom.synthesis.pictures.capsule_gaps import gap_between
from handloom.synthesis.pictures.contact import Skin, depth_between

Array = NDArray[np.float64]

CONTACT_M = 0.0012
"""So deep in each other hands may be that touch."""
_STEPS = 14
RELATIONS = ("palms", "palm on back", "crossed", "tips", "side by side", "free")


@dataclass(frozen=True, eq=False)
class FreeHand:
    """A posed hand in its own frame.

    Attributes:
        skin: its surface.
        starts, ends, radii: its capsules.
    """

    skin: Skin
    starts: Array
    ends: Array
    radii: Array


def draw_relation(rng: np.random.Generator) -> tuple[str, Array, Array, Array]:
    """How two hands meet.

    Returns:
        the name, R_right_left (3, 3), and the (3,) point and direction along which the left hand comes, in
        the right hand's frame.
    """
    name = RELATIONS[int(rng.integers(len(RELATIONS)))]
    # A right hand has its palm to +z and its thumb to +x; a left one is its mirror image in x.
    wobble = rotation_from_vector(rng.normal(0.0, 0.22, 3))
    about = rng.normal(0.0, [0.012, 0.02, 0.006])
    middle = np.array([0.0, 0.075, 0.01])
    if name == "palms":
        R, way = _turned(y=np.pi), np.array([0.0, 0.0, 1.0])
        R = rotation_from_vector([0.0, 0.0, rng.normal(0.0, 0.5)]) @ R
    elif name == "palm on back":
        R, way = (
            rotation_from_vector([0.0, 0.0, rng.uniform(-1.4, 1.4)]),
            np.array([0.0, 0.0, rng.choice([-1.0, 1.0])]),
        )
    elif name == "crossed":
        R, way = _turned(y=np.pi), np.array([0.0, 0.0, 1.0])
        R = rotation_from_vector([0.0, 0.0, rng.choice([-1.0, 1.0]) * rng.uniform(0.9, 1.7)]) @ R
    elif name == "tips":
        # Finger tips to finger tips, palms towards the person or each other.
        R = _turned(z=np.pi + rng.normal(0, 0.3)) @ _turned(y=rng.choice([0.0, np.pi]))
        way, middle = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.12, 0.02])
        about *= [1.0, 0.3, 1.5]
    elif name == "side by side":
        R, way = np.eye(3), np.array([rng.choice([-1.0, 1.0]), 0.0, 0.0])
        about *= [0.5, 1.0, 0.8]
    else:
        R, way = rotation_from_vector(rng.normal(0.0, 1.2, 3)), rng.normal(0.0, 1.0, 3)
        wobble = np.eye(3)
    way = way / np.linalg.norm(way)
    return name, wobble @ R, middle + about, way


def bring_together(right: FreeHand, left: FreeHand, R: Array, middle: Array, way: Array) -> Array:
    """(4, 4) T_right_left at which the hands touch.

    Args:
        right, left: the hands.
        R: (3, 3) R_right_left.
        middle: (3,) where the middle of the left hand would be if it came all the way.
        way: (3,) unit direction from which it comes.
    """
    starts, ends = left.starts @ R.T, left.ends @ R.T
    aim = middle - R @ np.median(left.skin.vertices, axis=0)
    apart = 0.32
    for _ in range(40):
        here = aim + apart * way
        gap = gap_between(right.starts, right.ends, right.radii, starts + here, ends + here, left.radii)
        apart -= gap
        if gap < 5e-4 or apart < -0.25:
            break
    # Capsules are the mean of the flesh: where it really meets is between a place too near and one too far.
    near, far = (np.nan, 0.0), (np.nan, 0.0)
    for _ in range(_STEPS):
        depth = depth_between(right.skin, left.skin.moved(R, aim + apart * way))
        if 0.0 <= depth <= CONTACT_M:
            return rigid(R, aim + apart * way)
        if depth > 0.0:
            near = apart, depth
        else:
            far = apart, depth
        if np.isnan(near[0] + far[0]):
            # A gap is the least there is to go; aslant it would never be closed by its own length.
            apart += depth + (0.5 * CONTACT_M if depth > 0.0 else -0.5 * CONTACT_M)
        else:
            share = (near[1] - 0.5 * CONTACT_M) / (near[1] - far[1])
            apart = near[0] + np.clip(share, 0.1, 0.9) * (far[0] - near[0])
    return rigid(R, aim + (apart if np.isnan(far[0]) else far[0]) * way)


def _turned(*, y: float = 0.0, z: float = 0.0) -> Array:
    return np.asarray(rotation_from_vector([0.0, y, z]))
