"""Videos on one clock, of which chosen ticks are searched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from handloom.errors import VideoError
from handloom.video import Frame, VideoSource, synchronised
from handloom.video.prefetch import prefetched

Image = NDArray[np.uint8]

_WORTH_A_SEEK = 300  # pictures: decoding so many costs more than finding a place anew
_DEPTH = 2
_TIME_STEPS = 1e4  # a second; intervals are told apart to 0.1 ms


class WatchedVideo(VideoSource):
    """A video decoded in a thread of its own, whose damage ends it instead of everything.

    Attributes:
        damage: why it ended early, if it did.
        dropped: pictures that are missing between those seen so far, as gaps in their times tell.
        reached: number of the last picture seen.
        whole: the end was reached, without damage.
    """

    live = False

    def __init__(self, source: VideoSource) -> None:
        self._source = source
        self.name = source.name
        self.image_size = source.image_size
        self.fps = source.fps
        self.frame_count = source.frame_count
        self.damage: str | None = None
        self.whole = False
        self.reached = -1
        self._time_s = 0.0
        self._intervals: Counter[int] = Counter()

    def frames(self, start: int = 0) -> Generator[Frame]:
        """Yield the pictures from number ``start`` on, until the end or the first damage."""
        try:
            with closing(prefetched(iter(self._source.frames(start)), _DEPTH)) as frames:
                for frame in frames:
                    self._note(frame)
                    yield frame
                self.whole = True
        except VideoError as error:
            self.damage = error.problem

    def close(self) -> None:
        """Release the video."""
        self._source.close()

    @property
    def count(self) -> int | None:
        """Pictures in the video: counted where its end was reached, otherwise as the file declares."""
        return self.reached + 1 if self.whole or self.damage else self.frame_count

    @property
    def dropped(self) -> int:
        if not self._intervals:
            return 0
        usual = sorted(self._intervals.elements())[self._intervals.total() // 2]
        return sum(
            count * (round(interval / usual) - 1)
            for interval, count in self._intervals.items()
            if usual and interval > 1.5 * usual
        )

    def _note(self, frame: Frame) -> None:
        if frame.index <= self.reached:
            return
        if frame.index == self.reached + 1 and frame.index > 0:
            self._intervals[round((frame.time_s - self._time_s) * _TIME_STEPS)] += 1
        self.reached, self._time_s = frame.index, frame.time_s


class Film:
    """Videos that ran together.

    Args:
        videos: one per camera.
        offsets_s: the time of each one's first picture on the common clock.

    Attributes:
        fps: ticks a second of the clock, those of the slowest video.
        ticks: length of the clock, an estimate.
    """

    def __init__(self, videos: Sequence[WatchedVideo], offsets_s: Sequence[float]) -> None:
        self.videos = list(videos)
        self._offsets_s = list(offsets_s)
        for video in self.videos:
            if video.frame_count is None:
                video.frame_count = sum(1 for _ in video.frames())
        with closing(synchronised(self.videos, self._offsets_s)) as clock:
            self.fps = clock.fps
            self.ticks = clock.frame_count or 0

    def pictures(
        self, wanted: Iterable[int], on_tick: Callable[[int], None] = lambda tick: None
    ) -> Iterator[tuple[tuple[int, float, int], Image]]:
        """Pictures of all videos at some ticks, in rising order: ((tick, time in seconds, video), picture).

        Everything between is decoded; only a long way to the next wanted tick is jumped.
        """
        clock = None
        at = 0
        try:
            for tick in wanted:
                if clock is None or tick - at > _WORTH_A_SEEK:
                    if clock is not None:
                        clock.close()
                    clock = synchronised(self.videos, self._offsets_s, start=tick)
                    at = tick
                while True:
                    entry = next(clock, None)
                    if entry is None:
                        return
                    at += 1
                    if at > tick:
                        break
                on_tick(tick)
                time_s, frames = entry
                for number, frame in enumerate(frames):
                    if frame is not None:
                        yield (tick, time_s, number), frame.image
        finally:
            if clock is not None:
                clock.close()
