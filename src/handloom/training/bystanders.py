"""People whose hands are not seen, in focus: what a mask of hands must leave out.

Made pictures have hands and forearms, and what is behind them is out of focus. A network that learns on these
alone takes every skin for a hand, and whatever stands out. So people are painted: heads with faces and hair,
clothes, bare arms that end in a pocket or behind a thing; with blobs in colours of skin, whole or in parts,
of any size. Shapes are lit as if inflated, which is enough to look solid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.synthesis.pictures.cloth import CLOTHS, cloth
from handloom.synthesis.pictures.complexions import TYPES, skin_colours
from handloom.synthesis.pictures.patterns import colour, octaves, smooth_noise
from handloom.synthesis.pictures.places import paint_place

Array = NDArray[np.float64]
Image = NDArray[np.uint8]
Light = NDArray[np.float32]
Mask = NDArray[np.uint8]
_At = Callable[..., Array]
_Oval = Callable[[float, float, float, float], Mask]

_PLACES = ("room", "room", "outdoors", "clutter", "cloth", "desk", "plain")
_FIXED = 4  # bits behind the point of OpenCV's drawing
VERSION = 2
"""Of the pictures that a generator's state gives."""


class _Looks(NamedTuple):
    """Of one person: linear colours, those of clothes for every pixel of the picture; and where light is."""

    skin: Array
    hair: Array
    shirt: Light
    trousers: Light
    light: Array


def paint_bystanders(side: int, rng: np.random.Generator) -> Image:
    """A (side, side, 3) uint8 RGB picture of a place with people, or with parts of them."""
    if rng.random() < 0.2:
        picture = _clothing((side, side), rng)
    else:
        picture = paint_place(_PLACES[rng.integers(len(_PLACES))], (side, side), rng)
    light = _direction(rng)
    for _ in range(rng.integers(0, 6)):
        _blob(picture, light, rng)
    for _ in range(rng.integers(1, 4)):
        _person(picture, side * float(np.exp(rng.uniform(np.log(0.06), np.log(0.6)))), light, rng)
    if rng.random() < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.5))  # type: ignore[assignment]
    exposed = picture * (rng.uniform(0.25, 0.5) / max(float(picture.mean()), 1e-3)) ** 0.6
    return np.asarray(np.rint(255.0 * np.clip(exposed, 0.0, 1.0) ** (1 / 2.2)), np.uint8)


def _person(picture: Light, head: float, light: Array, rng: np.random.Generator) -> None:
    """One person, whose head is so many pixels high."""
    h, w = picture.shape[:2]
    skin = skin_colours(int(rng.integers(len(TYPES))), rng)[0] * rng.uniform(0.7, 1.4)
    hair = np.array([0.06, 0.04, 0.03]) * np.exp(rng.uniform(-1.2, 2.0)) * rng.uniform(0.7, 1.3, 3)
    looks = _Looks(skin, hair, _clothing((h, w), rng), _clothing((h, w), rng), light)
    tilt = rng.normal(0.0, 0.12)
    c, s = head * np.cos(tilt), head * np.sin(tilt)
    axes = np.array([[c, s], [-s, c]])
    centre = np.array([rng.uniform(-0.1, 1.1) * w, rng.uniform(0.0, 0.8) * h])

    def at(*points: tuple[float, float]) -> Array:
        return centre + np.array(points) @ axes

    def draw(mask: Mask, tone: Array | Light, texture: float = 0.06, relief: float = 1.0) -> None:
        _lit(picture, mask, tone, looks.light, rng, texture, relief)

    def oval(x: float, y: float, a: float, b: float) -> Mask:
        return _ellipse(picture, at((x, y))[0], head * a, head * b, tilt)

    broad, length = rng.uniform(0.85, 1.25), rng.uniform(2.2, 3.2)
    draw(_polygon(picture, at((-0.8, length - 0.3), (0.8, length - 0.3), (0.7, 6.5), (0.1, 6.5), (0, 3.6),
                              (-0.1, 6.5), (-0.7, 6.5))), looks.trousers, 0.15)  # fmt: skip
    if rng.random() < 0.4:
        draw(
            _polygon(picture, at((-0.45, 0), (0.45, 0), (0.55, rng.uniform(0.6, 1.3)), (-0.55, 1.0))),
            looks.hair,
            0.3,
        )
    draw(_limb(picture, at((0, 0.3), (0, 0.85)), (0.2 * head, 0.25 * head)), 0.85 * looks.skin)
    shirt = _polygon(picture, at((-0.25, 0.68), (0.25, 0.68), (broad, 0.95), (0.85 * broad, length),
                                 (-0.85 * broad, length), (-broad, 0.95)))  # fmt: skip
    draw(shirt, looks.shirt, rng.uniform(0.05, 0.4))
    if rng.random() < 0.25:
        draw(_polygon(picture, at((-0.25, 0.6), (0.25, 0.6), (0.0, rng.uniform(0.9, 1.5)))), looks.skin)
    for sign in (-1.0, 1.0):
        if rng.random() < 0.85:
            _arm(picture, at, sign * broad, head, looks, rng)
    _head(picture, oval, at, head, looks, rng)


def _arm(picture: Light, at: _At, x: float, head: float, looks: _Looks, rng: np.random.Generator) -> None:
    """An arm, bare or not; its end is hidden by a pocket or a thing."""
    down, in_plane = rng.normal(0.25, 0.3), rng.normal(0.0, 1.0)
    shoulder = np.array([0.92 * x, 1.1])
    elbow = shoulder + 1.25 * np.array([np.sign(x) * np.sin(down), np.cos(down)])
    wrist = elbow + 1.05 * rng.uniform(0.5, 1.0) * np.array([np.sin(in_plane), np.cos(in_plane)])
    points = at(tuple(shoulder), tuple(elbow), tuple(wrist))
    bare = rng.random() < 0.6
    sleeve = looks.skin if rng.random() < 0.2 else looks.shirt
    upper = _limb(picture, points[:2], (0.27 * head, 0.22 * head))
    fore = _limb(picture, points[1:], (0.2 * head, 0.13 * head))
    _lit(picture, upper, sleeve, looks.light, rng, 0.1)
    _lit(picture, fore, looks.skin if bare else looks.shirt, looks.light, rng, 0.05 if bare else 0.15)
    tone = looks.trousers if rng.random() < 0.5 else colour(rng, 0.5, (0.01, 0.8))
    if rng.random() < 0.5:
        cover = _ellipse(picture, points[2], head * rng.uniform(0.25, 0.5), head * rng.uniform(0.2, 0.4), 1.0)
    else:
        extent = head * rng.uniform(0.4, 0.9), head * rng.uniform(0.35, 0.7)
        corners = cv2.boxPoints((points[2].tolist(), extent, rng.uniform(0, 180)))
        cover = _polygon(picture, np.asarray(corners, np.float64))
    _lit(picture, cover, tone, looks.light, rng, 0.15, 0.4)


def _head(picture: Light, oval: _Oval, at: _At, head: float, looks: _Looks, rng: np.random.Generator) -> None:
    """Hair, ears, face."""

    def draw(mask: Mask, tone: Array | Light, texture: float = 0.05, relief: float = 1.0) -> None:
        _lit(picture, mask, tone, looks.light, rng, texture, relief)

    turn = rng.normal(0.0, 0.09)  # of the face to a side
    wide = rng.uniform(0.33, 0.4)
    draw(oval(0, -0.06, wide + 0.06, 0.52), looks.hair, 0.3)
    for sign in (-1, 1):
        draw(oval(sign * (wide + 0.01) - 0.3 * turn, 0.06, 0.05, 0.1), 0.9 * looks.skin)
    draw(oval(turn * 0.3, 0.06, wide, 0.45), looks.skin)
    if rng.random() < 0.25:
        beard = oval(turn * 0.5, 0.33, 0.8 * wide, 0.2)
        draw(beard, 0.4 * looks.skin + 0.6 * looks.hair, 0.3)
    for sign in (-1, 1):
        eye = sign * rng.uniform(0.13, 0.16) + turn
        draw(oval(eye, 0.02, 0.085, 0.05), 0.6 * looks.skin, 0.02, 0.3)
        draw(oval(eye, 0.025, 0.06, 0.028), np.array([0.6, 0.58, 0.55]), 0.02, 0.3)
        draw(oval(eye, 0.025, 0.027, 0.027), np.array([0.04, 0.03, 0.02]) * rng.uniform(0.5, 3.0), 0.0, 0.3)
        draw(oval(eye, -0.07, 0.09, 0.018), 0.7 * looks.hair, 0.1, 0.3)
        draw(oval(0.04 * sign + 1.4 * turn, 0.2, 0.02, 0.014), 0.35 * looks.skin, 0.0, 0.3)
    draw(_limb(picture, at((turn, 0.0), (1.5 * turn, 0.17)), (0.03 * head, 0.055 * head)), 1.08 * looks.skin)
    lips = looks.skin * np.array([1.0, 0.6, 0.6])
    draw(oval(turn, 0.31, rng.uniform(0.09, 0.14), rng.uniform(0.02, 0.05)), lips, 0.05, 0.5)
    if rng.random() < 0.7:
        draw(oval(0, -0.33, wide + 0.02, rng.uniform(0.15, 0.25)), looks.hair, 0.35)
    if rng.random() < 0.2:
        for sign in (-1, 1):
            place = at((sign * 0.15 + turn, 0.02))[0]
            size = (head * 0.12, head * 0.09)
            ring = cv2.subtract(
                _ellipse(picture, place, *size, 0.0),
                _ellipse(picture, place, size[0] - 1.2, size[1] - 1.2, 0.0),
            )
            draw(np.asarray(ring, np.uint8), np.array([0.03, 0.03, 0.03]), 0.0, 0.0)


def _clothing(size: tuple[int, int], rng: np.random.Generator) -> Light:
    """(h, w, 3) linear colour of cloth: smooth, in folds, or in bands as of padded jackets and curtains."""
    kind = CLOTHS[rng.integers(len(CLOTHS))]
    woven = cloth(kind, size, rng, threads=rng.uniform(15, 110))[..., :3] * np.exp(rng.uniform(-0.5, 1.0))
    style = rng.random()
    if style < 0.35:
        folds = octaves(rng, size, rng.uniform(3.0, 12.0), 3, 0.6)
        slope = np.gradient(folds, axis=0) + np.gradient(folds, axis=1)
        woven = woven * (1.0 + rng.uniform(0.15, 0.55) * np.tanh(slope * size[0] / 14.0))[..., None]
    elif style < 0.7:
        y, x = np.mgrid[: size[0], : size[1]] / size[0]
        turn = rng.choice([0.0, np.pi / 2]) + rng.normal(0.0, 0.3)
        along = (x * np.cos(turn) + y * np.sin(turn)) * np.exp(rng.uniform(np.log(3.0), np.log(30.0)))
        wave = np.abs(np.sin(np.pi * (along + rng.uniform(0.0, 0.5) * smooth_noise(rng, size, 4))))
        woven = woven * (1.0 + rng.uniform(0.2, 0.8) * (wave ** rng.uniform(0.3, 1.5) - 0.6))[..., None]
    return np.ascontiguousarray(np.clip(woven, 0.003, 1.2), np.float32)


def _blob(picture: Light, light: Array, rng: np.random.Generator) -> None:
    """Something round or long, often in a colour of skin."""
    h, w = picture.shape[:2]
    skin = skin_colours(int(rng.integers(len(TYPES))), rng)[int(rng.integers(2))]
    like_skin = rng.random() < 0.6
    tone = np.asarray(skin * rng.uniform(0.5, 1.5) if like_skin else _clothing((h, w), rng), np.float64)
    size = w * float(np.exp(rng.uniform(np.log(0.03), np.log(0.35))))
    place = rng.uniform(0.0, 1.0, 2) * [w, h]
    if rng.random() < 0.5:
        around = np.linspace(0, 2 * np.pi, int(rng.integers(5, 14)), endpoint=False)
        radius = size * rng.uniform(0.5, 1.0, len(around))
        mask = _polygon(picture, place + radius[:, None] * np.column_stack([np.cos(around), np.sin(around)]))
        if rng.random() < 0.7:
            mask = np.where(cv2.GaussianBlur(mask, (0, 0), 0.15 * size) > 127, 255, 0).astype(np.uint8)
    else:
        turn = rng.uniform(0, 2 * np.pi)
        end = place + rng.uniform(2.0, 7.0) * size * np.array([np.cos(turn), np.sin(turn)])
        mask = _limb(
            picture, np.array([place, end]), (size * rng.uniform(0.3, 0.7), size * rng.uniform(0.3, 0.7))
        )
    _lit(picture, mask, tone, light, rng, rng.uniform(0.02, 0.3))


def _lit(
    picture: Light,
    mask: Mask,
    tone: Array | Light,
    light: Array,
    rng: np.random.Generator,
    texture: float = 0.05,
    relief: float = 1.0,
) -> None:
    """Fill a shape as if it were inflated and lit from a side.

    Args:
        tone: (3,) linear colour, or (h, w, 3) for every pixel of the picture.
        texture: contrast of spots.
        relief: 1 for round, 0 for flat.
    """
    left, top, wide, high = cv2.boundingRect(mask)
    if not wide or not high:
        return
    rows, columns = slice(top, top + high), slice(left, left + wide)
    share = mask[rows, columns, None].astype(np.float32) / 255.0
    framed = cv2.copyMakeBorder(mask[rows, columns], 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    depth = cv2.distanceTransform((framed > 127).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    deepest = max(float(depth.max()), 1.0)
    height = relief * deepest * np.sqrt(1.0 - (1.0 - depth / deepest) ** 2)
    height = cv2.GaussianBlur(height, (0, 0), 0.5 + 0.12 * deepest)
    along = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=0.125)
    facing = (light[2] - light[0] * along[0] - light[1] * along[1]) / np.sqrt(
        1 + along[0] ** 2 + along[1] ** 2
    )
    shade = np.clip(0.4 + 0.75 * facing, 0.15, 1.5)
    shade = shade * (1.0 + texture * octaves(rng, (high, wide), 4, 3, 0.8))
    tone = np.asarray(tone, np.float32)
    drawn = (tone if tone.ndim == 1 else tone[rows, columns]) * np.clip(shade, 0.05, 2.0)[..., None].astype(
        np.float32
    )
    picture[rows, columns] = (1.0 - share) * picture[rows, columns] + share * drawn


def _direction(rng: np.random.Generator) -> Array:
    """(3,) of the light: from above rather than from below, from the front rather than from behind."""
    light = rng.normal([0.0, -0.5, 0.7], [0.6, 0.4, 0.25])
    return np.asarray(light / np.linalg.norm(light))


def _polygon(picture: Light, points: Array) -> Mask:
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(points * (1 << _FIXED)).astype(np.int32)], 255, cv2.LINE_AA, _FIXED)
    return mask


def _ellipse(picture: Light, centre: Array, a: float, b: float, turn: float) -> Mask:
    around = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    c, s = np.cos(turn), np.sin(turn)
    points = np.column_stack([max(a, 0.3) * np.cos(around), max(b, 0.3) * np.sin(around)])
    return _polygon(picture, centre + points @ np.array([[c, s], [-s, c]]))


def _limb(picture: Light, ends: Array, radii: tuple[float, float]) -> Mask:
    """The hull of two discs."""
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    disc = np.column_stack([np.cos(around), np.sin(around)])
    points = np.concatenate([end + radius * disc for end, radius in zip(ends, radii, strict=True)])
    hull = cv2.convexHull(points.astype(np.float32))[:, 0]
    return _polygon(picture, np.asarray(hull, np.float64))
