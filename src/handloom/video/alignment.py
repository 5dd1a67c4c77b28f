"""Many recordings on one clock: which pictures were taken at the same time."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence

from handloom.errors import VideoError
from handloom.video.source import Frame, VideoSource

View = tuple[Frame | None, ...]
_DEFAULT_FPS = 30.0
_SAME_RATE = 0.01  # rates that differ by less are nominally the same


class Synchronised(Iterator[tuple[float, View]]):
    """Iterator over the ticks of a common clock: (time in seconds, one picture or None per view).

    Every picture goes to the tick nearest to it; of several the nearest stays, and none comes twice. The
    clock covers the time in which at least ``min_views`` recordings run; a view that has not begun, is over
    or misses a picture gives ``None``. One picture per view is read ahead, whatever the length.

    Attributes:
        fps: ticks a second.
        frame_count: estimate of the number of ticks from 0 on; ``None`` where it is not known.
        dropped: per view, the pictures passed over so far, because the view is faster than the clock.
        missing: per view, the ticks without a picture so far.
    """

    def __init__(
        self,
        sources: Sequence[VideoSource],
        offsets_s: Sequence[float] | None = None,
        fps: float | None = None,
        start: int = 0,
        min_views: int = 1,
    ) -> None:
        offsets = [0.0] * len(sources) if offsets_s is None else [float(offset) for offset in offsets_s]
        if not sources or len(offsets) != len(sources) or not 1 <= min_views <= len(sources):
            raise ValueError(
                f"{len(sources)} sources, {len(offsets)} offsets and min_views={min_views} do not fit"
            )
        if not all(math.isfinite(offset) for offset in offsets) or not (fps is None or fps > 0) or start < 0:
            raise ValueError("offsets must be finite, fps positive and start not negative")
        rates = [source.fps or _DEFAULT_FPS for source in sources]
        slowest = min(range(len(sources)), key=rates.__getitem__)
        self.fps = rates[slowest] if fps is None else float(fps)
        self._period = 1.0 / self.fps
        self._min_views = min_views
        self._views = [_View(source, offset) for source, offset in zip(sources, offsets, strict=True)]
        begins = [view.begin_s for view in self._views]
        # Tick 0 is where enough views have begun; ticks fall on the pictures of the slowest view.
        enough_s = sorted(begins)[min_views - 1]
        self._zero_s = begins[slowest]
        self._first = math.ceil((enough_s - self._zero_s) / self._period - 0.5 - 1e-6)
        self.frame_count = self._estimate(sources, begins, enough_s)
        self.dropped = [0] * len(sources)
        self.missing = [0] * len(sources)
        self._tick = self._first + start
        for view in self._views:
            view.seek(self._tick, self._zero_s, self._period)

    def __iter__(self) -> Synchronised:
        return self

    def __next__(self) -> tuple[float, View]:
        if sum(not view.over for view in self._views) < self._min_views:
            self.close()
            raise StopIteration
        time_s = (self._tick - self._first) * self._period
        frames = tuple(view.take(self._tick) for view in self._views)
        self._tick += 1
        for i, view in enumerate(self._views):
            self.dropped[i] = view.dropped
            self.missing[i] += frames[i] is None
        return time_s, frames

    def close(self) -> None:
        """Stop all views."""
        for view in self._views:
            view.close()

    def _estimate(self, sources: Sequence[VideoSource], begins: list[float], enough_s: float) -> int | None:
        ends = []
        for source, begin in zip(sources, begins, strict=True):
            if source.frame_count is None:
                return None
            ends.append(begin + source.frame_count / (source.fps or _DEFAULT_FPS))
        end_s = sorted(ends, reverse=True)[self._min_views - 1]
        return max(round((end_s - enough_s) * self.fps), 0)


def synchronised(
    sources: Sequence[VideoSource],
    offsets_s: Sequence[float] | None = None,
    fps: float | None = None,
    start: int = 0,
    min_views: int = 1,
) -> Synchronised:
    """Bring recordings of different rates and lengths onto one clock, by their timestamps.

    Args:
        sources: one per view. Recordings of equal rate and length give the pairs (0, 0), (1, 1), ...
        offsets_s: per view, the time of its first picture on the common clock; all 0 by default.
        fps: rate of the clock; by default that of the slowest view, so that no tick lacks its picture.
        start: tick to begin with; what follows equals what an iteration from 0 would give.
        min_views: the clock runs while at least so many views do. With 1 nothing is lost; with 2 it leaves
            out what only one view saw, from which no depth can be had.

    Raises:
        ValueError: for arguments that do not fit together.
        VideoError: during the iteration, at the tick where a recording turns out to be damaged.
    """
    return Synchronised(sources, offsets_s, fps, start, min_views)


class _View:
    """The pictures of one view, handed out tick by tick."""

    def __init__(self, source: VideoSource, offset_s: float) -> None:
        self.dropped = 0
        self.begin_s = offset_s
        self._source = source
        self._offset_s = offset_s
        self._zero_s, self._period, self._phase = 0.0, 1.0, 0.0
        self._frames: Iterator[Frame] | None = None
        self._next: Frame | None = None
        self._error: VideoError | None = None
        if source.live:
            self._frames = source.frames()
            self._read()
            self.begin_s += self._next.time_s if self._next else 0.0

    def seek(self, tick: int, zero_s: float, period: float) -> None:
        """Prepare for ``tick`` of a clock that shows 0 at ``zero_s``."""
        self._zero_s, self._period = zero_s, period
        self._phase = self._phase_against_clock()
        back = 0 if self._source.live else 2
        while back:
            index = self._index_at(zero_s + (tick - 1) * period - self._offset_s, back)
            self._frames, self._error = self._source.frames(index), None
            self._read()
            # The mean rate misses the mark where the rate varies: then go further back.
            if index == 0 or (self._next is not None and self._tick_of(self._next) < tick):
                break
            self.close()
            back *= 4
        while self._next is not None and self._tick_of(self._next) < tick:
            self._read()

    @property
    def over(self) -> bool:
        """Whether no picture is left; raises what ended the recording too early."""
        if self._next is None and self._error is not None:
            raise self._error
        return self._next is None

    def take(self, tick: int) -> Frame | None:
        """The picture for a tick; ticks are asked for in order."""
        best: Frame | None = None
        while self._next is not None and self._tick_of(self._next) <= tick:
            if best is None or abs(self._position(self._next) - tick) < abs(self._position(best) - tick):
                best, passed_over = self._next, best
            else:
                passed_over = self._next
            self.dropped += passed_over is not None
            self._read()
        return best

    def close(self) -> None:
        """End the iteration of the source."""
        if isinstance(self._frames, Generator):
            self._frames.close()
        self._frames = None

    def _read(self) -> None:
        """Read the next picture; what breaks the recording off waits until those before are handed out."""
        try:
            self._next = next(self._frames, None) if self._frames is not None else None
        except VideoError as error:
            self._next, self._error = None, error

    def _index_at(self, time_s: float, back: int) -> int:
        """Number of the picture ``back`` pictures before a time, as the mean rate has it."""
        index = math.floor(time_s * (self._source.fps or _DEFAULT_FPS))
        if self._source.frame_count is not None:
            index = min(index, self._source.frame_count)
        return max(index - back, 0)

    def _phase_against_clock(self) -> float:
        """By what part of a tick the view's pictures lie beside the ticks, where that stays the same.

        Two cameras of equal rate whose offset is half a period would otherwise be paired one way or the other
        by every jitter of their timestamps.
        """
        per_tick = (self._source.fps or _DEFAULT_FPS) * self._period
        if round(per_tick) < 1 or abs(per_tick / round(per_tick) - 1) > _SAME_RATE:
            return 0.0
        pictures = (self.begin_s - self._zero_s) / self._period * round(per_tick)
        return (pictures - round(pictures)) / round(per_tick)

    def _position(self, frame: Frame) -> float:
        """Time of a picture in ticks."""
        return (frame.time_s + self._offset_s - self._zero_s) / self._period - self._phase

    def _tick_of(self, frame: Frame) -> int:
        # Half-way cases go to the earlier tick, and must not hang on the last bit of a rounded timestamp.
        return math.ceil(self._position(frame) - 0.5 - 1e-6)
