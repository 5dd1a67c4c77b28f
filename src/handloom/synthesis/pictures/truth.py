"""What is true of a made picture: keypoints and whether they are seen, masks, depth, normals.

A landmark lies inside the flesh, so it counts as seen when the first surface on the line of sight through it
is skin of its own hand and of a segment that meets at that joint, and lies no deeper in the flesh than the
segment is thick. Skin of the same hand seen before it (a finger across the palm), skin seen from the far side
(the back of the hand before a bent finger tip) and every other surface hide it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.datasets.sample import FIRST_PART, PARTS, PERSON, HandLabel, HandParameters
from handloom.hand import HAND_TREE, HandModel
from handloom.rendering.rasteriser import Fragments
from handloom.rendering.scene import Scene
from handloom.skeleton import HAND

Array = NDArray[np.float64]

_THICK_M = {"wrist": 0.040, "cmc": 0.032, "mcp": 0.030}
_THICK_FINGER_M = 0.020


@dataclass(frozen=True, eq=False)
class Shown:
    """One hand of a scene in one frame, in the world.

    Attributes:
        model: of its side.
        angles: (15, 3) radians.
        shape: (B,).
        T_world_wrist: (4, 4).
        vertices: (V, 3).
        keypoints: (21, 3).
    """

    model: HandModel
    angles: Array
    shape: Array
    T_world_wrist: Array
    vertices: Array
    keypoints: Array


def hand_label(camera: Camera, hand: Shown, scene: Scene) -> HandLabel:
    """Everything known of a hand in a picture of a scene."""
    T = camera.T_camera_world
    xy = camera.project(hand.keypoints)
    outline = camera.project(hand.vertices)
    outline = outline[np.isfinite(outline).all(axis=1)]
    box = np.concatenate([outline.min(axis=0), outline.max(axis=0)]) if len(outline) else np.full(4, np.nan)
    return HandLabel(
        side=hand.model.side,
        xy=xy,
        xyz=hand.keypoints @ T[:3, :3].T + T[:3, 3],
        visible=seen(camera, hand, xy, scene),
        box=box,
        vertices=hand.vertices @ T[:3, :3].T + T[:3, 3],
        faces=hand.model.faces,
        parameters=HandParameters(hand.angles, hand.shape, T @ hand.T_world_wrist),
    )


def seen(camera: Camera, hand: Shown, xy: Array, scene: Scene) -> NDArray[np.bool_]:
    """(21,) whether the landmarks of a hand are seen."""
    assert camera.image_size is not None
    depth = (scene.mesh.vertices - camera.center) @ camera.axis
    first, at = first_surface(xy, camera.project(scene.mesh.vertices), depth, scene.mesh.faces)
    own, thick = _segments(hand.model.side)
    label = np.where(first >= 0, scene.mesh.label[first], 0)
    meets = own[np.arange(len(HAND)), np.clip(label, 0, own.shape[1] - 1)]
    below = (hand.keypoints - camera.center) @ camera.axis - at
    # Depth along the axis to length along the line of sight.
    slant = np.linalg.norm(hand.keypoints - camera.center, axis=1) / (
        (hand.keypoints - camera.center) @ camera.axis
    )
    inside = ((xy > -0.5) & (xy < np.array(camera.image_size) - 0.5)).all(axis=1)
    return np.asarray(meets & (first >= 0) & (below * slant < thick) & inside)


def first_surface(
    points: Array, pixels: Array, depth: Array, faces: NDArray[np.int64]
) -> tuple[Array, Array]:
    """The face met first on the lines of sight through (N, 2) pixels, −1 for none, and its depth.

    Faces are those of the rasteriser: projected vertices joined by straight edges, seen from outside.
    """
    found, at = _first(np.ascontiguousarray(points), np.ascontiguousarray(pixels), depth, faces)
    return found, at


def parts_of(fragments: Fragments, scene: Scene) -> NDArray[np.uint8]:
    """(H, W) part numbers of :data:`handloom.datasets.sample.FIRST_PART`."""
    return np.asarray(np.where(fragments.mask, scene.mesh.label[fragments.face], 0), dtype=np.uint8)


def normals_of(
    camera: Camera, fragments: Fragments, scene: Scene, where: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """(H, W, 3) unit normals in the camera's axes, NaN elsewhere."""
    normals = np.full((*where.shape, 3), np.nan, dtype=np.float32)
    turned = (scene.normals @ camera.T_camera_world[:3, :3].T).astype(np.float32)
    _blend(fragments.face, fragments.barycentric, turned, scene.mesh.faces, where, normals)
    return normals


@cache
def _segments(side: str) -> tuple[NDArray[np.bool_], Array]:
    """(21, 256) labels of the segments that meet at each landmark, and (21,) their thickness."""
    own = np.zeros((len(HAND), FIRST_PART["right"] + PARTS), dtype=bool)
    thick = np.empty(len(HAND))
    first = FIRST_PART[side]
    for k, joint in enumerate(HAND.joints):
        segment = joint.split("_")[-1]
        thick[k] = _THICK_M.get(segment, _THICK_FINGER_M)
        at = HAND_TREE.index(joint) if segment != "tip" else HAND_TREE.index(HAND.joints[k - 1])
        own[k, first + at] = True
        if segment != "tip" and HAND_TREE.parents[at] >= 0:
            own[k, first + HAND_TREE.parents[at]] = True
        if segment in ("wrist", "cmc"):
            own[k, [PERSON, first]] = True
    return own, thick


@njit(cache=True, error_model="numpy")
def _first(points, pixels, depth, faces):
    found, at = np.full(len(points), -1), np.full(len(points), np.inf)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        if not (depth[a] > 0 and depth[b] > 0 and depth[c] > 0):
            continue
        ax, ay, bx, by, cx, cy = (
            pixels[a, 0],
            pixels[a, 1],
            pixels[b, 0],
            pixels[b, 1],
            pixels[c, 0],
            pixels[c, 1],
        )
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if not area < 0:
            continue
        low_x, high_x = min(ax, bx, cx), max(ax, bx, cx)
        low_y, high_y = min(ay, by, cy), max(ay, by, cy)
        for n in range(len(points)):
            x, y = points[n, 0], points[n, 1]
            if not (low_x <= x <= high_x and low_y <= y <= high_y):
                continue
            u = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
            v = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
            w = ((ax - x) * (by - y) - (ay - y) * (bx - x)) / area
            if u < 0 or v < 0 or w < 0:
                continue
            z = 1.0 / (u / depth[a] + v / depth[b] + w / depth[c])
            if z < at[n]:
                found[n], at[n] = f, z
    return found, at


@njit(cache=True)
def _blend(face, barycentric, normals, faces, where, out):
    for i in range(face.shape[0]):
        for j in range(face.shape[1]):
            if not where[i, j]:
                continue
            f = face[i, j]
            x = y = z = np.float32(0.0)
            for k in range(3):
                share = barycentric[i, j, k]
                x += share * normals[faces[f, k], 0]
                y += share * normals[faces[f, k], 1]
                z += share * normals[faces[f, k], 2]
            scale = np.float32(1.0) / max(np.sqrt(x * x + y * y + z * z), np.float32(1e-12))
            out[i, j, 0], out[i, j, 1], out[i, j, 2] = x * scale, y * scale, z * scale
