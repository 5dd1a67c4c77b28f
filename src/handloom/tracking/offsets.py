"""Time offsets between videos that were not started together, from what moves in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import CameraRig
from handloom.detection import DetectorPool
from handloom.errors import DetectionError
from handloom.progress import SILENT, Progress
from handloom.reconstruction import Tracker
from handloom.tracking.options import TrackOptions
from handloom.tracking.recording import open_recording
from handloom.video import VideoSource, estimate_offset

Array = NDArray[np.float64]

WATCHED_S = 20.0
"""So much of every video is looked at."""

LEAST_CONFIDENCE = 0.3


def estimate_offsets(
    videos: Sequence[str | Path | int],
    rig: CameraRig,
    options: TrackOptions,
    progress: Progress = SILENT,
) -> TrackOptions:
    """Find when each video started on the clock of the first.

    Every view is tracked alone for a while; the motion of what it shows and, across views, the epipolar
    residual tell the offset (:mod:`handloom.video.synchronisation`).

    Returns:
        The options with ``offsets_s`` set.

    Raises:
        DetectionError: if the views do not show enough common motion to tell.
    """
    with closing(open_recording(videos, rig, progress)) as recording:
        kind = options.kinds[0]
        with closing(DetectorPool(options.make(kind))) as pool:
            tracks = [_longest_track(source, pool, progress) for source in recording.sources]
        rates = [source.fps or 30.0 for source in recording.sources]
        cameras = recording.rig.cameras
        offsets = [0.0]
        for view in range(1, len(tracks)):
            name = recording.sources[view].name
            found = estimate_offset(
                tracks[0], tracks[view], (rates[0], rates[view]), (cameras[0], cameras[view])
            )
            if found.confidence < LEAST_CONFIDENCE:
                raise DetectionError(
                    f"The offset of {name} is unclear from its motion (confidence {found.confidence:.2f}).",
                    "Give it with --offset, or record a quick movement that both views see.",
                )
            progress.note(
                f"{name} starts {found.seconds:+.3f} s ({found.frames:+.1f} frames) after "
                f"{recording.sources[0].name}, confidence {found.confidence:.2f}"
            )
            offsets.append(found.seconds)
    return replace(options, offsets_s=tuple(offsets))


def _longest_track(source: VideoSource, pool: DetectorPool, progress: Progress) -> Array:
    """(T, J, 2) pixels of the thing that one view sees longest, NaN where it does not."""
    tracker = Tracker(pool, None, 1, 1)
    frames = round(WATCHED_S * (source.fps or 30.0))
    seen: dict[int, dict[int, Array]] = {}
    count = 0
    with progress.task(f"watch {source.name}", min(frames, source.frame_count or frames)) as task:
        for frame in islice(source.frames(), frames):
            for observation in tracker.step([frame.image]):
                seen.setdefault(observation.target, {})[count] = observation.reading.xy
            count += 1
            task.advance()
    if not seen:
        raise DetectionError(
            f"Nothing was found in the first {frames} frames of {source.name}, so its offset cannot be told.",
            "Give the offset with --offset, or check the video.",
        )
    track = np.full((count, len(pool.example.skeleton), 2), np.nan)
    longest = max(seen.values(), key=len)
    track[list(longest)] = list(longest.values())
    return track
