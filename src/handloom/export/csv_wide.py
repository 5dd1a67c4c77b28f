"""CSV, wide: ``keypoints3d_wide.csv`` with one row per frame and three columns per joint.

Columns are ``frame``, ``time_s``, ``unit`` and ``<track>_<joint>_x``, ``_y``, ``_z``; an empty field is
missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from handloom.export.csv import write_rows
from handloom.export.wide import wide_schema, wide_tables
from handloom.keypoints import Track
from handloom.session import Session


def write(session: Session, folder: Path, tracks: Sequence[Track]) -> list[Path]:
    """Write the session, see the module; called by :func:`handloom.export.export`."""
    path = folder / "keypoints3d_wide.csv"
    write_rows(path, wide_schema(tracks), wide_tables(session, tracks))
    return [path]
