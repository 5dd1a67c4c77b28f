"""One Parquet table of a session, read by track and range of frames.

Every row group holds one track and one stretch of frames, as its statistics say; only the groups that can
hold what is asked for are read. Tables that other tools rewrote in other groups read the same, only slower.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from handloom.errors import SessionError
from handloom.keypoints import Track


class StoredTable:
    """A Parquet file that is opened when it is first needed.

    Every method raises :class:`SessionError` if the file is missing or damaged; checksums are verified.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def metadata(self, key: str) -> str:
        """What the file says of itself under ``key``."""
        value = (self._file.metadata.metadata or {}).get(key.encode())
        if value is None:
            raise SessionError(
                f"{self._path} does not say its {key}: another program wrote it.",
                "Track the recording again.",
            )
        return value.decode()

    def read(self) -> pa.Table:
        """The whole table."""
        with self._whole():
            return self._file.read()

    def rows(self, track: Track, first: int, last: int, columns: Sequence[str]) -> pa.Table:
        """Rows of a track in frames ``first`` to ``last``, both included, in the order stored."""
        wanted = {**_criteria(track), "frame": (first, last)}
        groups = [i for i, bounds in enumerate(self._bounds) if _overlap(bounds, wanted)]
        with self._whole():
            if all(_inside(self._bounds[i], wanted) for i in groups):
                return self._file.read_row_groups(groups, columns=list(columns))
            needed = list(dict.fromkeys([*columns, *wanted]))
            return _filtered(self._file.read_row_groups(groups, columns=needed), wanted).select(list(columns))

    def groups(self, tracks: Sequence[Track]) -> Iterator[pa.Table]:
        """All columns of the rows of some tracks, a row group at a time."""
        for i, bounds in enumerate(self._bounds):
            for track in tracks:
                wanted = _criteria(track)
                if _overlap(bounds, wanted):
                    with self._whole():
                        rows = self._file.read_row_group(i)
                    yield rows if _inside(bounds, wanted) else _filtered(rows, wanted)

    @cached_property
    def _file(self) -> pq.ParquetFile:
        if not self._path.is_file():
            raise SessionError(f"{self._path} is missing.", "Track the recording again with --overwrite.")
        with self._whole():
            return pq.ParquetFile(self._path, page_checksum_verification=True)

    @cached_property
    def _bounds(self) -> list[dict[str, Any]]:
        """Smallest and largest value of the keys in every row group; None where the file does not say."""
        metadata = self._file.metadata
        names = [metadata.schema.column(i).name for i in range(metadata.num_columns)]
        keys = {name: names.index(name) for name in ("frame", "subject", "target", "side") if name in names}
        if len(keys) < 4:
            raise SessionError(
                f"{self._path} lacks columns that a session has.",
                "Track the recording again with --overwrite.",
            )

        def bounds(group: int, column: int) -> tuple[Any, Any] | None:
            statistics = metadata.row_group(group).column(column).statistics
            known = statistics is not None and statistics.has_min_max
            return (statistics.min, statistics.max) if known else None

        return [
            {name: bounds(group, column) for name, column in keys.items()}
            for group in range(metadata.num_row_groups)
        ]

    @contextmanager
    def _whole(self) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise SessionError(
                f"{self._path} is damaged: {str(error).splitlines()[0]}.",
                "Restore it from a copy, or track the recording again with --overwrite.",
            ) from error


def _criteria(track: Track) -> dict[str, tuple[Any, Any]]:
    return {key: (value, value) for key, value in vars(track).items()}


def _overlap(bounds: dict[str, Any], wanted: dict[str, tuple[Any, Any]]) -> bool:
    return all(
        bounds[key] is None or (bounds[key][0] <= high and low <= bounds[key][1])
        for key, (low, high) in wanted.items()
    )


def _inside(bounds: dict[str, Any], wanted: dict[str, tuple[Any, Any]]) -> bool:
    return all(
        bounds[key] is not None and low <= bounds[key][0] and bounds[key][1] <= high
        for key, (low, high) in wanted.items()
    )


def _filtered(rows: pa.Table, wanted: dict[str, tuple[Any, Any]]) -> pa.Table:
    keep = None
    for key, (low, high) in wanted.items():
        column = rows[key]
        if pa.types.is_dictionary(column.type):
            column = column.cast(pa.string())
        test = pc.and_(pc.greater_equal(column, low), pc.less_equal(column, high))
        keep = test if keep is None else pc.and_(keep, test)
    return rows.filter(keep)
