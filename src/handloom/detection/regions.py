"""Regions of interest: rotated squares in a picture, and the crops a network reads from them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Region:
    """A rotated square.

    Attributes:
        x, y: centre, pixels.
        size: side, pixels.
        angle: rotation, radians; 0 is upright, positive turns +X towards +Y (clockwise as seen).
    """

    x: float
    y: float
    size: float
    angle: float = 0.0

    def to_image(self, side: int) -> Array:
        """(2, 3) affine map from the pixels of a ``side``-pixel crop to those of the picture."""
        scale = self.size / side
        c, s = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        half = side / 2
        return np.array([[c, -s, self.x - (c - s) * half], [s, c, self.y - (s + c) * half]])

    def crop(self, image: NDArray[np.uint8], side: int, *, replicate: bool = True) -> NDArray[np.uint8]:
        """Sample a ``side`` × ``side`` crop; outside the picture the border repeats, or is black."""
        border = cv2.BORDER_REPLICATE if replicate else cv2.BORDER_CONSTANT
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(image, self.to_image(side), (side, side), flags=flags, borderMode=border)  # type: ignore[return-value]

    def overlap(self, other: Region) -> float:
        """Intersection over union of the two upright bounding squares, in [0, 1]."""
        half_a, half_b = self._half_extent(), other._half_extent()
        width = min(self.x + half_a, other.x + half_b) - max(self.x - half_a, other.x - half_b)
        height = min(self.y + half_a, other.y + half_b) - max(self.y - half_a, other.y - half_b)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / ((2 * half_a) ** 2 + (2 * half_b) ** 2 - shared)

    def inside(self, image_size: tuple[int, int]) -> bool:
        """Whether the centre lies in a picture of (width, height) pixels."""
        return 0 <= self.x < image_size[0] and 0 <= self.y < image_size[1]

    def _half_extent(self) -> float:
        return self.size * (abs(np.cos(self.angle)) + abs(np.sin(self.angle))) / 2


def letterbox(image_size: tuple[int, int]) -> Region:
    """The smallest upright square around a whole picture of (width, height) pixels."""
    width, height = image_size
    return Region(width / 2, height / 2, float(max(width, height)))


def upright_angle(origin: Array, tip: Array) -> float:
    """Rotation that turns the direction ``origin`` → ``tip`` upwards, in [−π, π)."""
    x, y = tip - origin
    return wrap_angle(np.pi / 2 - np.arctan2(-y, x))


def wrap_angle(angle: float) -> float:
    """The same angle in [−π, π)."""
    return float((angle + np.pi) % (2 * np.pi) - np.pi)
