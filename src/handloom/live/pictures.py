"""The newest picture of every view, at the pace at which the world moves.

Every source is read by a thread of its own and only its newest picture is kept: what arrives while a frame
is computed is skipped, so that the delay never grows. Files play at their own pace, as if they were cameras.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from handloom.errors import VideoError
from handloom.video import Frame, VideoSource

_PATIENCE = 1.2
"""Frame periods after which a view without a new picture is no longer waited for."""

_LEAVE_S = 2.0


@dataclass(frozen=True)
class Instant:
    """What all views show at one moment.

    Attributes:
        time_s: since the first picture, by the clock on the wall.
        arrived_s: ``time.monotonic()`` at which the oldest of the pictures arrived.
        frames: one per view; None where the view has nothing new.
    """

    time_s: float
    arrived_s: float
    frames: tuple[Frame | None, ...]


class LivePictures:
    """Iterates over moments until every source has ended, or :meth:`stop`; used as a context.

    Args:
        sources: one per view; closed at the end.
    """

    def __init__(self, sources: Sequence[VideoSource]) -> None:
        self.sources = tuple(sources)
        self.fps = min((source.fps or 30.0) for source in sources)
        self.problems: list[VideoError] = []
        """Why sources ended before they should."""
        self._changed = threading.Condition()
        self._newest: list[tuple[Frame, float] | None] = [None] * len(self.sources)
        self._taken = [False] * len(self.sources)
        self._ended = [False] * len(self.sources)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._read, args=(view,), name=f"camera-{view}", daemon=True)
            for view in range(len(self.sources))
        ]

    @property
    def arrived(self) -> int:
        """Pictures of the busiest view so far, those that were skipped included."""
        with self._changed:
            return max((entry[0].index + 1 for entry in self._newest if entry is not None), default=0)

    def stop(self) -> None:
        """End the iteration after the frame at hand; may be called from a signal handler."""
        self._stop.set()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread, source in zip(self._threads, self.sources, strict=True):
            thread.join(_LEAVE_S)
            # A camera that hangs in its driver ends with the process.
            if not thread.is_alive():
                source.close()

    def __iter__(self) -> Iterator[Instant]:
        first: float | None = None
        while True:
            with self._changed:
                if not self._wait():
                    return
                found = [None if taken else entry for entry, taken in self._entries()]
                self._taken = [True] * len(self.sources)
            arrived = min(entry[1] for entry in found if entry is not None)
            first = arrived if first is None else first
            frames = tuple(None if entry is None else entry[0] for entry in found)
            yield Instant(arrived - first, arrived, frames)

    def _entries(self) -> Iterator[tuple[tuple[Frame, float] | None, bool]]:
        return zip(self._newest, self._taken, strict=True)

    def _wait(self) -> bool:
        """Wait for new pictures of all views, or of some for long enough; False at the end."""
        since: float | None = None
        while not self._stop.is_set():
            fresh = [entry is not None and not taken for entry, taken in self._entries()]
            if all(new or ended for new, ended in zip(fresh, self._ended, strict=True)):
                return any(fresh)
            if any(fresh):
                since = time.monotonic() if since is None else since
                left = since + _PATIENCE / self.fps - time.monotonic()
                if left <= 0.0:
                    return True
                self._changed.wait(left)
            else:
                # Woken now and then to see whether it was stopped.
                self._changed.wait(0.1)
        return False

    def _read(self, view: int) -> None:
        source = self.sources[view]
        paced = not getattr(source, "live", False)
        try:
            begin: float | None = None
            for frame in source.frames():
                if begin is None:
                    begin = time.monotonic() - frame.time_s
                if paced and self._stop.wait(max(0.0, begin + frame.time_s - time.monotonic())):
                    break
                if self._stop.is_set():
                    break
                with self._changed:
                    self._newest[view], self._taken[view] = (frame, time.monotonic()), False
                    self._changed.notify_all()
        except VideoError as error:
            self.problems.append(error)
        finally:
            with self._changed:
                self._ended[view] = True
                self._changed.notify_all()
