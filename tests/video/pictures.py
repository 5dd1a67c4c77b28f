"""Pictures that carry a number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIZE = (96, 64)


def picture(number: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """(H, W, 3) picture with ``number`` (below 256) as eight black or white fields over noise."""
    width, height = size
    image = np.random.default_rng(number).integers(96, 160, (height, width, 3)).astype(np.uint8)
    for bit in range(8):
        left, right = bit * width // 8, (bit + 1) * width // 8
        image[: height // 2, left:right] = 255 if number >> bit & 1 else 0
    return image


def number_in(image: NDArray[np.uint8]) -> int:
    """The number that :func:`picture` wrote."""
    height, width = image.shape[:2]
    fields = [image[: height // 2, b * width // 8 : (b + 1) * width // 8].mean() for b in range(8)]
    return sum(1 << bit for bit, mean in enumerate(fields) if mean > 128)
