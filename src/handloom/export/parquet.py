"""Parquet, wide: ``keypoints3d_wide.parquet`` with one row per frame and three columns per joint.

Columns are ``frame``, ``time_s``, ``unit`` and ``<track>_<joint>_x``, ``_y``, ``_z``; null is missing. The
tidy tables with covariances are the session's own ``keypoints3d.parquet`` and ``keypoints2d.parquet``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from handloom.export.wide import wide_schema, wide_tables
from handloom.keypoints import Track
from handloom.session import Session
from handloom.session.files import whole_file
from handloom.session.layout import table_metadata


def write(session: Session, folder: Path, tracks: Sequence[Track]) -> list[Path]:
    """Write the session, see the module; called by :func:`handloom.export.export`."""
    path = folder / "keypoints3d_wide.parquet"
    schema = wide_schema(tracks).with_metadata(table_metadata(session.unit, session.views))
    with whole_file(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for table in wide_tables(session, tracks):
            writer.write_table(table.replace_schema_metadata(schema.metadata))
    return [path]
