"""Dense keypoint arrays to tidy rows, without a Python loop over rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from handloom.keypoints import Array, Keypoints3D, Track
from handloom.session.layout import (
    COLUMNS_2D,
    COLUMNS_3D,
    COVARIANCE_COLUMNS,
    COVARIANCE_ROWS,
    COVARIANCE_TERMS,
    columns_frames,
    source_column,
)
from handloom.session.window import Observations

Indices = NDArray[np.int64]


def rows_frames(frames: Indices, times_s: Array, source_frames: Array, views: Sequence[str]) -> pa.Table:
    """The timeline as a table; null where a view has no picture."""
    columns: dict[str, pa.Array] = {"frame": _column(frames.astype(np.int32)), "time_s": _column(times_s)}
    for view, source in zip(views, source_frames, strict=True):
        missing = np.isnan(source)
        columns[source_column(view)] = _column(np.where(missing, 0, source).astype(np.int32), missing)
    return pa.table(columns, schema=columns_frames(views))


def rows_2d(
    track: Track, frames: Indices, times_s: Array, seen: Observations, views: Sequence[str]
) -> pa.Table:
    """Rows of the 2D table, ordered by frame, view, joint; missing joints have none."""
    present = np.asarray(np.isfinite(seen.xy).all(axis=-1))
    t, c, j = np.nonzero(present.transpose(1, 0, 2))
    xy = seen.xy[c, t, j].astype(np.float32)
    columns = {
        **_instants(frames, times_s, t),
        "view": _named(c.astype(np.int16), views),
        **_of_track(track, len(t)),
        "joint": _named(j.astype(np.int8), seen.skeleton.joints),
        "x": _column(xy[:, 0]),
        "y": _column(xy[:, 1]),
        "confidence": _column(seen.confidence[c, t, j].astype(np.float32)),
        "used": _column(seen.used[c, t, j]),
    }
    return pa.table(columns, schema=COLUMNS_2D)


def rows_3d(track: Track, frames: Indices, times_s: Array, points: Keypoints3D) -> pa.Table:
    """Rows of the 3D table, ordered by frame, joint; missing joints have none."""
    t, j = np.nonzero(np.isfinite(points.xyz).all(axis=-1))
    xyz = points.xyz[t, j].T.copy()
    covariance = points.covariance[t, j][:, COVARIANCE_ROWS, COVARIANCE_COLUMNS].T.copy()
    columns = {
        **_instants(frames, times_s, t),
        **_of_track(track, len(t)),
        "joint": _named(j.astype(np.int8), points.skeleton.joints),
        **{axis: _column(values) for axis, values in zip("xyz", xyz, strict=True)},
        **{term: _column(values) for term, values in zip(COVARIANCE_TERMS, covariance, strict=True)},
        "views_used": _column(points.views_used[t, j].astype(np.int8)),
        "reprojection_px": _column(points.reprojection_px[t, j].astype(np.float32)),
    }
    return pa.table(columns, schema=COLUMNS_3D)


def codes(column: pa.ChunkedArray, names: Sequence[str]) -> Indices:
    """Position in ``names`` of every entry of a text column, -1 for a text that is not among them."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    position = {name: i for i, name in enumerate(names)}
    parts = [
        np.array([position.get(text, -1) for text in chunk.dictionary.to_pylist()], dtype=np.int64)[
            chunk.indices.to_numpy()
        ]
        for chunk in column.chunks
        if len(chunk)
    ]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def _instants(frames: Indices, times_s: Array, t: Indices) -> dict[str, pa.Array]:
    return {"frame": _column(frames[t].astype(np.int32)), "time_s": _column(times_s[t])}


def _of_track(track: Track, count: int) -> dict[str, pa.Array]:
    constant = np.zeros(count, dtype=np.int8)
    return {
        "subject": _column(np.full(count, track.subject, dtype=np.int16)),
        "target": _named(constant, (track.target,)),
        "side": _named(constant, (track.side,)),
    }


def _named(indices: NDArray, names: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(_column(indices), _words(names))


def _column(values: NDArray, missing: NDArray[np.bool_] | None = None) -> pa.Array:
    """An Arrow array of NumPy values. ``pa.array`` does the same, but imports pandas first if it finds it."""
    kind = pa.from_numpy_dtype(values.dtype)
    data = np.packbits(values, bitorder="little") if values.dtype == bool else np.ascontiguousarray(values)
    valid = None if missing is None else pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [valid, pa.py_buffer(data)])


def _words(words: Sequence[str]) -> pa.Array:
    """An Arrow array of strings."""
    encoded = [word.encode() for word in words]
    offsets = np.cumsum([0, *(len(word) for word in encoded)], dtype=np.int32)
    return pa.Array.from_buffers(
        pa.string(), len(words), [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    )
