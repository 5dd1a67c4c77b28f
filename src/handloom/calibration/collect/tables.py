"""Sightings as a Parquet file, so that a calibration can be computed again without the search.

One row per corner (``camera, moment, time_s, corner, x, y, blur_px``). The file's metadata say the rest: the
board, the cameras with the sizes of their pictures, and the times of moments that have no row.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from handloom.calibration.boards import parse_board
from handloom.calibration.sightings import Sightings
from handloom.errors import CalibrationError

_KEY = b"handloom.sightings"
_VERSION = 1
_COLUMNS = pa.schema(
    [
        pa.field("camera", pa.string(), nullable=False),
        pa.field("moment", pa.int32(), nullable=False),
        pa.field("time_s", pa.float64(), nullable=False),
        pa.field("corner", pa.int32(), nullable=False),
        pa.field("x", pa.float64(), nullable=False),
        pa.field("y", pa.float64(), nullable=False),
        pa.field("blur_px", pa.float64(), nullable=False),
    ]
)
_MOST_MOMENTS = 10_000_000


def write_sightings(sightings: Sightings, path: str | Path) -> None:
    """Write sightings to a Parquet file, which appears once it is complete.

    Equal sightings give equal bytes. The blur of views without a corner is not kept.

    Raises:
        CalibrationError: if the file cannot be written.
    """
    path = Path(path)
    rowless = np.setdiff1d(np.arange(len(sightings.times_s)), sightings.moment)
    about = {
        "version": _VERSION,
        "board": sightings.board.spec,
        "cameras": [
            {"name": name, "width": int(width), "height": int(height)}
            for name, (width, height) in zip(sightings.cameras, sightings.image_sizes, strict=True)
        ],
        "moments": len(sightings.times_s),
        "moments_without_rows": {str(m): _number(sightings.times_s[m]) for m in rowless.tolist()},
        "units": {"time_s": "s", "x": "px", "y": "px", "blur_px": "px"},
    }
    table = pa.table(
        {
            "camera": pa.array([sightings.cameras[c] for c in sightings.camera.tolist()], pa.string()),
            "moment": sightings.moment,
            "time_s": sightings.times_s[sightings.moment],
            "corner": sightings.corner,
            "x": sightings.pixels[:, 0],
            "y": sightings.pixels[:, 1],
            "blur_px": sightings.blur_px[sightings.moment, sightings.camera],
        },
        schema=_COLUMNS.with_metadata({_KEY: json.dumps(about, ensure_ascii=False).encode()}),
    )
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        pq.write_table(table, temporary, compression="zstd")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise CalibrationError(
            f"{path} cannot be written: {error.strerror or error}.",
            "Check that its folder exists, that you may write there and that the disk has room.",
        ) from error


def read_sightings(path: str | Path) -> Sightings:
    """Read what :func:`write_sightings` wrote.

    Raises:
        CalibrationError: if the file is missing, damaged, or not a consistent table of sightings.
    """
    path = Path(path)
    if not path.is_file():
        raise CalibrationError(f"There is no file {path}.", "Check the path.")
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise CalibrationError(
            f"{path} is damaged or not a Parquet file: {str(error).splitlines()[0]}.", _AGAIN
        ) from error
    try:
        return _sightings(table)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        fault = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise CalibrationError(f"{path} is not a table of sightings: {fault}.", _AGAIN) from error


_AGAIN = "Collect the sightings from the recordings again."


def _sightings(table: pa.Table) -> Sightings:
    """Sightings of a table; raises ValueError, TypeError or KeyError where it is not one."""
    metadata = (table.schema.metadata or {}).get(_KEY)
    if metadata is None:
        raise ValueError("another program wrote it, and it does not say which board and cameras it is of")
    about = json.loads(metadata)
    if about["version"] != _VERSION:
        raise ValueError(f"its version is {about['version']}, this program reads {_VERSION}")
    missing = [field.name for field in _COLUMNS if field.name not in table.column_names]
    if missing:
        raise ValueError(f"it lacks the columns {', '.join(missing)}")
    table = table.select(_COLUMNS.names).cast(_COLUMNS)
    names = [str(camera["name"]) for camera in about["cameras"]]
    sizes = np.array([[camera["width"], camera["height"]] for camera in about["cameras"]], dtype=np.int64)
    if not names or len(set(names)) < len(names) or sizes.min() < 1:
        raise ValueError("its cameras are not named once each, with the sizes of their pictures")
    numbers = {name: i for i, name in enumerate(names)}
    unknown = set(table["camera"].unique().to_pylist()) - set(names)
    if unknown:
        raise ValueError(f"its rows name a camera {min(map(str, unknown))} that it does not list")
    camera = np.array([numbers[name] for name in table["camera"].to_pylist()], dtype=np.int32)
    column = {name: table[name].to_numpy() for name in _COLUMNS.names[1:]}
    pixels = np.stack([column["x"], column["y"]], axis=-1)
    if not np.isfinite(pixels).all():
        raise ValueError("some of its pixels are not numbers")
    times = _times(about, column["moment"], column["time_s"])
    blur = np.full((len(times), len(names)), np.nan)
    blur[column["moment"], camera] = column["blur_px"]
    if not _agree(blur[column["moment"], camera], column["blur_px"]):
        raise ValueError("corners of one view have different blur_px")
    return Sightings.build(
        parse_board(about["board"]),
        tuple(names),
        sizes,
        times,
        camera,
        column["moment"],
        column["corner"],
        pixels,
        blur,
    )


def _times(
    about: dict[str, Any], moment: NDArray[np.int32], time_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(T,) times of all moments, from the rows and, for moments without one, from the metadata."""
    count = int(about["moments"])
    if not 0 <= count <= _MOST_MOMENTS:
        raise ValueError(f"it claims {count} moments")
    if len(moment) and (moment.min() < 0 or moment.max() >= count):
        raise ValueError(f"moment numbers must be from 0 to {count - 1}")
    rowless = about["moments_without_rows"]
    if len(set(moment.tolist())) + len(rowless) != count:
        raise ValueError(f"it claims {count} moments, and tells the times of another number")
    times = np.full(count, np.nan)
    for text, time in rowless.items():
        if not 0 <= int(text) < count:
            raise ValueError(f"it tells the time of a moment {text} that is none")
        times[int(text)] = np.nan if time is None else float(time)
    times[moment] = time_s
    if not _agree(times[moment], time_s):
        raise ValueError("corners of one moment have different times")
    return times


def _agree(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return bool(np.array_equal(a, b, equal_nan=True))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
