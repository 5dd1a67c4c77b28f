"""Simple solid things: held in the hand, hanging before it, or standing around."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.datasets.sample import NOTHING, PERSON
from handloom.hand.kinematics import rotation_from_vector
from handloom.rendering.scene import Mesh, Textures
from handloom.synthesis.pictures.arms import TEXTURES
from handloom.synthesis.pictures.patterns import colour, octaves, speckled, wood

Array = NDArray[np.float64]

HELD = ("cylinder", "pen", "phone", "ball", "box", "card")
HANGING = ("cut-out", "box", "ball", "cylinder", "card")


@dataclass(frozen=True, eq=False)
class Things:
    """Meshes with their textures, counted after those of the person."""

    meshes: tuple[Mesh, ...]
    textures: Textures


@dataclass(frozen=True, eq=False)
class Thing:
    """A thing in its own axes.

    Attributes:
        vertices: (V, 3).
        faces: (F, 3).
        uv: (V, 2).
        picture: (h, w, 4).
        label: what it counts as in the masks.
        scatter: as in :class:`Textures`.
    """

    vertices: Array
    faces: NDArray[np.int64]
    uv: Array
    picture: NDArray[np.float32]
    label: int = NOTHING
    scatter: float = 0.1


def gather(things: Sequence[tuple[Thing, Array]]) -> Things:
    """Things at (4, 4) places in the world."""
    meshes = []
    for number, (thing, T) in enumerate(things):
        count = len(thing.faces)
        meshes.append(
            Mesh(
                thing.vertices @ T[:3, :3].T + T[:3, 3], thing.faces, thing.uv, thing.faces,
                np.full(count, TEXTURES + number), np.full(count, thing.label), np.ones(len(thing.vertices)),
            )
        )  # fmt: skip
    textures = Textures.of([t.picture for t, _ in things], [t.scatter for t, _ in things])
    return Things(tuple(meshes), textures)


def draw_thing(kind: str, rng: np.random.Generator) -> Thing:
    """A thing of a kind, its long axis along x, about as large as what hands hold."""
    if kind == "pen":
        return _cylinder(rng.uniform(0.0035, 0.006), rng.uniform(0.12, 0.16), _surface(rng, 0.5))
    if kind == "cylinder":
        return _cylinder(rng.uniform(0.012, 0.034), rng.uniform(0.09, 0.22), _surface(rng, 0.25))
    if kind == "ball":
        return _ball(rng.uniform(0.018, 0.045), _surface(rng, 0.15))
    if kind == "phone":
        picture = _surface(rng, 0.4)
        picture[..., :3] = rng.choice([0.01, 0.015, 0.4]) * (1.0 + 0.2 * rng.uniform(-1, 1, 3))
        return _box(np.array([rng.uniform(0.14, 0.165), 0.074, 0.009]), picture)
    if kind == "card":
        return _box(np.array([rng.uniform(0.08, 0.2), rng.uniform(0.05, 0.14), 0.0012]), _surface(rng, 0.05))
    if kind == "cut-out":
        return _cut_out(rng)
    return _box(rng.uniform(0.025, 0.12, 3) * [1.0, 0.8, 0.6], _surface(rng, 0.15))


def skin_like(skin: Array, rng: np.random.Generator) -> Thing:
    """Something the colour of skin: a limb of somebody else, or a thing that only looks like it."""
    limb = rng.random() < 0.6
    tone = skin * np.exp(rng.normal(0.0, 0.3)) * (1.0 + 0.08 * rng.uniform(-1, 1, 3))
    picture = np.empty((64, 64, 4), dtype=np.float32)
    picture[..., :3] = np.clip(tone * (1.0 + 0.06 * octaves(rng, (64, 64), 5, 3))[..., None], 0.004, 0.95)
    picture[..., 3] = 0.04
    if limb:
        made = _cylinder(rng.uniform(0.028, 0.05), rng.uniform(0.3, 0.6), picture, bulge=0.25)
    else:
        made = _ball(rng.uniform(0.03, 0.11), picture)
    return Thing(made.vertices, made.faces, made.uv, picture, PERSON if limb else NOTHING, 0.9)


def anywhere(rng: np.random.Generator) -> Array:
    """(3, 3) a rotation, all alike."""
    axis = rng.normal(size=3)
    return np.asarray(rotation_from_vector(axis / np.linalg.norm(axis) * rng.uniform(0, np.pi)))


def _surface(rng: np.random.Generator, gloss: float) -> NDArray[np.float32]:
    size = (64, 64)
    picture = np.empty((*size, 4), dtype=np.float32)
    kind = rng.integers(4)
    if kind == 0:
        picture[..., :3] = wood(rng, size)
    elif kind == 1:
        picture[..., :3] = speckled(rng, size)
    else:
        picture[..., :3] = colour(rng, 0.6, (0.02, 0.75)) * (1.0 + 0.04 * octaves(rng, size, 3, 3))[..., None]
    if kind == 3:
        # A label.
        top, bottom = np.sort(rng.integers(5, 60, 2))
        picture[top:bottom, :, :3] = colour(rng, 0.6, (0.02, 0.8))
    picture[..., 3] = gloss * rng.uniform(0.1, 1.0)
    return np.clip(picture, 0.003, 0.95)


def _cylinder(radius: float, length: float, picture: NDArray[np.float32], bulge: float = 0.0) -> Thing:
    around, along = 18, 7
    angle = np.linspace(0, 2 * np.pi, around + 1)
    at = np.linspace(-0.5, 0.5, along)
    wide = radius * (1.0 + bulge * np.cos(np.pi * at))
    ends = np.array([[-0.5], [0.5]])
    x = np.concatenate([ends[:1, 0], at, ends[1:, 0]]) * length
    r = np.concatenate([[0.0], wide, [0.0]])
    # The rims are doubled, so that the ends are flat and sharp.
    x, r = np.insert(x, [1, along + 1], [x[0], x[-1]]), np.insert(r, [1, along + 1], [wide[0], wide[-1]])
    return _revolved(x, r, angle, picture, sharp=True)


def _ball(radius: float, picture: NDArray[np.float32]) -> Thing:
    at = np.linspace(0, np.pi, 13)
    return _revolved(-radius * np.cos(at), radius * np.sin(at), np.linspace(0, 2 * np.pi, 21), picture)


def _revolved(x: Array, r: Array, angle: Array, picture: NDArray[np.float32], sharp: bool = False) -> Thing:
    count = len(angle)
    vertices = np.stack(
        [np.repeat(x, count), np.outer(r, np.cos(angle)).ravel(), np.outer(r, np.sin(angle)).ravel()], axis=-1
    )
    uv = np.stack(
        np.meshgrid(np.linspace(0.02, 0.98, count), np.linspace(0.02, 0.98, len(x))), axis=-1
    ).reshape(-1, 2)
    rows = [k for k in range(len(x) - 1) if not sharp or x[k] != x[k + 1] or r[k] != r[k + 1]]
    index = np.arange(len(x) * count).reshape(len(x), count)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    faces = np.stack([np.stack([a, b, d], axis=-1), np.stack([a, d, c], axis=-1)], axis=2)[rows].reshape(
        -1, 3
    )
    return Thing(vertices, faces[:, ::-1].copy(), uv, picture)


def _box(size: Array, picture: NDArray[np.float32]) -> Thing:
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float64)
    vertices: list[Array] = []
    faces: list[NDArray[np.int64]] = []
    uv: list[Array] = []
    for axis in range(3):
        for side in (0.0, 1.0):
            square = np.zeros((4, 3))
            square[:, axis] = side
            square[:, (axis + 1) % 3], square[:, (axis + 2) % 3] = corners.T
            start = len(vertices) * 4
            order = np.array([[0, 1, 2], [0, 2, 3]]) if side else np.array([[0, 2, 1], [0, 3, 2]])
            vertices.append((square - 0.5) * size)
            faces.append(order + start)
            uv.append(0.04 + 0.92 * corners)
    return Thing(np.concatenate(vertices), np.concatenate(faces), np.concatenate(uv), picture)


def _cut_out(rng: np.random.Generator) -> Thing:
    """A flat shape with two sides, like a leaf, a sheet torn, somebody's shoulder."""
    count = int(rng.integers(5, 14))
    at = np.linspace(0, 2 * np.pi, count, endpoint=False)
    reach = rng.uniform(0.025, 0.07) * rng.uniform(0.5, 1.3, count)
    rim = np.stack([reach * np.cos(at) * rng.uniform(1.0, 2.0), reach * np.sin(at), np.zeros(count)], axis=-1)
    vertices = np.vstack([rim, np.zeros(3), rim, np.zeros(3)])
    ring = np.arange(count)
    front = np.stack([ring, np.roll(ring, -1), np.full(count, count)], axis=-1)
    back = front[:, ::-1] + count + 1
    uv = 0.5 + 0.45 * vertices[:, :2] / np.abs(vertices[:, :2]).max()
    return Thing(vertices, np.concatenate([front, back]), uv, _surface(rng, 0.1))
