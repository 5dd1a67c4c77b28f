"""The recordings behind a session: which they are, and their pictures along its timeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handloom.errors import VideoError
from handloom.session import Session
from handloom.video import Frame, open_video

Picture = NDArray[np.uint8]
Videos = Mapping[str, str | Path] | Sequence[str | Path]


def find_videos(session: Session, videos: Videos | None = None) -> dict[str, Path]:
    """The recording of each view.

    Args:
        videos: paths by view, or one per view in the session's order; by default those that ``run.toml``
            names, as far as they are still there.

    Raises:
        VideoError: if a number of paths is given that is not the number of views, or a view is not known.
    """
    if videos is None:
        return _recorded(session)
    if isinstance(videos, Mapping):
        strange = [name for name in videos if name not in session.views]
        if strange:
            raise VideoError(
                f"The session has no view {strange[0]!r}.", f"Its views are {', '.join(session.views)}."
            )
        return {name: Path(path) for name, path in videos.items()}
    if len(videos) != len(session.views):
        raise VideoError(
            f"{len(videos)} recordings were given for {len(session.views)} views.",
            f"Give one for each of {', '.join(session.views)}, in this order.",
        )
    return {name: Path(path) for name, path in zip(session.views, videos, strict=True)}


def _recorded(session: Session) -> dict[str, Path]:
    inputs: Any = session.run.get("inputs", {})
    stated = inputs.get("videos", inputs)
    if isinstance(stated, list):
        stated = dict(zip(session.views, stated, strict=False))
    found = {}
    for view in session.views:
        entry = stated.get(view)
        path = entry.get("path") if isinstance(entry, dict) else entry
        if isinstance(path, str) and Path(path).exists():
            found[view] = Path(path)
    return found


class PictureReader:
    """Reads one recording forwards, giving the pictures asked for; a long way ahead it seeks.

    Args:
        path: the recording.
        start: the first picture that will be asked for.
    """

    _SEEK_BEYOND = 250

    def __init__(self, path: Path, start: int = 0) -> None:
        self._source = open_video(path)
        self._frames: Iterator[Frame] = self._source.frames(start)
        self._next = start

    def at(self, index: int) -> Picture | None:
        """(H, W, 3) RGB picture number ``index``, not before the one asked for last; None past the end."""
        if index > self._next + self._SEEK_BEYOND:
            self._frames = self._source.frames(index)
        try:
            for frame in self._frames:
                self._next = frame.index + 1
                if frame.index >= index:
                    return frame.image
        except VideoError:
            # The session was tracked up to where the recording is damaged; there is no picture beyond.
            self._frames = iter(())
        return None

    def close(self) -> None:
        """Release the recording."""
        self._source.close()


def pictures_along(
    session: Session, videos: Mapping[str, Path], start: int = 0
) -> Iterator[list[Picture | None]]:
    """The pictures of all views, None where there is none, for every frame from position ``start`` on."""
    readers = {view: PictureReader(path) for view, path in videos.items()}
    try:
        for position in range(start, len(session)):
            pictures: list[Picture | None] = []
            for view, source in zip(session.views, session.source_frames[:, position], strict=True):
                missing = view not in readers or np.isnan(source)
                pictures.append(None if missing else readers[view].at(int(source)))
            yield pictures
    finally:
        for reader in readers.values():
            reader.close()
