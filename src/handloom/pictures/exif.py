"""The focal length that a camera wrote into its JPEG file (EXIF 2.3, TIFF 6.0)."""

from __future__ import annotations

import struct
from pathlib import Path

_SUB_DIRECTORY, _FOCAL_35MM = 0x8769, 0xA405
_SHORT = 3
_HEAD_BYTES = 1 << 18  # the header stands before the picture


def focal_length_35mm(path: Path) -> float | None:
    """Focal length in millimetres of a 35 mm camera with the same field of view; None where it is not said.

    Whatever is damaged or missing counts as not said: a picture without it can be read all the same.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return None
    start = head.find(b"Exif\x00\x00")
    if not head.startswith(b"\xff\xd8") or start < 0:
        return None
    try:
        return _read(head[start + 6 :])
    except (struct.error, ValueError):
        return None


def _read(tiff: bytes) -> float | None:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return None
    (first,) = struct.unpack_from(order + "I", tiff, 4)
    inner = _entry(tiff, order, first, _SUB_DIRECTORY)
    if inner is None:
        return None
    focal = _entry(tiff, order, inner, _FOCAL_35MM)
    return float(focal) if focal else None


def _entry(tiff: bytes, order: str, directory: int, wanted: int) -> int | None:
    (count,) = struct.unpack_from(order + "H", tiff, directory)
    for number in range(count):
        at = directory + 2 + 12 * number
        tag, kind = struct.unpack_from(order + "HH", tiff, at)
        if tag == wanted:
            (value,) = struct.unpack_from(order + ("H" if kind == _SHORT else "I"), tiff, at + 8)
            return int(value)
    return None
