"""Tags whose corners touch other squares, as on Kalibr's AprilGrid."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.calibration.boards.board import Array
from handloom.calibration.boards.detection import Markers, find_quads
from handloom.calibration.boards.dictionaries import dictionary
from handloom.calibration.boards.layout import predict
from handloom.calibration.boards.picture import Picture, bilinear
from handloom.calibration.boards.saddle import refine

_UNIT = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
_CORNER_SCORE = 0.7
_WRONG_BITS = 4  # tags of 36h11 differ in 11
_BORDERS = (2, 1)  # cells


def find_tags(picture: Picture, name: str, count: int, unit: float, shape: Array) -> Markers:
    """Tags of a dictionary.

    OpenCV reads a marker only where it stands alone. Here the surroundings are made lighter until the squares
    part; the four sides seen then are moved to the true corners, and the bits read from the picture as it
    was.

    Args:
        picture: (H, W).
        name: of the dictionary.
        count: how many of the dictionary's tags, from the first, may occur.
        unit: how far the edges at a corner go on, in sides of a tag, over 0.4.
        shape: (4, 3) what the corners look like, clockwise from the upper left.
    """
    quads = []
    for size in (3, 5):
        parted = np.asarray(cv2.dilate(picture, np.ones((size, size), np.uint8)), np.uint8)
        quads.append(find_quads(parted))
    corners = _separate(np.concatenate(quads))
    if not len(corners):
        return Markers(np.zeros(0, np.int32), np.zeros((0, 4, 2)))
    # sides of each quad as its axes, one pair at every corner
    next_, previous = np.roll(corners, -1, axis=1) - corners, np.roll(corners, 1, axis=1) - corners
    x_axis = np.stack([next_[:, 0], next_[:, 0], -next_[:, 2], -next_[:, 2]], axis=1)
    y_axis = np.stack([previous[:, 0], next_[:, 1], next_[:, 1], previous[:, 0]], axis=1)
    J = np.stack([x_axis, y_axis], axis=-1)
    found = refine(
        picture,
        corners.reshape(-1, 2),
        J.reshape(-1, 2, 2) * unit,
        np.tile(shape, (len(corners), 1)),
        1 / 8 / unit,
    )
    moved = np.linalg.norm(found.pixels.reshape(-1, 4, 2) - corners, axis=-1)
    side = np.linalg.norm(next_, axis=-1).min(axis=1)
    good = (found.score.reshape(-1, 4) > _CORNER_SCORE).all(axis=1) & (moved.max(axis=1) < 0.2 * side)
    corners = found.pixels.reshape(-1, 4, 2)[good]
    ids, rows, turned = [], [], []
    for row, quad in enumerate(corners):
        number, turn = _read(picture, quad, name, count)
        if number >= 0:
            ids.append(number)
            rows.append(row)
            turned.append(np.roll(quad, -turn, axis=0))
    if not ids:
        return Markers(np.zeros(0, np.int32), np.zeros((0, 4, 2)))
    return Markers(np.array(ids, np.int32), np.stack(turned))


def _separate(quads: Array) -> Array:
    """(K, 4, 2) each quad once."""
    kept: list[Array] = []
    for quad in quads:
        size = np.linalg.norm(quad[0] - quad[2])
        if all(np.linalg.norm(quad.mean(axis=0) - other.mean(axis=0)) > 0.15 * size for other in kept):
            kept.append(quad)
    return np.stack(kept) if kept else np.zeros((0, 4, 2))


def _read(picture: Picture, quad: Array, name: str, count: int) -> tuple[int, int]:
    """The tag's number, -1 if there is none, and by how many corners it is turned."""
    bits = dictionary(name).markerSize
    known = _codes(name)[:, :count]
    best = (_WRONG_BITS + 1, -1, 0)
    for border in _BORDERS:
        cells = bits + 2 * border
        t = (np.arange(cells) + 0.5) / cells
        v, u = np.meshgrid(t, t, indexing="ij")
        at, _ = predict(_UNIT, quad, np.ones(4), np.stack([u.ravel(), v.ravel()], axis=-1))
        shade = bilinear(picture, at).reshape(cells, cells)
        inner = np.zeros(shape=(cells, cells), dtype=bool)
        inner[border:-border, border:-border] = True
        middle = (np.median(shade[~inner]) + np.percentile(shade[inner], 95)) / 2
        if (shade[~inner] > middle).mean() > 0.1:
            continue
        wrong = (known != (shade[inner] > middle)).sum(axis=-1)
        turn, number = np.unravel_index(int(np.argmin(wrong)), wrong.shape)
        best = min(best, (int(wrong[turn, number]), int(number), int(turn)))
    return best[1], best[2]


@cache
def _codes(name: str) -> NDArray[np.bool_]:
    """(4, M, B²) bits of all tags, turned by 0 to 3 quarters clockwise."""
    family = dictionary(name)
    side = family.markerSize + 2
    bits = [family.generateImageMarker(i, side)[1:-1, 1:-1] > 0 for i in range(len(family.bytesList))]
    return np.stack([[np.rot90(b, -k).ravel() for b in bits] for k in range(4)])
