"""Detection, then reconstruction: the two stages of a tracking run.

*Detection* follows everything through all views and commits what it saw, chunk by chunk, so that a run that
is killed goes on where it was. *Reconstruction* decides who is who over the whole recording and solves for 3D
keypoints, stretch by stretch. Memory does not grow with the recording's length.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from handloom import __version__
from handloom.cameras import CameraRig, read_rig
from handloom.detection import DetectorPool, Region, hands_of
from handloom.errors import DetectionError, HandloomError, SessionError
from handloom.keypoints import Track
from handloom.progress import SILENT, Progress
from handloom.reconstruction import (
    Assignment,
    CausalReconstructor,
    IdentityResolver,
    Observation,
    ReconstructionOptions,
    Reconstructor,
    Sightings,
    Tracker,
)
from handloom.reconstruction.warmup import warm_up
from handloom.session import (
    FolderState,
    Journal,
    Observations,
    Session,
    SessionWriter,
    Window,
    claim_folder,
    describe_run,
)
from handloom.session.journal import remove_journal
from handloom.session.layout import JOURNAL
from handloom.skeleton import SKELETONS
from handloom.tracking.log import DetectionLog, Stretch
from handloom.tracking.options import TrackOptions
from handloom.tracking.recording import Recording, open_recording
from handloom.video import Synchronised, synchronised
from handloom.video.prefetch import prefetched

CHUNK = 96
"""Frames between two commits to the journal."""

STRETCH = 192
"""Frames reconstructed at once, besides the margins."""


def track(
    videos: Sequence[str | Path | int],
    rig: CameraRig | str | Path,
    out: str | Path,
    options: TrackOptions | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress = SILENT,
    command: Sequence[str] = ("handloom.track",),
) -> Session:
    """Track hands, bodies or both through synchronised videos.

    Args:
        videos: files, image folders or webcam numbers, one per camera.
        rig: the calibration, or a file or folder that :func:`handloom.cameras.read_rig` reads.
        out: folder of the session.
        options: see :class:`TrackOptions`.
        resume: continue a run that was interrupted; a finished one is returned as it is.
        overwrite: replace a session that is there.
        progress: told of every frame.
        command: what to record as the command of this run.

    Returns:
        The finished session: 2D keypoints of every view, 3D keypoints with covariance in the rig's unit.

    Raises:
        HandloomError: for every problem that the user can mend. Nothing half-written is left then, unless
            the disk is to blame: what was detected so far waits to be resumed.
    """
    options = options or TrackOptions()
    out = Path(out)
    cameras = rig if isinstance(rig, CameraRig) else read_rig(rig)
    with closing(open_recording(videos, cameras, progress)) as recording:
        _check(options, recording)
        fresh = not out.exists()
        state = claim_folder(out, overwrite=overwrite, resume=resume)
        if resume and state is FolderState.FINISHED:
            return Session.open(out)
        try:
            journal = Journal(out / JOURNAL, _fingerprint(recording, options))
            log = DetectionLog(journal, options.kinds)
            timings = {"detection": _timed(lambda: _detect(recording, options, log, progress))}
            tracks = _identified(log, options, len(recording.rig))
            with SessionWriter(out, recording.rig) as writer:
                timings["reconstruction"] = _timed(
                    lambda: _reconstruct(recording, options, log, tracks, writer, progress)
                )
                writer.finish(_record(recording, options, log, timings, command))
        except HandloomError as error:
            # A full disk, or options that are not those of the run begun here, are no reason to lose what was
            # detected. Anything else will go wrong again: there is nothing worth continuing.
            if not isinstance(error, SessionError):
                remove_journal(out / JOURNAL)
            for folder in (out / JOURNAL, out) if fresh else (out / JOURNAL,):
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
            raise
        remove_journal(out / JOURNAL)
        return Session.open(out)


def _check(options: TrackOptions, recording: Recording) -> None:
    """Raise :class:`HandloomError` if the options do not fit the recording."""
    offsets, views = options.offsets_s, len(recording.sources)
    if offsets is not None and len(offsets) != views:
        raise HandloomError(
            f"{len(offsets)} offsets ({', '.join(f'{o:g}' for o in offsets)}) do not fit {views} views.",
            "Give one per view, in seconds: 0,0.04",
        )
    if offsets is not None and not np.isfinite(offsets).all():
        raise HandloomError(
            f"The offsets {list(offsets)} are not all finite.", "Write them in seconds: 0,0.04"
        )
    if options.fps is not None and not 0 < options.fps < np.inf:
        raise HandloomError(
            f"A frame rate of {options.fps:g} is not possible.", "Give frames per second, such as 30."
        )


def _detect(recording: Recording, options: TrackOptions, log: DetectionLog, progress: Progress) -> None:
    """Follow everything through all frames that the log does not hold yet."""
    warm_up()
    with ExitStack() as stack:
        trackers = {}
        for kind in options.kinds:
            pool = stack.enter_context(closing(DetectorPool(options.make(kind))))
            trackers[kind] = Tracker(pool, recording.rig, len(recording.sources), options.limit(kind))
            if log.state is not None:
                trackers[kind].restore(log.state[kind])
        clock = stack.enter_context(closing(_clock(recording, options, log.frames)))
        task = stack.enter_context(progress.task("2D keypoints", clock.frame_count))
        task.advance(log.frames)
        for time_s, frames in stack.enter_context(closing(prefetched(clock))):
            images = [None if frame is None else frame.image for frame in frames]
            seen: dict[str, list[Observation]] = {}
            for kind, tracker in trackers.items():
                seen[kind] = tracker.step(images, _hints(seen.get("body", ())))
            log.add(time_s, [np.nan if frame is None else frame.index for frame in frames], seen)
            task.advance()
            if log.pending == CHUNK:
                log.commit({kind: tracker.state() for kind, tracker in trackers.items()})
        log.commit({kind: tracker.state() for kind, tracker in trackers.items()})


def _hints(bodies: Sequence[Observation]) -> dict[int, list[Region]]:
    """View → where hands hang on the bodies seen there."""
    hints: dict[int, list[Region]] = {}
    for body in bodies:
        hints.setdefault(body.view, []).extend(hands_of(body.reading))
    return hints


def _identified(log: DetectionLog, options: TrackOptions, views: int) -> Assignment:
    """Which targets make up which track."""
    resolver = IdentityResolver(options.people, space=views > 1)
    for tables in log.tables():
        resolver.add(tables.get("hand"), tables.get("body"))
    hands, bodies = resolver.resolve()
    if not hands and not bodies:
        wanted = " or ".join(options.kinds)
        raise DetectionError(
            f"No {wanted} was found in {log.frames} frames of {views} {'view' if views == 1 else 'views'}.",
            "Check that the videos show what --target asks for, large and bright enough.",
        )
    return {**hands, **bodies}


def _reconstruct(
    recording: Recording,
    options: TrackOptions,
    log: DetectionLog,
    tracks: Assignment,
    writer: SessionWriter,
    progress: Progress,
) -> None:
    """Solve for the 3D keypoints of every track and write everything."""
    rig = recording.rig
    noises = {kind: options.noise(kind) for kind in options.kinds}
    with closing(_clock(recording, options)) as clock:
        fps = clock.fps
    how = ReconstructionOptions(smooth=options.smooth and not options.causal, fill_s=options.fill_s)
    solvers = {track: Reconstructor(rig, SKELETONS[track.target], fps, how) for track in tracks}
    causal = {track: CausalReconstructor(solver) for track, solver in solvers.items() if options.causal}

    def sightings(stretch: Stretch, track: Track) -> Sightings:
        table = stretch.tables[track.target]
        noise = noises[track.target]
        return table.sightings(tracks[track], stretch.first, stretch.last, len(rig), noise)

    if how.smooth:
        for stretch in log.stretches(STRETCH):
            for track, solver in solvers.items():
                solver.learn(sightings(stretch, track))
    margin = max(solver.margin for solver in solvers.values())
    with progress.task("3D keypoints", log.frames) as task:
        for stretch in log.stretches(STRETCH, margin):
            observations, points = {}, {}
            for track, solver in solvers.items():
                seen = sightings(stretch, track)
                solution = causal[track].solve(seen) if options.causal else solver.solve(seen)
                own = slice(stretch.start - stretch.first, stretch.stop - stretch.first)
                points[track] = solution.keypoints.at(own)
                observations[track] = Observations.of(
                    SKELETONS[track.target],
                    seen.xy[:, own],
                    seen.confidence[:, own],
                    solution.used[:, own],
                )
            frames = np.arange(stretch.start, stretch.stop)
            writer.append(Window(frames, stretch.times_s, stretch.source_frames, observations, points))
            task.advance(len(stretch))


def _clock(recording: Recording, options: TrackOptions, start: int = 0) -> Synchronised:
    return synchronised(recording.sources, options.offsets_s, options.fps, start)


def _fingerprint(recording: Recording, options: TrackOptions) -> dict[str, Any]:
    """Everything that shapes what detection sees."""
    cameras = [
        [
            camera.name,
            camera.model,
            camera.K.tolist(),
            camera.distortion.tolist(),
            camera.T_camera_world.tolist(),
        ]
        for camera in recording.rig
    ]
    videos = [
        [source.name, list(source.image_size), source.fps, source.frame_count] for source in recording.sources
    ]
    return {
        "handloom": __version__,
        "videos": videos,
        "cameras": cameras,
        "unit": recording.rig.unit,
        "options": asdict(options),
        "models": options.models(),
    }


def _record(
    recording: Recording,
    options: TrackOptions,
    log: DetectionLog,
    timings: dict[str, float],
    command: Sequence[str],
) -> dict[str, Any]:
    videos = {
        camera.name: {"path": video, "image_size": list(source.image_size), "fps": source.fps}
        for camera, video, source in zip(recording.rig, recording.videos, recording.sources, strict=True)
    }
    return describe_run(
        command,
        inputs={"videos": videos, "frames": log.frames},
        options=asdict(options),
        models=options.models(),
        timings_s=timings,
    )


def _timed(step: Callable[[], None]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began
