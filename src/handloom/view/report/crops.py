"""Squares cut out of the pictures of a recording, as data URLs for the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from handloom.keypoints import Array
from handloom.session import Session
from handloom.view.pictures import Picture, PictureReader

JPEG_QUALITY = 78
PLAIN = 44
"""Grey level where there is no picture."""
_SIZES = ((4, 300), (8, 220), (10**6, 150))  # pixels of a crop for up to so many views
_BEYOND = 0.35  # of the hand's size, shown around it
_LEAST_PX = 40.0


def crop_size(views: int) -> int:
    """Side of a crop in pixels, where so many stand side by side."""
    return next(pixels for most, pixels in _SIZES if views <= most)


def pictures_at(
    session: Session, positions: list[int], videos: Mapping[str, Path]
) -> dict[tuple[int, str], Picture]:
    """Pictures by position on the timeline and view; each recording is read once, forwards.

    Raises:
        VideoError: if a recording cannot be opened.
    """
    found: dict[tuple[int, str], Picture] = {}
    for c, view in enumerate(session.views):
        own = session.source_frames[c]
        numbers = [(p, int(own[p])) for p in sorted(positions) if np.isfinite(own[p])]
        if view not in videos or not numbers:
            continue
        reader = PictureReader(videos[view], numbers[0][1])
        for position, index in numbers:
            picture = reader.at(index)
            if picture is not None:
                found[position, view] = picture
        reader.close()
    return found


def square_around(points: Array) -> tuple[Array, float]:
    """Centre (2,) and side of a square around the (N, 2) points present, with room."""
    present = points[np.isfinite(points).all(axis=-1)]
    if not len(present):
        return np.zeros(2), 100.0
    low, high = present.min(axis=0), present.max(axis=0)
    return 0.5 * (low + high), max(_LEAST_PX, float((high - low).max()) * (1.0 + 2.0 * _BEYOND))


def cut_out(picture: Picture | None, center: Array, side: float, size: int) -> tuple[Picture, Array]:
    """A square of a picture, plain grey without one, and the (2, 3) map of pixels to its own."""
    scale = size / side
    shift = 0.5 * (size - 1) - scale * center
    A = np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])
    if picture is None:
        return np.full((size, size, 3), PLAIN, dtype=np.uint8), A
    kind = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR
    cut = cv2.warpAffine(picture, A, (size, size), flags=kind, borderValue=(PLAIN,) * 3)
    return np.ascontiguousarray(cut, dtype=np.uint8), A


def data_url(picture: Picture) -> str:
    """An RGB picture as a JPEG that stands in the page itself."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")
