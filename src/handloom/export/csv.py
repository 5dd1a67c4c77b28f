"""CSV, tidy: ``keypoints3d.csv`` and ``keypoints2d.csv`` with one row per joint that is present.

Columns are those of the session's own tables, and ``unit`` in the 3D one; an empty field is not known. The
rows of one stretch of frames stand together by track.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from handloom.keypoints import Track
from handloom.session import Session
from handloom.session.files import whole_file
from handloom.session.layout import COLUMNS_2D, COLUMNS_3D, KEYPOINTS_2D, KEYPOINTS_3D


def write(session: Session, folder: Path, tracks: Sequence[Track]) -> list[Path]:
    """Write the session, see the module; called by :func:`handloom.export.export`."""
    in_space, in_pictures = folder / "keypoints3d.csv", folder / "keypoints2d.csv"
    schema = _plain(COLUMNS_3D).append(pa.field("unit", pa.string()))
    rows = session.tables(KEYPOINTS_3D, tracks)
    with_unit = (table.append_column("unit", pa.array([session.unit] * len(table))) for table in rows)
    write_rows(in_space, schema, _texts(with_unit, schema))
    schema = _plain(COLUMNS_2D)
    write_rows(in_pictures, schema, _texts(session.tables(KEYPOINTS_2D, tracks), schema))
    return [in_space, in_pictures]


def write_rows(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write tables of one schema after each other as a CSV file, in one piece."""
    options = pa.csv.WriteOptions(quoting_style="needed")
    with whole_file(path) as temporary, pa.csv.CSVWriter(temporary, schema, write_options=options) as writer:
        for table in tables:
            writer.write_table(table)


def _plain(schema: pa.Schema) -> pa.Schema:
    """The schema with text where the session has codes for text."""
    return pa.schema(
        [
            pa.field(field.name, pa.string() if pa.types.is_dictionary(field.type) else field.type)
            for field in schema
        ]
    )


def _texts(tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[pa.Table]:
    for table in tables:
        columns = [_column(table[field.name], field.type) for field in schema]
        yield pa.table(columns, schema=schema)


def _column(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray | pa.Array:
    if pa.types.is_floating(wanted):
        values = column.to_numpy()
        return pa.array(values, wanted, mask=np.isnan(values))
    return column.cast(wanted)
