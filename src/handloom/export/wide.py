"""3D keypoints with one row per frame: the layout of spreadsheets and of marker files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from handloom.keypoints import Track
from handloom.session import Session
from handloom.session.layout import ROW_GROUP_FRAMES
from handloom.skeleton import SKELETONS


def marker_names(tracks: Sequence[Track]) -> list[str]:
    """``<track>_<joint>`` for every joint, in the order of the tracks and of their skeletons."""
    return [f"{track.name}_{joint}" for track in tracks for joint in SKELETONS[track.target].joints]


def wide_schema(tracks: Sequence[Track]) -> pa.Schema:
    """Columns frame, time_s, unit, and x, y, z of every marker."""
    return pa.schema(
        [("frame", pa.int32()), ("time_s", pa.float64()), ("unit", pa.string())]
        + [(f"{marker}_{axis}", pa.float64()) for marker in marker_names(tracks) for axis in "xyz"]
    )


def wide_tables(session: Session, tracks: Sequence[Track]) -> Iterator[pa.Table]:
    """The session in stretches of frames; null where a joint is missing."""
    schema = wide_schema(tracks)
    for start in range(0, len(session), ROW_GROUP_FRAMES):
        cut = slice(start, min(start + ROW_GROUP_FRAMES, len(session)))
        points = [session.positions(track, cut.start, cut.stop) for track in tracks]
        flat = np.concatenate([xyz.reshape(len(xyz), -1) for xyz in points], axis=1).T.copy()
        columns = [
            pa.array(session.frames[cut], pa.int32()),
            pa.array(session.times_s[cut]),
            pa.array([session.unit] * flat.shape[1]),
            *(pa.array(values, from_pandas=True) for values in flat),
        ]
        yield pa.table(columns, schema=schema)
