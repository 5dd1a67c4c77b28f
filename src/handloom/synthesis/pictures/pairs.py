"""Two hands of one person: apart, or in touch without being in each other.

Hands in touch are turned to each other in one of several ways (palm to palm, palm to back, crossed, finger
tips, side by side or free), start apart, and move along one direction until flesh meets flesh: steps as long
as the gap between their capsules can never pass contact. The last millimetres are taken between the meshes
themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from handloom.hand import HandModel
from handloom.hand.kinematics import rigid, rotation_from_vector
from handloom.hand.mesh import vertex_normals

Array = NDArray[np.float64]

CONTACT_M = 0.0006
"""Meshes this deep in each other count as touching."""
_NEAR_M = 0.02
MIRROR = np.diag([-1.0, 1.0, 1.0])
RELATIONS = ("palms", "palm on back", "crossed", "tips", "side by side", "free")


@dataclass(frozen=True, eq=False)
class FreeHand:
    """A posed hand in its own frame.

    Attributes:
        model: of its side.
        vertices, normals: (V, 3).
        starts, ends, radii: its capsules.
    """

    model: HandModel
    vertices: Array
    normals: Array
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
    own = np.median(left.vertices, axis=0)
    starts, ends, vertices, normals = (
        points @ R.T for points in (left.starts, left.ends, left.vertices, left.normals)
    )
    aim = middle - R @ own
    apart = 0.32
    for _ in range(40):
        here = aim + apart * way
        gap = _gap(right.starts, right.ends, right.radii, starts + here, ends + here, left.radii)
        apart -= gap
        if gap < 5e-4 or apart < -0.25:
            break
    # Capsules are the mean of the flesh: what stands out beyond them is found on the meshes.
    for _ in range(10):
        depth = mesh_depth(right.vertices, right.normals, vertices + aim + apart * way, normals)
        if 0.0 <= depth <= 2 * CONTACT_M:
            break
        apart += float(np.clip(depth - CONTACT_M, -0.004, 0.02))
    return rigid(R, aim + apart * way)


def mesh_depth(a: Array, a_normals: Array, b: Array, b_normals: Array) -> float:
    """Metres by which two meshes are in each other, negative for a gap, from vertices and their normals.

    A gap beyond two centimetres counts as two centimetres.
    """
    low, high = (
        np.maximum(a.min(axis=0), b.min(axis=0)) - _NEAR_M,
        np.minimum(a.max(axis=0), b.max(axis=0)) + _NEAR_M,
    )
    near_a, near_b = ((points >= low).all(axis=1) & (points <= high).all(axis=1) for points in (a, b))
    if not near_a.any() or not near_b.any():
        return -_NEAR_M
    a, a_normals, b, b_normals = a[near_a], a_normals[near_a], b[near_b], b_normals[near_b]
    return max(_deepest(a, b, b_normals), _deepest(b, a, a_normals))


@njit(cache=True, fastmath=True)
def _deepest(points, surface, normals):
    deepest = -0.02
    for i in range(len(points)):
        best, at = 1e9, -1
        for j in range(len(surface)):
            x, y, z = points[i, 0] - surface[j, 0], points[i, 1] - surface[j, 1], points[i, 2] - surface[j, 2]
            squared = x * x + y * y + z * z
            if squared < best:
                best, at = squared, j
        x, y, z = points[i, 0] - surface[at, 0], points[i, 1] - surface[at, 1], points[i, 2] - surface[at, 2]
        below = -(x * normals[at, 0] + y * normals[at, 1] + z * normals[at, 2])
        deepest = max(deepest, below if below > 0.0 else -np.sqrt(best))
    return deepest


@njit(cache=True, fastmath=True)
def _gap(starts, ends, radii, other_starts, other_ends, other_radii):
    """Smallest distance between two sets of capsules, negative for an overlap (Ericson 2005, §5.1.9)."""
    smallest = 1e9
    for i in range(len(radii)):
        for j in range(len(other_radii)):
            uu = vv = uv = uw = vw = 0.0
            for k in range(3):
                u, v = ends[i, k] - starts[i, k], other_ends[j, k] - other_starts[j, k]
                w = starts[i, k] - other_starts[j, k]
                uu += u * u
                vv += v * v
                uv += u * v
                uw += u * w
                vw += v * w
            denominator = uu * vv - uv * uv
            s = 0.5
            if denominator > 1e-9 * uu * vv:
                s = min(max((uv * vw - uw * vv) / denominator, 0.0), 1.0)
            t = min(max((uv * s + vw) / max(vv, 1e-18), 0.0), 1.0)
            s = min(max((uv * t - uw) / max(uu, 1e-18), 0.0), 1.0)
            squared = 0.0
            for k in range(3):
                d = (
                    starts[i, k] + s * (ends[i, k] - starts[i, k])
                    - other_starts[j, k] - t * (other_ends[j, k] - other_starts[j, k])
                )  # fmt: skip
                squared += d * d
            smallest = min(smallest, np.sqrt(squared) - radii[i] - other_radii[j])
    return smallest


def free_hand(model: HandModel, vertices: Array, capsule_ends: tuple[Array, Array], radii: Array) -> FreeHand:
    """A posed hand with its normals."""
    return FreeHand(model, vertices, vertex_normals(vertices, model.faces), *capsule_ends, radii)


def _turned(*, y: float = 0.0, z: float = 0.0) -> Array:
    return np.asarray(rotation_from_vector([0.0, y, z]))
