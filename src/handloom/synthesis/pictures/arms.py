"""A posed hand as a mesh for pictures: with its forearm and elbow, and with a sleeve where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from handloom.datasets.sample import FIRST_PART, PERSON
from handloom.hand import load_open_hand
from handloom.rendering.forearm import cap, forearm_line, forearm_rings, tube
from handloom.rendering.hand_surface import wrist_loop
from handloom.rendering.scene import Mesh

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

HAND_TEXTURE, ARM_TEXTURE, SLEEVE_TEXTURE, STRAP_TEXTURE = range(4)
"""Where a person's atlas holds what."""
TEXTURES = 4

ARM_M = 0.85
_ARM = np.array(
    [0.006, 0.014, 0.024, 0.036, 0.05, 0.068, 0.09, 0.115, 0.145, 0.18, 0.22, 0.25, 0.27, 0.29, 0.31, 0.33,
     0.37, 0.45, 0.6, ARM_M]
)  # fmt: skip
_SLEEVE = np.array(
    [0.022, 0.004, 0.0, 0.0, 0.006, 0.02, 0.038, 0.058, 0.08, 0.105, 0.135, 0.165, 0.19, 0.21, 0.23, 0.25,
     0.27, 0.3, 0.34, 0.42, 0.52, 0.62, 0.85]
)  # fmt: skip
_INSIDE = 3
"""So many rings of the sleeve lie inside it."""


@dataclass(frozen=True)
class Sleeve:
    """How a sleeve falls.

    Attributes:
        cuff: metres behind the wrist at which it starts.
        looseness: its width relative to the arm's.
        folds: depth of its folds relative to its width.
        seed: of the folds.
    """

    cuff: float
    looseness: float
    folds: float
    seed: int


@dataclass(frozen=True, eq=False)
class ArmPose:
    """How the arm goes on behind the wrist, rotation vectors.

    Attributes:
        bend: (3,) of the wrist, in the hand's frame.
        elbow: (3,) of the elbow, in the forearm's frame.
    """

    bend: Array
    elbow: Array


@dataclass(frozen=True, eq=False)
class _Topology:
    loop: Indices
    faces: Indices
    uv: Array
    uv_faces: Indices
    texture: Indices
    label: Indices
    angle: Array
    part: Indices


@cache
def _topology(side: str) -> _Topology:
    model = load_open_hand(side)
    loop = wrist_loop(model.faces)
    edge = model.template[loop] - model.template[loop].mean(axis=0)
    angle = np.arctan2(edge[:, 2], edge[:, 0] if side == "right" else -edge[:, 0]) % (2 * np.pi)
    forwards = np.median(np.diff(np.unwrap(angle))) > 0
    first = int(angle.argmin() if forwards else angle.argmax())
    loop, angle = np.roll(loop, -first), np.unwrap(np.roll(angle, -first))
    angle = np.append(angle, angle[0] + (2 * np.pi if forwards else -2 * np.pi))

    count, start = len(loop), len(model.template)
    near = np.vstack([loop, start + np.arange(len(_ARM) * count).reshape(-1, count)])
    arm = np.vstack([tube(near), cap(near[-1], start + len(_ARM) * count)])
    grid = np.stack(np.meshgrid(angle / (2 * np.pi), 1.0 - np.append(0.0, _ARM) / ARM_M), axis=-1)
    corner = len(model.uv) + np.arange(grid[..., 0].size).reshape(-1, count + 1)
    end = len(model.uv) + grid[..., 0].size
    arm_uv = np.vstack([tube(corner, closed=False), cap(corner[-1], end, closed=False)])
    part = model.weights[model.faces].sum(axis=1).argmax(axis=1)
    return _Topology(
        loop,
        np.vstack([model.faces, arm]),
        np.vstack([model.uv, grid.reshape(-1, 2), [[0.5, 0.0]]]),
        np.vstack([model.uv_faces, arm_uv]),
        np.repeat([HAND_TEXTURE, ARM_TEXTURE], [len(model.faces), len(arm)]),
        np.concatenate([FIRST_PART[side] + part, np.full(len(arm), PERSON)]),
        angle,
        part,
    )


def arm_mesh(side: str, vertices: Array, R: Array, pose: ArmPose, openness: Array) -> Mesh:
    """A hand with its arm.

    Args:
        side: of the hand.
        vertices: (V, 3) posed vertices of the open hand, in the world.
        R: (3, 3) orientation of the wrist.
        pose: of the arm.
        openness: (V,) of the hand's vertices.
    """
    topology = _topology(side)
    rings = forearm_rings(vertices[topology.loop], R, pose.bend, _ARM, _girth(_ARM), pose.elbow)
    full = np.vstack([vertices, rings.reshape(-1, 3), rings[-1].mean(axis=0)])
    return Mesh(
        full,
        topology.faces,
        topology.uv,
        topology.uv_faces,
        topology.texture,
        topology.label,
        np.concatenate([openness, np.ones(len(full) - len(vertices))]),
    )


def sleeve_mesh(side: str, vertices: Array, R: Array, pose: ArmPose, sleeve: Sleeve) -> Mesh:
    """The sleeve over an arm; arguments as in :func:`arm_mesh`."""
    topology = _topology(side)
    inside = np.arange(len(_SLEEVE)) < _INSIDE
    along = np.minimum(_SLEEVE + sleeve.cuff, ARM_M + 0.02)
    girth = _girth(along) * (sleeve.looseness + 0.06 * np.clip(_SLEEVE / 0.1, 0, 1))[:, None] + 0.05
    girth[inside] -= 0.075
    rings = forearm_rings(vertices[topology.loop], R, pose.bend, along, girth, pose.elbow)
    folded = _fold(topology.angle[:-1], along, sleeve) * ~inside[:, None]
    centres = rings.mean(axis=1, keepdims=True)
    rings = centres + (rings - centres) * (1.0 + folded[..., None])
    count = rings.shape[1]
    index = np.arange(len(rings) * count).reshape(-1, count)
    faces = np.vstack([tube(index), cap(index[-1], index.size)])
    grid = np.stack(np.meshgrid(topology.angle / (2 * np.pi), 1.0 - along / (ARM_M + 0.02)), axis=-1)
    corner = np.arange(grid[..., 0].size).reshape(-1, count + 1)
    uv_faces = np.vstack([tube(corner, closed=False), cap(corner[-1], corner.size, closed=False)])
    openness = np.repeat(np.where(inside, 0.35, 1.0), count)
    # Valleys of the folds are darker.
    openness = openness * np.clip(1.0 + 5.0 * folded.ravel(), 0.55, 1.0)
    return Mesh(
        np.vstack([rings.reshape(-1, 3), rings[-1].mean(axis=0)]),
        faces,
        np.vstack([grid.reshape(-1, 2), [[0.5, 0.0]]]),
        uv_faces,
        np.full(len(faces), SLEEVE_TEXTURE),
        np.full(len(faces), PERSON),
        np.append(openness, 1.0),
    )


def strap_mesh(side: str, vertices: Array, R: Array, pose: ArmPose, behind: float) -> Mesh:
    """The strap and case of a watch; ``behind`` is its place, metres behind the wrist."""
    topology = _topology(side)
    offset = np.array([-0.010, -0.009, -0.003, 0.003, 0.009, 0.010])
    swell = np.array([-0.05, 0.09, 0.10, 0.10, 0.09, -0.05])
    along = behind + offset
    rings = forearm_rings(
        vertices[topology.loop], R, pose.bend, along, _girth(along) + swell[:, None], pose.elbow
    )
    # The case sits on the back of the arm.
    back = np.clip(np.cos(topology.angle[:-1] - 1.5 * np.pi) * 6.0 - 4.6, 0, 1)
    lift = np.array([0.0, 0.7, 1.0, 1.0, 0.7, 0.0])[:, None] * back
    wide = along[:, None] + 1.1 * offset[:, None] * back
    case = forearm_rings(
        vertices[topology.loop],
        R,
        pose.bend,
        wide.max(axis=1),
        _girth(along) + swell[:, None] + 0.22,
        pose.elbow,
    )
    rings = np.where(lift[..., None] > 0, rings + lift[..., None] * (case - rings), rings)
    count = rings.shape[1]
    index = np.arange(len(rings) * count).reshape(-1, count)
    grid = np.stack(np.meshgrid(topology.angle / (2 * np.pi), np.linspace(0.02, 0.98, len(along))), axis=-1)
    corner = np.arange(grid[..., 0].size).reshape(-1, count + 1)
    faces = tube(index)
    return Mesh(
        rings.reshape(-1, 3), faces, grid.reshape(-1, 2), tube(corner, closed=False),
        np.full(len(faces), STRAP_TEXTURE), np.full(len(faces), PERSON), np.ones(rings[..., 0].size),
    )  # fmt: skip


def arm_line(vertices: Array, side: str, R: Array, pose: ArmPose) -> Array:
    """(K, 3) points along the middle of an arm, from the wrist to beyond the elbow."""
    return forearm_line(vertices[_topology(side).loop].mean(axis=0), R, pose.bend, _ARM, pose.elbow)


def part_of_faces(side: str) -> Indices:
    """(F,) index in ``HAND_TREE`` of the joint that moves each face of the open hand."""
    return _topology(side).part


def _girth(distance: Array) -> Array:
    """(K, 2) width and depth of an arm relative to the wrist's."""
    at = [0.0, 0.02, 0.05, 0.1, 0.16, 0.22, 0.29, 0.36, ARM_M]
    width = [1.0, 0.98, 1.0, 1.13, 1.30, 1.40, 1.30, 1.35, 1.55]
    depth = [1.0, 0.98, 1.0, 1.15, 1.38, 1.55, 1.50, 1.55, 1.80]
    return np.stack([np.interp(distance, at, width), np.interp(distance, at, depth)], axis=-1)


def _fold(angle: Array, along: Array, sleeve: Sleeve) -> Array:
    """(K, N) folds that run round and slightly along the sleeve."""
    rng = np.random.default_rng(sleeve.seed)
    total = np.zeros((len(along), len(angle)))
    for _ in range(5):
        turns = rng.integers(0, 4)
        wave = (
            2 * np.pi * along[:, None] / rng.uniform(0.035, 0.10) + turns * angle + rng.uniform(0, 2 * np.pi)
        )
        total += rng.uniform(0.4, 1.0) * np.sin(wave)
    calm = np.clip((along - sleeve.cuff) / 0.03, 0.15, 1.0)[:, None]
    return sleeve.folds * calm * total / 2.0
