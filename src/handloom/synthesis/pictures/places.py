"""Invented places, painted flat: rooms, tables, leaves, clutter, cloth, a studio's paper."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.synthesis.pictures.cloth import CLOTHS, cloth
from handloom.synthesis.pictures.patterns import colour, octaves, smooth_noise, speckled, wood

Array = NDArray[np.float64]
Light = NDArray[np.float32]
Size = tuple[int, int]


def paint_place(kind: str, size: Size, rng: np.random.Generator) -> Light:
    """(h, w, 3) linear light of a place, in focus, of one of ``BACKGROUND_KINDS`` but photographs."""
    paint = {"room": _room, "desk": _desk, "outdoors": _outdoors, "clutter": _clutter, "cloth": _cloth,
             "plain": _plain}[kind]  # fmt: skip
    return np.ascontiguousarray(paint(size, rng), dtype=np.float32)


def _room(size: Size, rng: np.random.Generator) -> Light:
    """A wall in uneven light, furniture, shelves, frames, perhaps a window and a table's edge."""
    h = size[0]
    y, x = _axes(size)
    wall = colour(rng, 0.12, (0.22, 0.75))
    light = 1.0 + rng.uniform(-0.35, 0.35) * (x - 0.5) + rng.uniform(-0.3, 0.2) * (y - 0.5)
    light = light * (1.0 + 0.06 * smooth_noise(rng, size, 2))
    picture = wall * light[..., None]
    if rng.random() < 0.35:
        _box(picture, rng, colour(rng, 0.1, (1.2, 2.5)), (0.15, 0.4), (0.25, 0.6), top=(-0.1, 0.3))
    if rng.random() < 0.4:
        _shelf(picture, rng)
    for _ in range(int(rng.integers(3, 9))):
        _box(picture, rng, colour(rng, 0.35, (0.02, 0.6)), (0.04, 0.35), (0.05, 0.5))
    if rng.random() < 0.5:
        edge = int(h * rng.uniform(0.68, 0.95))
        top = wood(rng, size) if rng.random() < 0.6 else speckled(rng, size)
        picture[edge:] = top[: h - edge] * rng.uniform(0.7, 1.3)
        if edge > 1:
            picture[max(edge - 4, 0) : edge] *= 0.6
    return _shaded_edges(picture, rng)


def _desk(size: Size, rng: np.random.Generator) -> Light:
    """A table seen from above at a slant, with things on it and their soft shadows."""
    h, w = size
    flat = wood(rng, size) if rng.random() < 0.5 else speckled(rng, size)
    for _ in range(int(rng.integers(0, 7))):
        _thing_on_table(flat, rng)
    if rng.random() < 0.3:
        _keyboard(flat, rng)
    light = 1.0 + 0.25 * smooth_noise(rng, size, 1) + rng.uniform(-0.3, 0.3) * (_axes(size)[1] - 0.5)
    flat = np.ascontiguousarray(flat * np.clip(light, 0.4, 2.0)[..., None], dtype=np.float32)
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], dtype=np.float32)
    turn = rng.uniform(-np.pi, np.pi)
    R = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    aim = ((corners - [w / 2, h / 2]) @ R.T * rng.uniform(1.4, 1.8) + [w / 2, h / 2]).astype(np.float32)
    aim += rng.uniform(-0.12, 0.12, (4, 2)).astype(np.float32) * [w, h]
    H = cv2.getPerspectiveTransform(corners, aim.astype(np.float32))
    return cv2.warpPerspective(flat.astype(np.float32), H, (w, h), borderMode=cv2.BORDER_REFLECT)  # type: ignore[return-value]


def _outdoors(size: Size, rng: np.random.Generator) -> Light:
    """Sky, leaves and ground, with discs of light."""
    y, _ = _axes(size)
    horizon = rng.uniform(0.15, 0.75) + 0.04 * smooth_noise(rng, size, 5)
    sky = np.array([0.55, 0.72, 1.0]) * rng.uniform(0.5, 1.3) + np.array([0.5, 0.4, 0.3]) * (
        y[..., None] * 0.8
    )
    green = np.array([0.10, 0.16, 0.045]) * np.exp(rng.uniform(-0.7, 0.9))
    leaves = green * np.exp(0.75 * octaves(rng, size, rng.uniform(8, 22), 4, 0.7))[..., None]
    leaves *= 1.0 + 0.2 * smooth_noise(rng, size, 6)[..., None] * np.array([1.0, 0.2, -0.3])
    ground = colour(rng, 0.3, (0.08, 0.4)) * np.exp(0.3 * octaves(rng, size, 10, 4, 0.7))[..., None]
    floor = rng.uniform(0.6, 1.3)
    picture = np.where((y < horizon)[..., None], sky, leaves)
    picture = np.where((y > floor)[..., None], ground, picture).astype(np.float32)
    for _ in range(int(rng.integers(0, 14))):
        _disc(picture, rng, colour(rng, 0.2, (0.4, 2.0)), rng.uniform(0.01, 0.05), 0.5)
    return picture


def _clutter(size: Size, rng: np.random.Generator) -> Light:
    """Leaves fallen over each other, whose sizes follow a power law as those of things in photographs do
    (Lee et al. 2001)."""
    h, w = size
    picture = np.broadcast_to(colour(rng), (h, w, 3)).astype(np.float32).copy()
    palette = [colour(rng, 0.45, (0.015, 0.75)) for _ in range(int(rng.integers(3, 9)))]
    for _ in range(int(rng.integers(25, 80))):
        size_px = w * 0.025 / np.sqrt(rng.uniform(0.004, 1.0))
        tone = palette[rng.integers(len(palette))] * rng.uniform(0.6, 1.4)
        centre = rng.uniform(-0.1, 1.1, 2) * [w, h]
        _patch(picture, rng, tone, centre, size_px)
    picture *= (1.0 + 0.12 * octaves(rng, size, 5, 4, 0.8))[..., None]
    return picture


def _cloth(size: Size, rng: np.random.Generator) -> Light:
    """Cloth with folds: a bed, a curtain, somebody's clothes."""
    h, w = size
    kind = CLOTHS[rng.integers(len(CLOTHS))]
    side = max(h, w)
    woven = cloth(kind, (side, side), rng, threads=rng.uniform(30, 110))[:h, :w, :3]
    stretch = rng.uniform(1.0, 4.0)
    folds = (
        octaves(rng, size, rng.uniform(1.5, 5.0), 3, 0.5)
        if rng.random() < 0.6
        else smooth_noise(rng, size, 7, stretch)
    )
    slope = np.gradient(folds, axis=1) * w / 12.0 + np.gradient(folds, axis=0) * h / 16.0
    return np.clip(
        woven * (1.0 + 0.35 * np.tanh(slope))[..., None] * rng.uniform(0.8, 1.8), 0.003, 1.5
    ).astype(np.float32)


def _plain(size: Size, rng: np.random.Generator) -> Light:
    """A studio's paper, a screen, the dark."""
    y, x = _axes(size)
    base = colour(rng, 0.4, (0.01, 0.9))
    angle = rng.uniform(0, 2 * np.pi)
    ramp = 1.0 + rng.uniform(0.0, 0.6) * (np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5))
    away = (x - rng.uniform(0.2, 0.8)) ** 2 + (y - rng.uniform(0.2, 0.8)) ** 2
    return np.asarray(base * (ramp * (1.0 - rng.uniform(0.0, 0.5) * away))[..., None], dtype=np.float32)


def with_person(picture: Light, clothes: Array, skin: Array, rng: np.random.Generator) -> Light:
    """A place with a person's chest and head before it, far out of focus.

    Args:
        picture: (h, w, 3) linear light.
        clothes, skin: (3,) linear colours.
        rng: decides the rest.
    """
    h, w = picture.shape[:2]
    centre = w * rng.uniform(0.2, 0.8)
    wide, shoulder = w * rng.uniform(0.22, 0.5), h * rng.uniform(0.25, 0.75)
    head = wide * 0.42
    layer = picture.copy()
    body = np.array(
        [[-1.0, h + 9], [-0.95, shoulder + 0.35 * wide], [-0.35, shoulder],
         [0.35, shoulder], [0.95, shoulder + 0.35 * wide], [1.0, h + 9]]
    ) * [wide, 1.0] + [centre, 0.0]  # fmt: skip
    _fill(layer, body, clothes * rng.uniform(0.5, 1.1))
    neck = shoulder - 0.9 * head
    face = skin * rng.uniform(0.55, 1.0)
    _fill(layer, _ellipse(centre, shoulder, 0.45 * head, 0.9 * head), face * 0.8)
    hair = np.array([0.05, 0.035, 0.025]) * np.exp(rng.uniform(-1.0, 2.0))
    _fill(layer, _ellipse(centre, neck - 0.45 * head, 0.82 * head, 1.02 * head), hair)
    _fill(layer, _ellipse(centre, neck - 0.22 * head, 0.66 * head, 0.88 * head), face)
    x = (np.arange(w, dtype=np.float32) - np.float32(centre)) / np.float32(wide)
    layer = layer * (1.0 - 0.25 * np.clip(np.abs(x), 0, 1) ** 2)[None, :, None]
    mask = np.any(layer != picture, axis=2).astype(np.float32)
    layer = np.where(
        mask[..., None] > 0, layer * (1.0 + 0.08 * octaves(rng, (h, w), 6, 3))[..., None], picture
    )
    return cv2.GaussianBlur(layer.astype(np.float32), (0, 0), h * rng.uniform(0.008, 0.03))  # type: ignore[return-value]


def _shelf(picture: Light, rng: np.random.Generator) -> None:
    """A row of upright backs of books."""
    h, w = picture.shape[:2]
    left, top = rng.uniform(-0.1, 0.6) * w, rng.uniform(0.0, 0.6) * h
    tall, end = rng.uniform(0.12, 0.3) * h, left + rng.uniform(0.25, 0.7) * w
    x = left
    while x < end:
        wide, low = w * rng.uniform(0.012, 0.04), top + tall * rng.uniform(0.0, 0.35)
        _rectangle(picture, x, low, x + wide, top + tall, colour(rng, 0.5, (0.02, 0.6)))
        x += wide
    _rectangle(picture, left, top + tall, end, top + tall * 1.08, colour(rng, 0.2, (0.05, 0.4)))


def _keyboard(flat: Light, rng: np.random.Generator) -> None:
    h, w = flat.shape[:2]
    left, top, key = rng.uniform(0.05, 0.4) * w, rng.uniform(0.05, 0.6) * h, w * rng.uniform(0.028, 0.045)
    dark = rng.choice([0.02, 0.25])
    _rectangle(
        flat, left - 0.4 * key, top - 0.4 * key, left + 13.4 * key, top + 4.9 * key, np.full(3, dark * 1.5)
    )
    for row in range(4):
        for column in range(13):
            x, y = left + (column + 0.12 * row) * key, top + row * 1.1 * key
            _rectangle(flat, x, y, x + 0.86 * key, y + 0.92 * key, np.full(3, dark))


def _thing_on_table(flat: Light, rng: np.random.Generator) -> None:
    h, w = flat.shape[:2]
    tone = colour(rng, 0.3, (0.02, 0.85))
    centre, angle = rng.uniform(0.0, 1.0, 2) * [w, h], rng.uniform(0, np.pi)
    if rng.random() < 0.3:
        r = w * rng.uniform(0.03, 0.1)
        shape = _ellipse(float(centre[0]), float(centre[1]), r, r)
    else:
        half = np.array([rng.uniform(0.04, 0.25), rng.uniform(0.03, 0.18)]) * w
        R = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shape = centre + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half @ R.T
    shadow = np.ones((h, w), dtype=np.float32)
    cv2.fillPoly(shadow, [_fixed(shape + rng.uniform(-0.02, 0.02, 2) * w)], 0.55, shift=3)
    flat *= cv2.GaussianBlur(shadow, (0, 0), 0.012 * w)[..., None]
    _fill(flat, shape, tone)
    if rng.random() < 0.4:
        # Print on paper, a screen, a label.
        inner = centre + 0.7 * (shape - centre)
        _fill(flat, inner, tone * rng.uniform(0.3, 1.6))


def _box(
    picture: Light,
    rng: np.random.Generator,
    tone: Light,
    wide: tuple[float, float],
    tall: tuple[float, float],
    top: tuple[float, float] = (-0.1, 0.85),
) -> None:
    h, w = picture.shape[:2]
    x, y = rng.uniform(-0.1, 0.95) * w, rng.uniform(*top) * h
    dx, dy = rng.uniform(*wide) * w, rng.uniform(*tall) * h
    lean = rng.normal(0.0, 0.03, (4, 2)) * [dx, dy]
    shape = np.array([[x, y], [x + dx, y], [x + dx, y + dy], [x, y + dy]]) + lean
    _fill(picture, shape, tone)
    if rng.random() < 0.5:
        centre = shape.mean(axis=0)
        _fill(picture, centre + rng.uniform(0.6, 0.92) * (shape - centre), tone * rng.uniform(0.5, 1.6))


def _patch(picture: Light, rng: np.random.Generator, tone: Light, centre: Array, size: float) -> None:
    angle = rng.uniform(0, 2 * np.pi)
    R = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    long = rng.uniform(1.0, 3.0)
    if rng.random() < 0.5:
        shape = _ellipse(0.0, 0.0, size * long, size)
    else:
        count = int(rng.integers(3, 7))
        at = np.sort(rng.uniform(0, 2 * np.pi, count))
        shape = np.stack([np.cos(at) * long, np.sin(at)], axis=-1) * size
    _fill(picture, centre + shape @ R.T, tone)


def _disc(picture: Light, rng: np.random.Generator, tone: Light, radius: float, share: float) -> None:
    h, w = picture.shape[:2]
    x, y = rng.uniform(0, w), rng.uniform(0, h)
    layer = picture.copy()
    _fill(layer, _ellipse(x, y, radius * w, radius * w), tone)
    picture += share * (layer - picture)


def _rectangle(
    picture: Light, left: float, top: float, right: float, bottom: float, tone: Array | Light
) -> None:
    _fill(picture, np.array([[left, top], [right, top], [right, bottom], [left, bottom]]), tone)


def _fill(picture: Light, shape: Array, tone: Array | Light) -> None:
    cv2.fillPoly(picture, [_fixed(shape)], [float(c) for c in tone], shift=3)


def _fixed(shape: Array) -> NDArray[np.int32]:
    return np.rint(shape * 8.0).astype(np.int32)


def _ellipse(x: float, y: float, a: float, b: float) -> Array:
    at = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    return np.stack([x + a * np.cos(at), y + b * np.sin(at)], axis=-1)


def _shaded_edges(picture: Light, rng: np.random.Generator) -> Light:
    return np.asarray(
        picture * (1.0 + 0.05 * octaves(rng, picture.shape[:2], 4, 4, 0.8))[..., None], dtype=np.float32
    )


@lru_cache(maxsize=8)
def _axes(size: Size) -> tuple[Light, Light]:
    h, w = size
    y, x = np.meshgrid(
        np.linspace(0, 1, h, dtype=np.float32), np.linspace(0, 1, w, dtype=np.float32), indexing="ij"
    )
    return y, x
