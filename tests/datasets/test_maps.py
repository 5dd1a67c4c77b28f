"""Maps as PNG, and the precision that they keep."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from handloom.datasets.maps import decoded_normals, encoded_normals, map_as_png
from handloom.datasets.pictures import from_bytes


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 3), (1, 1), (1, 4, 3), (64, 48)])
def test_any_png_reader_gets_the_same_pixels(kind: type, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, np.iinfo(kind).max, shape, dtype=kind, endpoint=True)
    read = from_bytes(map_as_png(pixels), cv2.IMREAD_UNCHANGED, "the map")
    assert read.dtype == kind
    # OpenCV's channels are blue, green, red.
    np.testing.assert_array_equal(read[..., ::-1] if pixels.ndim == 3 else read, pixels)


def test_a_view_of_other_pixels_is_written_as_it_looks() -> None:
    pixels = np.arange(48, dtype=np.uint16).reshape(6, 8)[::2, ::-1]
    read = from_bytes(map_as_png(pixels), cv2.IMREAD_UNCHANGED, "the map")
    np.testing.assert_array_equal(read, pixels)


def test_areas_of_one_value_cost_next_to_nothing() -> None:
    assert len(map_as_png(np.full((256, 256, 3), 7, dtype=np.uint16))) < 2000


def test_normals_keep_what_is_known_and_nothing_else() -> None:
    normals = np.random.default_rng(1).normal(size=(9, 7, 3))
    normals = (normals / np.linalg.norm(normals, axis=-1, keepdims=True)).astype(np.float32)
    normals[0] = np.nan
    normals[1, 1, 2] = np.nan  # a vector with a gap is none
    read = decoded_normals(encoded_normals(normals))
    known = np.isfinite(normals).all(axis=-1)
    np.testing.assert_allclose(read[known], normals[known], atol=1.0 / 32767)
    assert np.isnan(read[~known]).all()
