"""What a session folder holds: file names, table columns and the version of both.

A finished session is ``rig.toml`` (the cameras), ``run.toml`` (how it was made), ``frames.parquet`` (the
common timeline), ``keypoints2d.parquet`` and ``keypoints3d.parquet`` (tidy: one row per joint present;
an absent row is a missing joint). ``run.toml`` is written last: where it is, the rest is complete.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import pyarrow as pa

from handloom.skeleton import SKELETONS

SCHEMA_VERSION = 1

RIG = "rig.toml"
RUN = "run.toml"
FRAMES = "frames.parquet"
KEYPOINTS_2D = "keypoints2d.parquet"
KEYPOINTS_3D = "keypoints3d.parquet"
HANDS = "hands.npz"
JOURNAL = ".journal"
PARTIAL = ".partial-"

ROW_GROUP_FRAMES = 512
"""Frames of one row group. Groups end at multiples of it whatever the blocks were, so that a run that was
killed and continued writes the same bytes as one that was not."""

OVERLAYS = "overlays"

DERIVED = ("recording.rrd", "report.html", HANDS, f"{OVERLAYS}/overlay_*.mp4")
"""Patterns of files that later steps make from a session; they go when the session they show is replaced."""

COVARIANCE_TERMS = ("cov_xx", "cov_xy", "cov_xz", "cov_yy", "cov_yz", "cov_zz")
COVARIANCE_ROWS = (0, 0, 0, 1, 1, 2)
COVARIANCE_COLUMNS = (0, 1, 2, 1, 2, 2)

_NAME = pa.dictionary(pa.int8(), pa.string())
_TRACK = [("subject", pa.int16()), ("target", _NAME), ("side", _NAME)]
_INSTANT = [("frame", pa.int32()), ("time_s", pa.float64())]

COLUMNS_2D = pa.schema(
    [
        *_INSTANT,
        ("view", pa.dictionary(pa.int16(), pa.string())),
        *_TRACK,
        ("joint", _NAME),
        *((name, pa.float32()) for name in ("x", "y", "confidence")),
        ("used", pa.bool_()),
    ]
)
COLUMNS_3D = pa.schema(
    [
        *_INSTANT,
        *_TRACK,
        ("joint", _NAME),
        *((name, pa.float64()) for name in ("x", "y", "z", *COVARIANCE_TERMS)),
        ("views_used", pa.int8()),
        ("reprojection_px", pa.float32()),
    ]
)


def columns_frames(views: Sequence[str]) -> pa.Schema:
    """Columns of the timeline: frame, its time, and the frame of each view's own video shown then."""
    return pa.schema([*_INSTANT, *((source_column(view), pa.int32()) for view in views)])


def source_column(view: str) -> str:
    """Name of the timeline column that holds a view's own frame numbers."""
    return f"source_{view}"


def table_metadata(unit: str, views: Sequence[str]) -> dict[str, str]:
    """What every table says of itself, so that it can be understood without the rest of the folder."""
    return {
        "schema": str(SCHEMA_VERSION),
        "handloom": package_version("handloom"),
        "unit": unit,
        "frame": "world",
        "views": json.dumps(list(views)),
        "skeletons": json.dumps({name: list(skeleton.joints) for name, skeleton in SKELETONS.items()}),
    }


def package_version(package: str) -> str:
    """Installed version of a package, ``"not installed"`` where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
