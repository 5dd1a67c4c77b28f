"""A contact sheet of labelled pictures: what a reader makes of a data set, at a glance."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.datasets import HandLabel, Sample
from handloom.skeleton import HAND
from handloom.view.colours import SIDE_COLOURS
from handloom.view.overlay import draw_skeleton

_CAPTION_PX = 16
_PAPER, _INK = (245, 245, 245), (40, 42, 48)


def sample_sheet(samples: Sequence[Sample], *, columns: int = 6, tile: int = 224) -> NDArray[np.uint8]:
    """(H, W, 3) RGB: the pictures in rows with their keypoints and boxes, hidden joints dimmed.

    Args:
        samples: with or without pictures; at least one.
        columns: pictures in a row.
        tile: size of a picture's square, pixels.
    """
    rows = [
        np.hstack([_tile(sample, tile) for sample in samples[start : start + columns]])
        for start in range(0, len(samples), columns)
    ]
    width = max(row.shape[1] for row in rows)
    filled = [
        cv2.copyMakeBorder(row, 0, 0, 0, width - row.shape[1], cv2.BORDER_CONSTANT, value=_PAPER)
        for row in rows
    ]
    return np.asarray(np.vstack(filled), dtype=np.uint8)


def _tile(sample: Sample, size: int) -> NDArray[np.uint8]:
    tile = np.full((size + _CAPTION_PX, size, 3), _PAPER, np.uint8)
    picture, scale = _fitted(sample, size)
    for hand in sample.hands:
        _draw(picture, hand, scale)
    height, width = picture.shape[:2]
    top, left = (size - height) // 2, (size - width) // 2
    tile[top : top + height, left : left + width] = picture
    sides = "".join(hand.side[0].upper() for hand in sample.hands)
    caption, place = f"{sample.key[-24:]} {sides}", (3, size + _CAPTION_PX - 5)
    cv2.putText(tile, caption, place, cv2.FONT_HERSHEY_SIMPLEX, 0.34, _INK, 1, cv2.LINE_AA)
    return tile


def _fitted(sample: Sample, size: int) -> tuple[NDArray[np.uint8], float]:
    """The picture with its longer side made ``size``, and by how much it was scaled."""
    image = sample.image
    if image is None:
        known = sample.camera.image_size if sample.camera is not None else None
        width, height = known or (size, size)
        image = np.full((height, width, 3), 210, np.uint8)
    scale = size / max(image.shape[:2])
    shape = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.ascontiguousarray(cv2.resize(image, shape, interpolation=method), dtype=np.uint8), scale


def _draw(picture: NDArray[np.uint8], hand: HandLabel, scale: float) -> None:
    # Pixel centres are at whole numbers, the corner of the picture at -1/2 stays put.
    draw_skeleton(picture, HAND, (hand.xy + 0.5) * scale - 0.5, thickness=1, used=hand.visible)
    if hand.box is not None and np.isfinite(hand.box).all():
        left, top, right, bottom = (int(v) for v in np.round((hand.box + 0.5) * scale - 0.5))
        colour = SIDE_COLOURS.get(hand.side, SIDE_COLOURS["none"])
        cv2.rectangle(picture, (left, top), (right, bottom), colour, 1)
