"""Sessions with faults put in on purpose, and small recordings to go with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from synthetic import RIGHT_HAND, Scene, arc_rig

from handloom.cameras import CameraRig
from handloom.session import Observations, Session, SessionWriter, Window, describe_run
from handloom.video import VideoWriter

BAD_FRAMES = (12, 31, 47)
FRAMES = 60


def faulty_session(folder: Path, rig: CameraRig | None = None, **record: object) -> Session:
    """A right hand before three cameras; cam1 sees it elsewhere in ``BAD_FRAMES`` and at first not at all."""
    scene = Scene.of(FRAMES, rig=rig or arc_rig(3), tracks=[RIGHT_HAND])
    window = scene.window(noise_px=0.5)
    seen = window.observations[RIGHT_HAND]
    xy, used = seen.xy.copy(), np.ones(seen.used.shape, dtype=bool)
    for size, frame in enumerate(BAD_FRAMES, start=1):
        xy[1, frame] += 20.0 * size
        used[1, frame] = False
    xy[1, :8] = np.nan
    faulty = Observations.of(seen.skeleton, xy, seen.confidence, used)
    window = Window(window.frames, window.times_s, window.source_frames, {RIGHT_HAND: faulty}, window.points)
    with SessionWriter(folder, scene.rig) as writer:
        writer.append(window)
        writer.finish(describe_run(["synthetic"], **record))  # type: ignore[arg-type]
    return Session.open(folder)


def write_videos(folder: Path, views: tuple[str, ...], frames: int = FRAMES) -> dict[str, Path]:
    """One flat video per view, 320 × 240, brighter with time."""
    paths = {}
    for view in views:
        paths[view] = folder / f"{view}.mp4"
        with VideoWriter(paths[view], fps=30.0) as writer:
            for frame in range(frames):
                writer.write(np.full((240, 320, 3), 40 + 3 * frame, dtype=np.uint8))
    return paths
