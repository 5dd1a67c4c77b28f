"""Pictures, masks and maps as bytes of a file; the same pixels give the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.datasets.files import read_image
from handloom.errors import DataSetError

JPG_QUALITY = 95
_PNG_LEVEL = 4  # half the time of the strongest compression, a few per cent more bytes


def as_jpg(image: NDArray[np.uint8], quality: int = JPG_QUALITY) -> bytes:
    """A JPEG of (H, W, 3) RGB or (H, W) grey uint8; ``quality`` from 1 to 100."""
    if not 1 <= quality <= 100:
        raise ValueError(f"JPEG's quality is from 1 to 100, got {quality}")
    return _encoded(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])


def as_png(pixels: NDArray[Any]) -> bytes:
    """A PNG, without loss, of (H, W) or (H, W, 3) RGB uint8 or uint16."""
    return _encoded(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL])


def from_bytes(data: bytes, mode: int, what: str) -> NDArray[Any]:
    """The pixels of an encoded picture.

    Args:
        data: the file's content.
        mode: OpenCV's.
        what: it is, for messages.

    Raises:
        DataSetError: if it is damaged.
    """
    raw = np.frombuffer(data, dtype=np.uint8)
    image = cv2.imdecode(raw, mode | cv2.IMREAD_IGNORE_ORIENTATION) if raw.size else None
    if image is None:
        raise DataSetError(f"{what} is damaged or no picture.", "Fetch or make the data set again.")
    return np.asarray(image)


def picture_size(path: Path) -> tuple[int, int] | None:
    """(width, height) of a picture, None where there is none.

    Raises:
        DataSetError: if it is damaged.
    """
    if not path.exists():
        return None
    height, width = read_image(path, cv2.IMREAD_GRAYSCALE).shape[:2]
    return width, height


def save(path: Path, data: bytes) -> None:
    """Write bytes to a file, making the folders around it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _encoded(suffix: str, pixels: NDArray[Any], options: list[int]) -> bytes:
    # OpenCV's channels are blue, green, red.
    stored = np.ascontiguousarray(pixels)
    if pixels.ndim == 3:
        stored = cv2.cvtColor(stored, cv2.COLOR_RGB2BGR)
    whole, data = cv2.imencode(suffix, stored, options)
    if not whole:
        raise ValueError(f"{pixels.dtype} pixels of shape {pixels.shape} are no picture")
    return data.tobytes()
