"""Where the lens of a picture comes from."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from handloom.pictures import ImageOptions, lens_of
from handloom.pictures.exif import focal_length_35mm

SIZE = (4000, 3000)


def _jpeg(path: Path, focal_mm: int, order: str = "<") -> Path:
    """The head of a JPEG file that says nothing but its focal length."""
    mark = b"II" if order == "<" else b"MM"
    tiff = mark + struct.pack(order + "HI", 42, 8)
    tiff += struct.pack(order + "HHHII", 1, 0x8769, 4, 1, 26) + struct.pack(order + "I", 0)
    tiff += struct.pack(order + "HHHIHHI", 1, 0xA405, 3, 1, focal_mm, 0, 0)
    body = b"Exif\x00\x00" + tiff
    path.write_bytes(b"\xff\xd8\xff\xe1" + struct.pack(">H", len(body) + 2) + body + b"\xff\xd9")
    return path


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_focal_length_of_exif(tmp_path: Path, order: str) -> None:
    path = _jpeg(tmp_path / "a.jpg", 26, order)
    assert focal_length_35mm(path) == 26.0
    lens = lens_of(path, SIZE, ImageOptions())
    assert lens.source == "EXIF"
    assert lens.camera.K[0, 0] == pytest.approx(26 / 43.27 * 5000, rel=1e-3)


def test_a_damaged_exif_counts_as_none(tmp_path: Path) -> None:
    path = _jpeg(tmp_path / "a.jpg", 26)
    whole = path.read_bytes()
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        assert focal_length_35mm(path) in (None, 26.0)
    path.write_bytes(b"")
    assert lens_of(path, SIZE, ImageOptions()).source == "assumed"


def test_what_is_told_comes_before_exif(tmp_path: Path) -> None:
    lens = lens_of(_jpeg(tmp_path / "a.jpg", 26), SIZE, ImageOptions(fov_deg=90.0))
    assert lens.source == "field of view"
    assert lens.camera.K[0, 0] == pytest.approx(2000.0)


def test_what_is_assumed_is_less_certain(tmp_path: Path) -> None:
    assumed = lens_of(tmp_path / "none.png", SIZE, ImageOptions())
    told = lens_of(tmp_path / "none.png", SIZE, ImageOptions(fov_deg=60.0))
    assert assumed.focal_spread > 3 * told.focal_spread
    assert np.allclose(assumed.camera.K[:2, 2], [1999.5, 1499.5])
