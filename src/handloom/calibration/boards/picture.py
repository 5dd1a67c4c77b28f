"""What all boards do with a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def grey(image: Picture) -> Picture:
    """(H, W) brightness of an (H, W) or (H, W, 3) RGB picture."""
    picture = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.ascontiguousarray(picture, dtype=np.uint8)


def shrunk(picture: Picture, longest: int = 800) -> tuple[Picture, int]:
    """The picture averaged over blocks until its longer side is about ``longest``; the side of a block."""
    shrink = max(1, round(max(picture.shape) / longest))
    if shrink == 1:
        return picture, 1
    size = (picture.shape[1] // shrink, picture.shape[0] // shrink)
    whole = picture[: size[1] * shrink, : size[0] * shrink]  # whole blocks are averaged much faster
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8), shrink


def bilinear(picture: Picture, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """(...) brightness at (..., 2) pixels; the border goes on outside.

    Exact to rounding, unlike ``cv2.remap``, which knows positions to 1/32 of a pixel only.
    """
    height, width = picture.shape
    x = np.clip(at[..., 0], 0.0, width - 1.001)
    y = np.clip(at[..., 1], 0.0, height - 1.001)
    left, top = x.astype(np.intp), y.astype(np.intp)
    x, y = x - left, y - top
    flat, first = picture.ravel(), top * width + left
    upper = flat[first] * (1 - x) + flat[first + 1] * x
    lower = flat[first + width] * (1 - x) + flat[first + width + 1] * x
    result: NDArray[np.float64] = upper * (1 - y) + lower * y
    return result
