"""Videos and lenses in, a rig out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from handloom.calibration.selfcalibration.detect import WATCHED_S, Target, detect_keypoints
from handloom.calibration.selfcalibration.result import SelfCalibration
from handloom.calibration.selfcalibration.solve import calibrate_tracks, refine_rig
from handloom.cameras import Camera, CameraRig
from handloom.detection.runtime import Runtime
from handloom.progress import SILENT, Progress
from handloom.tracking.recording import open_recording


def calibrate_from_keypoints(
    videos: Sequence[str | Path],
    lenses: CameraRig | Sequence[Camera],
    *,
    target: Target = "hands",
    bone_length: Mapping[str, float] | None = None,
    camera_distance: tuple[str, str, float] | None = None,
    people: int = 1,
    max_hands: int | None = None,
    synchronised: bool = True,
    offsets_s: Sequence[float] | None = None,
    watch_s: float | None = WATCHED_S,
    runtime: Runtime = "litert",
    progress: Progress = SILENT,
) -> SelfCalibration:
    """Find where cameras stand from the hands or people they film, without a board.

    Args:
        videos: one per camera.
        lenses: cameras whose lenses are known, by name or in the order of the videos; poses are ignored.
        target: what to follow.
        bone_length: name → metres: ``{"left_upper_arm": 0.27}``, ``{"wrist-middle_mcp": 0.09}``; without any
            known length the rig has no unit.
        camera_distance: names of two cameras and the metres between them, instead or besides.
        people: how many there are.
        max_hands: how many hands; two per person by default.
        synchronised: the videos began together (apart from ``offsets_s``); otherwise offsets are estimated.
        offsets_s: seconds after the first video's start at which each started.
        watch_s: so many seconds of every video are looked at; all of it if None.
        runtime: what runs the networks.
        progress: told of every step.

    Raises:
        RigError: if the lenses do not fit the videos in number, name or picture size.
        VideoError: if a video cannot be read.
        DetectionError: if nothing is found.
        CalibrationError: if what is found does not determine the rig.
    """
    # Where the lenses were before does not matter, but a recording wants its cameras in different places.
    apart = [
        replace(
            camera, T_camera_world=np.array([[1, 0, 0, number], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
        )
        for number, camera in enumerate(lenses)
    ]
    with closing(
        open_recording(list(videos), CameraRig(tuple(apart), unit="unknown"), progress)
    ) as recording:
        cameras = recording.rig.cameras
    tracks = detect_keypoints(
        videos,
        target=target,
        people=people,
        max_hands=max_hands,
        watch_s=watch_s,
        runtime=runtime,
        progress=progress,
    )
    return calibrate_tracks(
        replace(tracks, cameras=tuple(camera.name for camera in cameras)),
        cameras,
        bone_length=bone_length,
        camera_distance=camera_distance,
        synchronised=synchronised,
        offsets_s=offsets_s,
        progress=progress,
    )


def refine_from_keypoints(
    videos: Sequence[str | Path],
    rig: CameraRig,
    *,
    target: Target = "hands",
    offsets_s: Sequence[float] | None = None,
    watch_s: float | None = WATCHED_S,
    runtime: Runtime = "litert",
    progress: Progress = SILENT,
) -> SelfCalibration:
    """Move the cameras of an existing rig to where the hands or people they film agree best.

    For a camera that was knocked since a board calibrated it; see :func:`refine_rig` for what it costs.

    Args:
        videos: one per camera, by name or in the order of the rig.
        rig: the cameras, posed.
        target: what to follow.
        offsets_s: seconds after the first video's start at which each started.
        watch_s: so many seconds of every video are looked at; all of it if None.
        runtime: what runs the networks.
        progress: told of every step.

    Raises:
        RigError: if the rig does not fit the videos in number, name or picture size.
        VideoError: if a video cannot be read.
        DetectionError: if nothing is found.
        CalibrationError: if there are too few keypoints.
    """
    with closing(open_recording(list(videos), rig, progress)) as recording:
        posed = recording.rig
    tracks = detect_keypoints(videos, target=target, watch_s=watch_s, runtime=runtime, progress=progress)
    return refine_rig(posed, replace(tracks, cameras=posed.names), offsets_s=offsets_s)
