"""Sightings come back from a file as they were, and what is no such file says so."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handloom.calibration.boards import parse_board
from handloom.calibration.collect import read_sightings, write_sightings
from handloom.calibration.sightings import Sightings
from handloom.errors import CalibrationError
from handloom.synthesis.board_scene import make_board_scene

BOARD = parse_board("chessboard:5x4:25mm")
KEY = b"handloom.sightings"


@st.composite
def any_sightings(draw: st.DrawFn) -> Sightings:
    cameras, moments = draw(st.integers(1, 4)), draw(st.integers(0, 5))
    names = draw(st.lists(st.text(min_size=1, max_size=6), min_size=cameras, max_size=cameras, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    seen = rng.random((moments, cameras, len(BOARD.points))) < draw(st.sampled_from([0.0, 0.1, 0.7]))
    moment, camera, corner = np.nonzero(seen)
    times = np.where(rng.random(moments) < 0.3, np.nan, rng.normal(size=moments))
    blur = np.where(
        seen.any(axis=-1) & (rng.random((moments, cameras)) < 0.7), rng.random((moments, cameras)), np.nan
    )
    pixels = rng.normal(300, 200, (len(moment), 2))
    sizes = rng.integers(1, 5000, (cameras, 2))
    return Sightings.build(BOARD, tuple(names), sizes, times, camera, moment, corner, pixels, blur)


@given(any_sightings())
@settings(max_examples=40, deadline=None)
def test_write_then_read_gives_the_same(sightings: Sightings) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s.parquet"
        write_sightings(sightings, path)
        again = read_sightings(path)
        first = path.read_bytes()
        write_sightings(again, path)
        assert path.read_bytes() == first
    assert again.board.spec == sightings.board.spec
    assert again.cameras == sightings.cameras
    for name in ("image_sizes", "times_s", "camera", "moment", "corner", "pixels", "blur_px"):
        ours, theirs = getattr(sightings, name), getattr(again, name)
        assert ours.dtype == theirs.dtype, name
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A whole file."""
    write_sightings(make_board_scene(BOARD, cameras=2, moments=10).sightings, tmp_path / "s.parquet")
    return tmp_path / "s.parquet"


def change(path: Path, about: dict[str, Any] | None = None, **columns: Any) -> None:
    """Write a file anew with other metadata or columns."""
    table = pq.read_table(path)
    known = json.loads(table.schema.metadata[KEY])
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    pq.write_table(table.replace_schema_metadata({KEY: json.dumps({**known, **(about or {})})}), path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="There is no file"):
        read_sightings(tmp_path / "s.parquet")


def test_a_file_that_is_no_parquet(tmp_path: Path) -> None:
    (tmp_path / "s.parquet").write_bytes(b"x" * 100)
    with pytest.raises(CalibrationError, match="damaged or not a Parquet file"):
        read_sightings(tmp_path / "s.parquet")


def test_a_truncated_file(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CalibrationError, match="damaged or not a Parquet file"):
        read_sightings(path)


def test_a_table_of_something_else(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1.0]}), tmp_path / "s.parquet")
    with pytest.raises(CalibrationError, match="another program wrote it"):
        read_sightings(tmp_path / "s.parquet")


def test_a_table_without_a_column(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["corner"]), path)
    with pytest.raises(CalibrationError, match="lacks the columns corner"):
        read_sightings(path)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"version": 99}, "its version is 99"),
        ({"board": "chessboard"}, "chessboard"),
        ({"board": "chessboard:3x3:25mm"}, "corner numbers must be from 0 to 8"),
        ({"board": 7}, "not a table of sightings"),
        ({"cameras": []}, "cameras are not named"),
        ({"cameras": [{"name": "cam0", "width": 0, "height": 1}]}, "cameras are not named"),
        (
            {"cameras": [{"name": "cam0", "width": 4, "height": 3}]},
            "name a camera cam1 that it does not list",
        ),
        ({"cameras": [{"name": "cam0"}]}, "it lacks 'width'"),
        ({"moments": 3}, "moment numbers must be from 0 to 2"),
        ({"moments": 10**12}, "claims 1000000000000 moments"),
        ({"moments": 11}, "claims 11 moments"),
        ({"moments_without_rows": None}, "not a table of sightings"),
    ],
)
def test_metadata_that_do_not_fit(path: Path, about: dict[str, Any], message: str) -> None:
    change(path, about)
    with pytest.raises(CalibrationError, match=message):
        read_sightings(path)


def test_the_time_of_a_moment_that_is_none(path: Path) -> None:
    with_rows = len(set(pq.read_table(path)["moment"].to_pylist()))
    change(path, {"moments_without_rows": {"-1": 0.0}, "moments": with_rows + 1})
    with pytest.raises(CalibrationError, match="not a table of sightings"):
        read_sightings(path)


def test_metadata_that_are_no_object(path: Path) -> None:
    table = pq.read_table(path)
    for text in ("[1]", "{", "7"):
        pq.write_table(table.replace_schema_metadata({KEY: text}), path)
        with pytest.raises(CalibrationError, match="not a table of sightings"):
            read_sightings(path)


def test_rows_that_contradict_each_other(path: Path) -> None:
    table = pq.read_table(path)
    time = table["time_s"].to_pylist()
    change(path, time_s=[time[0] + 1, *time[1:]])
    with pytest.raises(CalibrationError, match="corners of one moment have different times"):
        read_sightings(path)


def test_a_corner_that_is_listed_twice(path: Path) -> None:
    corner = pq.read_table(path)["corner"].to_pylist()
    change(path, corner=[corner[1], *corner[1:]])
    with pytest.raises(CalibrationError, match="a corner is listed twice"):
        read_sightings(path)


def test_pixels_that_are_not_numbers(path: Path) -> None:
    x = pq.read_table(path)["x"].to_pylist()
    change(path, x=[float("nan"), *x[1:]])
    with pytest.raises(CalibrationError, match="pixels are not numbers"):
        read_sightings(path)


def test_a_column_of_another_type(path: Path) -> None:
    x = pq.read_table(path)["x"].to_pylist()
    change(path, x=[f"about {value}" for value in x])
    with pytest.raises(CalibrationError, match="not a table of sightings"):
        read_sightings(path)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="cannot be written"):
        write_sightings(make_board_scene(BOARD, 1, 5).sightings, tmp_path / "none" / "s.parquet")
