"""Recordings on one clock: nothing paired wrongly, nothing lost in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handloom.errors import VideoError
from handloom.video import Frame, VideoSource, open_video, synchronised
from handloom.video.alignment import View

Pairing = list[tuple[int | None, ...]]


class Timestamps(VideoSource):
    """A recording that consists of its times alone."""

    name, image_size, live = "times", (1, 1), False

    def __init__(self, times_s: list[float], fps: float, breaks_off: bool = False) -> None:
        self.times_s, self.fps, self.frame_count = times_s, fps, len(times_s)
        self.breaks_off = breaks_off
        self.read = 0

    def frames(self, start: int = 0) -> Iterator[Frame]:
        for index in range(start, len(self.times_s)):
            self.read += 1
            yield Frame(index, self.times_s[index], np.zeros((1, 1, 3), np.uint8))
        if self.breaks_off:
            raise VideoError("The recording is truncated.")

    def close(self) -> None:
        pass


def even(count: int, fps: float) -> Timestamps:
    return Timestamps([i / fps for i in range(count)], fps)


def indices(frames: View) -> tuple[int | None, ...]:
    return tuple(None if frame is None else frame.index for frame in frames)


def pairing(*args: object, **options: object) -> Pairing:
    return [indices(frames) for _, frames in synchronised(*args, **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize("fps", [24, 25, 30000 / 1001, 30, 59.94, 120])
def test_equal_rates_and_lengths_give_equal_indices(fps: float) -> None:
    views = synchronised([even(500, fps), even(500, fps), even(500, fps)])
    ticks = list(views)
    assert [indices(frames) for _, frames in ticks] == [(i, i, i) for i in range(500)]
    np.testing.assert_allclose([time_s for time_s, _ in ticks], np.arange(500) / fps)
    assert (views.dropped, views.missing, views.frame_count) == ([0, 0, 0], [0, 0, 0], 500)


def test_timestamps_rounded_to_milliseconds_give_equal_indices() -> None:
    rounded = Timestamps([round(i * 1000 / 60) / 1000 for i in range(600)], 60.0)
    assert pairing([rounded, even(600, 60)]) == [(i, i) for i in range(600)]


def test_the_slowest_view_sets_the_clock_and_what_is_dropped_is_counted() -> None:
    views = synchronised([even(120, 60), even(60, 30)])
    assert [indices(frames) for _, frames in views] == [(2 * i, i) for i in range(60)]
    assert (views.fps, views.dropped, views.missing) == (30, [60, 0], [0, 0])


def test_a_slow_view_has_no_frame_for_some_ticks_of_a_fast_clock() -> None:
    views = synchronised([even(60, 60), even(15, 15)], fps=60)
    pairs = [indices(frames) for _, frames in views]
    assert pairs == [(i, i // 4 if i % 4 == 0 else None) for i in range(60)]
    assert views.missing == [0, 45]


def test_uneven_rates_pair_the_nearest_frames() -> None:
    fast, slow = even(300, 29.97), even(250, 25)
    for a, b in pairing([fast, slow]):
        if a is not None and b is not None:
            assert abs(a / 29.97 - b / 25) <= 0.5 / 25 + 1e-6


def test_a_shorter_view_gives_none_after_its_end() -> None:
    pairs = pairing([even(10, 30), even(6, 30)])
    assert pairs == [(i, i if i < 6 else None) for i in range(10)]
    assert pairing([even(10, 30), even(6, 30)], min_views=2) == [(i, i) for i in range(6)]


def test_offsets_shift_the_pairing_and_no_frame_is_lost() -> None:
    pairs = pairing([even(10, 30), even(10, 30)], offsets_s=[0, 4 / 30])
    assert pairs == [(i if i < 10 else None, i - 4 if i >= 4 else None) for i in range(14)]
    both = synchronised([even(10, 30), even(10, 30)], offsets_s=[0, -4 / 30], min_views=2)
    assert [indices(frames) for _, frames in both] == [(i, i + 4) for i in range(6)]
    assert both.frame_count == 6


def test_offset_of_half_a_frame_with_jitter_loses_no_frame() -> None:
    jitter = np.random.default_rng(0).uniform(-3e-3, 3e-3, 200).tolist()
    shaky = Timestamps([i / 30 + j for i, j in enumerate(jitter)], 30.0)
    views = synchronised([even(200, 30), shaky], offsets_s=[0, 0.5 / 30])
    seen = [indices(frames)[1] for _, frames in views]
    assert [index for index in seen if index is not None] == list(range(200))


def test_a_frame_that_a_camera_skipped_is_missing_and_the_rest_stays_in_step() -> None:
    times = [i / 30 for i in range(30) if i not in (7, 8, 20)]
    pairs = pairing([even(30, 30), Timestamps(times, 30.0)])
    assert [a for a, b in pairs if b is None] == [7, 8, 20]
    assert all(b is None or times[b] == a / 30 for a, b in pairs if a is not None)


@settings(max_examples=150, deadline=None)
@given(
    rates=st.lists(st.sampled_from([15.0, 24.0, 25.0, 29.97, 30.0, 60.0]), min_size=1, max_size=3),
    counts=st.lists(st.integers(1, 60), min_size=3, max_size=3),
    offsets=st.lists(st.floats(-0.7, 0.7), min_size=3, max_size=3),
    fps=st.sampled_from([None, 20.0, 30.0]),
    min_views=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
    start=st.integers(0, 70),
)
def test_resuming_at_a_tick_pairs_as_if_never_interrupted(
    rates: list[float],
    counts: list[int],
    offsets: list[float],
    fps: float | None,
    min_views: int,
    seed: int,
    start: int,
) -> None:
    rng = np.random.default_rng(seed)
    sources = []
    for rate, count in zip(rates, counts, strict=False):
        times = np.arange(count) / rate + np.append(0, rng.uniform(-0.4, 0.4, count - 1) / rate)
        keep = np.append(True, rng.random(count - 1) > 0.1)
        sources.append(Timestamps(np.maximum.accumulate(times[keep]).tolist(), rate))
    options = {"offsets_s": offsets[: len(rates)], "fps": fps, "min_views": min(min_views, len(rates))}
    whole = list(synchronised(sources, **options))  # type: ignore[arg-type]
    rest = list(synchronised(sources, start=start, **options))  # type: ignore[arg-type]
    assert [(t, indices(f)) for t, f in rest] == [(t, indices(f)) for t, f in whole[start:]]
    for view in range(len(rates)):
        used = [index for _, frames in whole if (index := indices(frames)[view]) is not None]
        assert used == sorted(set(used)), "a frame came twice or out of order"


def test_every_frame_is_used_dropped_or_outside_of_the_clock() -> None:
    views = synchronised([even(200, 60), even(77, 24), even(90, 30)], offsets_s=[0.1, 0, -0.2])
    used = [0, 0, 0]
    for _, frames in views:
        used = [n + (frame is not None) for n, frame in zip(used, frames, strict=True)]
    assert [n + d for n, d in zip(used, views.dropped, strict=True)] == [200, 77, 90]


def test_truncated_view_hands_out_its_frames_and_then_says_so() -> None:
    broken = even(5, 30)
    broken.breaks_off = True
    views = synchronised([even(10, 30), broken])
    assert [indices(next(views)[1]) for _ in range(5)] == [(i, i) for i in range(5)]
    with pytest.raises(VideoError, match="truncated"):
        next(views)


def test_only_a_few_frames_are_read_ahead() -> None:
    sources = [even(1000, 30), even(1000, 30)]
    views = synchronised(sources)
    for _ in range(10):
        next(views)
    assert max(source.read for source in sources) <= 13


def test_resuming_far_on_seeks() -> None:
    source = even(100_000, 30)
    assert indices(next(synchronised([source], start=99_000))[1]) == (99_000,)
    assert source.read < 20


def test_real_recordings_pair_frame_by_frame(data: Path) -> None:
    media = data / "temugeb_handpose3d" / "media"
    sources = [open_video(media / f"cam{i}_test.mp4") for i in range(2)]
    assert pairing(sources, start=370) == [(i, i) for i in range(370, 378)]


def test_files_of_different_rates(record: Callable[..., Path]) -> None:
    sources = [open_video(record("fast.mp4", count=40, fps=60)), open_video(record("slow.mp4", count=20))]
    assert pairing(sources) == [(2 * i, i) for i in range(20)]


@pytest.mark.parametrize(
    "options",
    [{"offsets_s": [0.0]}, {"offsets_s": [0.0, np.nan]}, {"fps": 0.0}, {"start": -1}, {"min_views": 3}],
)
def test_arguments_that_do_not_fit(options: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        synchronised([even(3, 30), even(3, 30)], **options)  # type: ignore[arg-type]
