"""Reading a finished session: only the tracks, frames and columns asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from handloom.cameras import CameraRig, read_rig
from handloom.errors import SessionError
from handloom.hand import HandModel
from handloom.keypoints import Array, Keypoints3D, Track
from handloom.session.fitted_hand import FittedHand
from handloom.session.folder import FolderState, folder_state
from handloom.session.hands import read_hands
from handloom.session.layout import (
    COVARIANCE_COLUMNS,
    COVARIANCE_ROWS,
    COVARIANCE_TERMS,
    FRAMES,
    HANDS,
    KEYPOINTS_2D,
    KEYPOINTS_3D,
    RIG,
    ROW_GROUP_FRAMES,
    RUN,
    source_column,
)
from handloom.session.parquet import StoredTable
from handloom.session.record import read_record
from handloom.session.tables import codes
from handloom.session.window import Observations, Window
from handloom.skeleton import SKELETONS, Skeleton


@dataclass(frozen=True, eq=False)
class Session:
    """A finished session folder. The timeline is in memory; keypoints are read when asked for.

    Attributes:
        folder: where it lies.
        rig: the cameras, one per view.
        run: contents of ``run.toml``: command, versions, timings, model hashes, options.
        tracks: every hand and body, by subject.
        frames: (T,) frame numbers of the common timeline, strictly increasing.
        times_s: (T,) seconds.
        source_frames: (C, T) frame number in each view's own video; NaN where the view has no picture.
    """

    folder: Path
    rig: CameraRig
    run: dict[str, Any]
    tracks: list[Track]
    frames: NDArray[np.int64]
    times_s: Array
    source_frames: Array
    _tables: dict[str, StoredTable] = field(repr=False)

    @classmethod
    def open(cls, folder: str | Path) -> Session:
        """Open a session folder.

        Raises:
            SessionError: if the folder is missing, holds no session or an unfinished one, if a file is
                missing or damaged, or if a newer handloom wrote it.
            CameraFileError: if ``rig.toml`` cannot be read.
        """
        folder = Path(folder)
        _require_finished(folder)
        run = read_record(folder / RUN)
        rig = read_rig(folder / RIG)
        timeline = StoredTable(folder / FRAMES)
        tracks = [Track(*parts) for parts in json.loads(timeline.metadata("tracks"))]
        rows = timeline.read()
        sources = [
            rows[source_column(view)].cast(pa.float64()).fill_null(float("nan")).to_numpy()
            for view in rig.names
        ]
        return cls(
            folder=folder,
            rig=rig,
            run=run,
            tracks=tracks,
            frames=rows["frame"].to_numpy().astype(np.int64),
            times_s=rows["time_s"].to_numpy(),
            source_frames=np.stack(sources),
            _tables={name: StoredTable(folder / name) for name in (KEYPOINTS_2D, KEYPOINTS_3D)},
        )

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the views, in the order of every C axis."""
        return self.rig.names

    @property
    def unit(self) -> str:
        """Unit of every length: ``"m"``, or what the rig says instead."""
        return self.rig.unit

    def __len__(self) -> int:
        return len(self.frames)

    def keypoints2d(self, track: Track, start: int = 0, stop: int | None = None) -> Observations:
        """2D keypoints of a track in every view, of the whole session or of frames ``start`` to ``stop``
        counted along the T axis.

        Returns:
            :class:`Observations` of shape (C, T, J, 2), with the mask of those the 3D points rest on.

        Raises:
            SessionError: if there is no such track or the table is damaged.
        """
        cut = self._cut(track, start, stop)
        skeleton = SKELETONS[track.target]
        rows = self._rows(KEYPOINTS_2D, track, cut, ["view", "x", "y", "confidence", "used"])
        where = (
            _known(rows, "view", self.views, self.folder / KEYPOINTS_2D),
            self._position(rows, cut),
            _known(rows, "joint", skeleton.joints, self.folder / KEYPOINTS_2D),
        )
        shape = (len(self.views), cut.stop - cut.start, len(skeleton))
        xy = np.full((*shape, 2), np.nan)
        xy[where] = _columns(rows, ["x", "y"])
        confidence = np.zeros(shape)
        confidence[where] = rows["confidence"].to_numpy()
        used = np.zeros(shape, dtype=bool)
        used[where] = rows["used"].to_numpy()
        return Observations(skeleton, xy, confidence, used)

    def keypoints3d(self, track: Track, start: int = 0, stop: int | None = None) -> Keypoints3D:
        """3D keypoints of a track, of the whole session or of frames ``start`` to ``stop`` counted along
        the T axis.

        Returns:
            :class:`Keypoints3D` of shape (T, J, 3).

        Raises:
            SessionError: if there is no such track or the table is damaged.
        """
        cut = self._cut(track, start, stop)
        extra = [*COVARIANCE_TERMS, "views_used", "reprojection_px"]
        rows, where, xyz = self._located(track, cut, extra)
        covariance = np.full((*xyz.shape, 3), np.nan)
        upper = _columns(rows, COVARIANCE_TERMS)
        for term, (i, j) in enumerate(zip(COVARIANCE_ROWS, COVARIANCE_COLUMNS, strict=True)):
            covariance[(*where, i, j)] = covariance[(*where, j, i)] = upper[:, term]
        views_used = np.zeros(xyz.shape[:-1], dtype=np.int64)
        views_used[where] = rows["views_used"].to_numpy()
        reprojection_px = np.full(xyz.shape[:-1], np.nan)
        reprojection_px[where] = rows["reprojection_px"].to_numpy()
        skeleton = SKELETONS[track.target]
        return Keypoints3D(skeleton, xyz, covariance, views_used, reprojection_px, self.unit)

    def positions(self, track: Track, start: int = 0, stop: int | None = None) -> Array:
        """(T, J, 3) world coordinates alone, a quarter of the reading of :meth:`keypoints3d`."""
        return self._located(track, self._cut(track, start, stop), [])[2]

    def windows(
        self, tracks: Sequence[Track] | None = None, size: int = ROW_GROUP_FRAMES
    ) -> Iterator[Window]:
        """The session in stretches of ``size`` frames, so that a long one need not fit into memory.

        Args:
            tracks: those wanted; all by default.
            size: frames of a window; multiples of the default read every row once.
        """
        wanted = self.tracks if tracks is None else tracks
        for start in range(0, len(self), size):
            stop = min(start + size, len(self))
            yield Window(
                self.frames[start:stop],
                self.times_s[start:stop],
                self.source_frames[:, start:stop],
                {track: self.keypoints2d(track, start, stop) for track in wanted},
                {track: self.keypoints3d(track, start, stop) for track in wanted},
            )

    def hands(self, models: Sequence[HandModel] = ()) -> dict[Track, FittedHand]:
        """The fitted hands by track; none where no hand was fitted.

        Args:
            models: hand models beside the open hand, see :func:`~handloom.session.hands.read_hands`.

        Raises:
            SessionError: if ``hands.npz`` is damaged, belongs to another session, or needs a model that is
                not at hand.
        """
        path = self.folder / HANDS
        return read_hands(path, self.frames, models=models) if path.exists() else {}

    def require(self, track: Track) -> None:
        """Raise :class:`SessionError` if the session has no such track."""
        if track not in self.tracks:
            names = ", ".join(known.name for known in self.tracks) or "none"
            raise SessionError(f"{self.folder} has no track {track.name}.", f"Its tracks are: {names}.")

    def tables(self, name: str, tracks: Sequence[Track] | None = None) -> Iterator[pa.Table]:
        """Tidy rows of ``keypoints2d.parquet`` or ``keypoints3d.parquet``, a row group at a time."""
        yield from self._tables[name].groups(self.tracks if tracks is None else tracks)

    def _cut(self, track: Track, start: int, stop: int | None) -> slice:
        self.require(track)
        first, last, _ = slice(start, stop).indices(len(self))
        return slice(first, max(first, last))

    def _rows(self, name: str, track: Track, cut: slice, columns: list[str]) -> pa.Table:
        if cut.start == cut.stop:
            first, last = 0, -1
        else:
            first, last = int(self.frames[cut.start]), int(self.frames[cut.stop - 1])
        return self._tables[name].rows(track, first, last, ["frame", "joint", *columns])

    def _located(
        self, track: Track, cut: slice, columns: list[str]
    ) -> tuple[pa.Table, tuple[NDArray[np.int64], NDArray[np.int64]], Array]:
        skeleton: Skeleton = SKELETONS[track.target]
        rows = self._rows(KEYPOINTS_3D, track, cut, ["x", "y", "z", *columns])
        joint = _known(rows, "joint", skeleton.joints, self.folder / KEYPOINTS_3D)
        where = (self._position(rows, cut), joint)
        xyz = np.full((cut.stop - cut.start, len(skeleton), 3), np.nan)
        xyz[where] = _columns(rows, ["x", "y", "z"])
        return rows, where, xyz

    def _position(self, rows: pa.Table, cut: slice) -> NDArray[np.int64]:
        return self.frames[cut].searchsorted(rows["frame"].to_numpy())


def _require_finished(folder: Path) -> None:
    state = folder_state(folder)
    if state is FolderState.MISSING:
        raise SessionError(f"There is no folder {folder}.", "Give the folder that handloom track wrote.")
    if state is FolderState.UNFINISHED:
        raise SessionError(
            f"The session in {folder} is unfinished.",
            "Run the command that began it again with --resume; it continues where it stopped.",
        )
    if state is not FolderState.FINISHED:
        raise SessionError(
            f"{folder} holds no session (no {RUN}).", "Give the folder that handloom track wrote."
        )


def _known(rows: pa.Table, column: str, names: Sequence[str], path: Path) -> NDArray[np.int64]:
    found = codes(rows[column], names)
    if (found < 0).any():
        strange = rows[column].filter(pa.array(found < 0))[0].as_py()
        raise SessionError(f"{path} holds the {column} {strange!r}, which is not known.", "Update handloom.")
    return found


def _columns(rows: pa.Table, names: Sequence[str]) -> Array:
    return np.stack([rows[name].to_numpy() for name in names], axis=-1)
