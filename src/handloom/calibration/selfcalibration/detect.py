"""Hands or bodies in every video alone, without a rig: what a calibration from keypoints begins with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.selfcalibration.tracks import KeypointTracks
from handloom.detection import BodyDetector, DetectorPool, HandDetector
from handloom.detection.pool import usable_cores
from handloom.detection.runtime import Runtime
from handloom.errors import DetectionError
from handloom.keypoints import Track
from handloom.progress import SILENT, Progress
from handloom.reconstruction import Tracker
from handloom.video import VideoSource, open_video

Array = NDArray[np.float64]
Target = Literal["hands", "body"]

WATCHED_S = 60.0
"""So much of every video is enough."""

SHORTEST = 5
"""Frames in which a thing must have been followed to be more than a flicker."""

OVERLAP = 3
"""Frames in which two stretches of one thing may overlap."""

SELDOM = 0.2
"""A second hand that no view sees in more than this share of the frames of the first is none."""

LONGEST_GAP = 2.5
"""Pictures between which a keypoint is interpolated where videos run at different rates."""

ON_TIME = 0.02
"""Ticks by which a picture may be off the clock to count as taken then."""


@dataclass
class _Stretch:
    """One thing followed without interruption in one view: its frames, keypoints and side."""

    frames: list[int] = field(default_factory=list)
    xy: list[Array] = field(default_factory=list)
    confidence: list[Array] = field(default_factory=list)
    rightness: float = 0.0


@dataclass(frozen=True)
class _Watched:
    """What one view shows: when its pictures were taken, and the things seen in them."""

    times_s: Array
    fps: float
    stretches: list[_Stretch]


def detect_keypoints(
    videos: Sequence[str | Path],
    *,
    target: Target = "hands",
    people: int = 1,
    max_hands: int | None = None,
    watch_s: float | None = WATCHED_S,
    runtime: Runtime = "litert",
    progress: Progress = SILENT,
) -> KeypointTracks:
    """Follow hands or bodies through every video alone and bring them onto one clock.

    Videos of equal rate keep their keypoints as they are; of different rates, those of the faster ones are
    interpolated at the times of the slowest. Every video's clock begins with its first picture.

    Args:
        videos: one per camera.
        target: what to look for.
        people: how many there are.
        max_hands: how many hands; two per person by default.
        watch_s: so many seconds from the beginning are looked at; everything if None.
        runtime: what runs the networks.
        progress: told of every video.

    Raises:
        VideoError: if a video cannot be read.
        DetectionError: if nothing is found in any of them.
    """
    limit = people if target == "body" else max_hands or 2 * people
    sources = [open_video(video) for video in videos]
    try:
        make = (lambda: BodyDetector(runtime)) if target == "body" else (lambda: HandDetector(runtime))
        with (
            closing(DetectorPool(make)) as pool,
            ThreadPoolExecutor(min(len(sources), usable_cores())) as views,
            progress.task("keypoints of every view", sum(_length(s, watch_s) for s in sources)) as task,
        ):
            watched = list(
                views.map(lambda source: _watch(source, pool, limit, watch_s, task.advance), sources)
            )
    finally:
        for source in sources:
            source.close()
    names = tuple(source.name for source in sources)
    if not any(view.stretches for view in watched):
        what = "hands" if target == "hands" else "people"
        raise DetectionError(
            f"No {what} were found in {', '.join(names)}.",
            "Check that the videos show them, large enough and upright, or ask for the other target.",
        )
    subjects = _subjects(target, people, watched)
    fps = min(view.fps for view in watched)
    ticks = int(np.ceil(max(view.times_s[-1] for view in watched if len(view.times_s)) * fps - ON_TIME)) + 1
    placed = [_on_clock(view, subjects, limit, np.arange(ticks) / fps) for view in watched]
    if len(set(names)) < len(names):
        names = tuple(f"{name}#{number}" for number, name in enumerate(names))
    return KeypointTracks.of(
        np.stack([xy for xy, _ in placed]),
        subjects,
        fps=fps,
        confidence=np.stack([confidence for _, confidence in placed]),
        cameras=names,
    )


def _length(source: VideoSource, watch_s: float | None) -> int:
    count = source.frame_count or 0
    return count if watch_s is None else min(count, round(watch_s * (source.fps or 30.0)))


def _watch(
    source: VideoSource, pool: DetectorPool, limit: int, watch_s: float | None, advance: Callable[[], None]
) -> _Watched:
    tracker = Tracker(pool, None, 1, limit)
    fps = source.fps or 30.0
    found: dict[int, _Stretch] = {}
    times: list[float] = []
    last = None if watch_s is None else max(1, round(watch_s * fps))
    for frame in islice(source.frames(), last):
        for seen in tracker.step([frame.image]):
            stretch = found.setdefault(seen.target, _Stretch())
            stretch.frames.append(len(times))
            stretch.xy.append(seen.reading.xy)
            stretch.confidence.append(seen.reading.confidence)
            p = float(np.clip(seen.reading.right, 0.05, 0.95))
            stretch.rightness += float(np.log(p / (1 - p)))
        times.append(frame.time_s)
        advance()
    stretches = [stretch for stretch in found.values() if len(stretch.frames) >= SHORTEST]
    stretches.sort(key=lambda stretch: (-len(stretch.frames), stretch.frames[0]))
    return _Watched(np.array(times) - (times[0] if times else 0.0), fps, stretches)


def _subjects(target: Target, people: int, watched: Sequence[_Watched]) -> tuple[Track, ...]:
    if target == "body":
        return tuple(Track(number, "body") for number in range(people))
    if people > 1:
        return tuple(Track(number, "hand", side) for number in range(people) for side in ("left", "right"))
    both = False
    for view in watched:
        first = {frame for stretch in view.stretches[:1] for frame in stretch.frames}
        second = {frame for stretch in view.stretches[1:] for frame in stretch.frames}
        both |= len(first & second) > SELDOM * max(len(first | second), 1)
    if both:
        return Track(0, "hand", "left"), Track(0, "hand", "right")
    # One hand is one hand, whichever side a view takes it for.
    right = sum(stretch.rightness for view in watched for stretch in view.stretches) >= 0
    return (Track(0, "hand", "right" if right else "left"),)


def _on_clock(view: _Watched, subjects: Sequence[Track], limit: int, clock: Array) -> tuple[Array, Array]:
    """(T, J, 2) keypoints of the subjects at the times of a clock, and (T, J) their confidence."""
    slots: list[list[_Stretch]] = [[] for _ in subjects]
    for stretch in view.stretches:
        order = sorted(range(len(subjects)), key=lambda s: (_against(stretch, subjects[s]), s))
        for slot in order:
            taken = {frame for other in slots[slot] for frame in other.frames}
            if len(taken.intersection(stretch.frames)) <= OVERLAP:
                slots[slot].append(stretch)
                break
    parts, certain = [], []
    joints = len(view.stretches[0].xy[0]) if view.stretches else {"hand": 21, "body": 33}[subjects[0].target]
    for held in slots:
        xy = np.full((len(view.times_s), joints, 2), np.nan)
        confidence = np.zeros((len(view.times_s), joints))
        for stretch in reversed(held):  # the longest is written last, and stays
            xy[stretch.frames], confidence[stretch.frames] = stretch.xy, stretch.confidence
        at, weight = _resampled(view, xy, confidence, clock)
        parts.append(at)
        certain.append(weight)
    return np.concatenate(parts, axis=1), np.concatenate(certain, axis=1)


def _against(stretch: _Stretch, subject: Track) -> float:
    """Evidence in a stretch that it is not on a subject's side."""
    if subject.side == "none":
        return 0.0
    return -stretch.rightness if subject.side == "right" else stretch.rightness


def _resampled(view: _Watched, xy: Array, confidence: Array, clock: Array) -> tuple[Array, Array]:
    shape = xy.shape[1:]
    if len(view.times_s) < 2:
        return np.full((len(clock), *shape), np.nan), np.zeros((len(clock), shape[0]))
    after = np.clip(np.searchsorted(view.times_s, clock), 1, len(view.times_s) - 1)
    before = after - 1
    gap = view.times_s[after] - view.times_s[before]
    share = (clock - view.times_s[before]) / np.maximum(gap, 1e-9)
    near = ON_TIME / view.fps / np.maximum(gap, 1e-9)
    share = np.where(np.abs(share) <= near, 0.0, np.where(np.abs(share - 1) <= near, 1.0, share))
    # A picture taken on time is kept to the last bit, also beside one in which nothing was found.
    first, second = xy[before], xy[after]
    mixed = (1 - share)[:, None, None] * first + share[:, None, None] * second
    out = np.where((share == 0)[:, None, None], first, np.where((share == 1)[:, None, None], second, mixed))
    weight = np.where(
        (share == 0)[:, None],
        confidence[before],
        np.where((share == 1)[:, None], confidence[after], np.minimum(confidence[before], confidence[after])),
    )
    between = (share > 0) & (share < 1)
    valid = (share >= 0) & (share <= 1) & (~between | (gap <= LONGEST_GAP / view.fps))
    return np.where(valid[:, None, None], out, np.nan), np.where(valid[:, None], weight, 0.0)
