"""Writing a session: blocks in, three tables out, complete or not there at all."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from handloom.cameras import CameraRig, write_rig
from handloom.errors import SessionError
from handloom.keypoints import Track
from handloom.session.files import explained, make_folder, partial, put_in_place
from handloom.session.layout import (
    COLUMNS_2D,
    COLUMNS_3D,
    DERIVED,
    FRAMES,
    KEYPOINTS_2D,
    KEYPOINTS_3D,
    RIG,
    ROW_GROUP_FRAMES,
    RUN,
    columns_frames,
    table_metadata,
)
from handloom.session.record import write_record
from handloom.session.tables import rows_2d, rows_3d, rows_frames
from handloom.session.window import Window

_TEXT = ("view", "target", "side", "joint")
_REPEATED = ("frame", "time_s", "subject", "views_used")


class SessionWriter:
    """Writes a session block by block; memory holds one row group per track.

    Used as a context manager, it discards what was written unless :meth:`finish` was reached:

    >>> with SessionWriter(folder, rig) as writer:  # doctest: +SKIP
    ...     for window in windows:
    ...         writer.append(window)
    ...     writer.finish(describe_run(["handloom", "track"]))

    Until then everything lies under temporary names beside the files of an earlier session, which stay whole.

    Args:
        folder: where the session goes; created if its parent exists.
        rig: exactly the cameras of the recording, in the order of the views.

    Raises:
        SessionError: if the folder cannot be written.
    """

    def __init__(self, folder: str | Path, rig: CameraRig) -> None:
        self.folder = Path(folder)
        self.rig = rig
        self._tracks: set[Track] = set()
        self._last_frame = -1
        self._group = 0
        self._frames: list[pa.Table] = []
        self._rows: dict[str, dict[Track, list[pa.Table]]] = {}
        self._files: dict[str, _ParquetFile] = {}
        make_folder(self.folder)
        metadata = table_metadata(rig.unit, rig.names)
        columns = {FRAMES: columns_frames(rig.names), KEYPOINTS_2D: COLUMNS_2D, KEYPOINTS_3D: COLUMNS_3D}
        try:
            for name, schema in columns.items():
                self._files[name] = _ParquetFile(self.folder / name, schema.with_metadata(metadata))
        except BaseException:
            self.abort()
            raise
        self._forget_rows()

    def append(self, window: Window) -> None:
        """Add the frames that follow those already there.

        Raises:
            ValueError: if the frames do not follow, the views are not the rig's, or a unit differs from it.
            SessionError: if the disk refuses; what was written so far is then removed.
        """
        if not len(window):
            return
        if len(window.source_frames) != len(self.rig):
            raise ValueError(f"{len(window.source_frames)} views do not fit a rig of {len(self.rig)}")
        if window.frames[0] <= self._last_frame:
            raise ValueError(f"frame {window.frames[0]} does not follow frame {self._last_frame}")
        for track, points in window.points.items():
            if points.unit != self.rig.unit:
                raise ValueError(f"{track.name} is in {points.unit!r}, the rig in {self.rig.unit!r}")
        groups = window.frames // ROW_GROUP_FRAMES
        start = 0
        while start < len(window):
            group = int(groups[start])
            stop = int(groups.searchsorted(group, side="right"))
            if group != self._group:
                self._flush()
                self._group = group
            self._take(window.part(start, stop))
            start = stop
        self._last_frame = int(window.frames[-1])

    def finish(self, record: Mapping[str, Any]) -> None:
        """Complete the session: every file gets its name, ``run.toml`` last.

        Args:
            record: contents of ``run.toml``, from :func:`~handloom.session.record.describe_run`.

        Raises:
            SessionError: if the disk refuses; what was written so far is then removed.
        """
        self._flush()
        listed = [(t.subject, t.target, t.side) for t in sorted(self._tracks, key=_order)]
        rig_file = self.folder / RIG
        try:
            with explained(self.folder):
                for file in self._files.values():
                    file.close({"tracks": json.dumps(listed)})
                write_rig(self.rig, partial(rig_file))
                # From here the folder is no finished session until run.toml is back.
                for pattern in (RUN, *DERIVED):
                    for path in self.folder.glob(pattern):
                        path.unlink()
                for path in (rig_file, *(self.folder / name for name in self._files)):
                    put_in_place(partial(path), path)
            write_record(record, self.folder / RUN)
        except BaseException:
            self.abort()
            raise
        self._files.clear()

    def abort(self) -> None:
        """Remove what was written; a session that was finished earlier stays."""
        for file in self._files.values():
            file.discard()
        if self._files:
            partial(self.folder / RIG).unlink(missing_ok=True)
        self._files.clear()

    def __enter__(self) -> SessionWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    def _take(self, window: Window) -> None:
        views = self.rig.names
        self._frames.append(rows_frames(window.frames, window.times_s, window.source_frames, views))
        for track, seen in window.observations.items():
            rows = rows_2d(track, window.frames, window.times_s, seen, views)
            self._rows[KEYPOINTS_2D][track].append(rows)
        for track, points in window.points.items():
            self._rows[KEYPOINTS_3D][track].append(rows_3d(track, window.frames, window.times_s, points))
        self._tracks |= {*window.observations, *window.points}

    def _flush(self) -> None:
        try:
            with explained(self.folder):
                self._files[FRAMES].write(self._frames)
                for name, by_track in self._rows.items():
                    for track in sorted(by_track, key=_order):
                        self._files[name].write(by_track[track])
        except BaseException:
            self.abort()
            raise
        self._forget_rows()

    def _forget_rows(self) -> None:
        self._frames = []
        self._rows = {name: defaultdict(list) for name in (KEYPOINTS_2D, KEYPOINTS_3D)}


class _ParquetFile:
    """One table under its temporary name."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = partial(path)
        names = schema.names
        repeated = [name for name in names if name in (*_TEXT, *_REPEATED)]
        floats = [name for name in names if pa.types.is_floating(schema.field(name).type)]
        try:
            with explained(path):
                self._sink = pa.OSFile(str(self._path), "wb")
                self._writer = pq.ParquetWriter(
                    self._sink,
                    schema,
                    compression="zstd",
                    use_dictionary=repeated,
                    # Floats that differ in every row shrink when their bytes are sorted by significance.
                    column_encoding={name: "BYTE_STREAM_SPLIT" for name in floats if name not in repeated},
                    write_page_checksum=True,
                )
        except SessionError:
            self._path.unlink(missing_ok=True)
            raise

    def write(self, parts: list[pa.Table]) -> None:
        """Write the parts as one row group."""
        rows = pa.concat_tables(parts).unify_dictionaries().combine_chunks() if parts else None
        if rows is not None and len(rows):
            self._writer.write_table(rows, row_group_size=len(rows))

    def close(self, metadata: dict[str, str]) -> None:
        self._writer.add_key_value_metadata(metadata)
        self._writer.close()
        self._sink.close()

    def discard(self) -> None:
        with suppress(OSError, pa.ArrowException):
            self._writer.close()
        # A writer whose disk is full would try to write its footer again when it is collected.
        self._writer.is_open = False
        with suppress(OSError, pa.ArrowException):
            self._sink.close()
        self._path.unlink(missing_ok=True)


def _order(track: Track) -> tuple[int, str, str]:
    return track.subject, track.target, track.side
