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


def bilinear(picture: Picture, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """(...) brightness at (..., 2) pixels; the border goes on outside."""
    flat = at.reshape(-1, 1, 2).astype(np.float32)
    # remap wants fewer than 32768 rows; no board has so many samples
    values = cv2.remap(picture, flat[..., 0], flat[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return values.reshape(at.shape[:-1]).astype(np.float64)
