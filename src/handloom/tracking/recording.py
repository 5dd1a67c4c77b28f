"""A synchronised recording: one video per calibrated camera, checked to belong together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from handloom.cameras import Camera, CameraRig
from handloom.errors import RigError
from handloom.progress import SILENT, Progress
from handloom.video import VideoSource, open_video
from handloom.video.webcam import without_password

CODING_BLOCK = 16
"""Video encoders round picture sizes to multiples of this: so much of an edge may be cut off."""


@dataclass(frozen=True, eq=False)
class Recording:
    """Videos and the cameras that took them, in the same order.

    Attributes:
        videos: where each view came from, as it was given.
        sources: one per view.
        rig: one camera per view, its image size that of the video.
    """

    videos: tuple[str, ...]
    sources: tuple[VideoSource, ...]
    rig: CameraRig

    def close(self) -> None:
        """Release the videos."""
        for source in self.sources:
            source.close()


def open_recording(
    videos: Sequence[str | Path | int], rig: CameraRig, progress: Progress = SILENT
) -> Recording:
    """Open the videos and find the camera of each: by name where names agree, otherwise by order.

    Raises:
        VideoError: if a video cannot be opened.
        RigError: if the cameras do not fit the videos in number, name or picture size.
    """
    with ExitStack() as stack:
        sources = tuple(stack.enter_context(open_video(video)) for video in videos)
        for warning in rig.warnings:
            progress.note(f"The rig's calibration was not to be trusted: {warning}")
        cameras = _matched(sources, rig)
        _require_places(cameras)
        fitted = tuple(
            _fitted(camera, source, progress) for camera, source in zip(cameras, sources, strict=True)
        )
        stack.pop_all()
    return Recording(tuple(_place(video) for video in videos), sources, replace(rig, cameras=fitted))


def _place(video: str | Path | int) -> str:
    """An absolute path, so that the pictures are found again; a webcam's number, a stream's address."""
    path = Path(str(video))
    return str(path.resolve()) if path.exists() else without_password(str(video))


def _matched(sources: Sequence[VideoSource], rig: CameraRig) -> list[Camera]:
    names = [source.name for source in sources]
    if len(set(names)) == len(names) and set(names) <= set(rig.names):
        return [rig[name] for name in names]
    if len(sources) == len(rig):
        return list(rig)
    counts = f"{len(sources)} videos ({', '.join(names)}) and {len(rig)} cameras ({', '.join(rig.names)})"
    if len(sources) > len(rig):
        raise RigError(
            f"The rig has too few cameras: {counts}.",
            "Leave out videos or calibrate the missing cameras.",
        )
    raise RigError(
        f"The rig has more cameras than there are videos: {counts}.",
        "Name the videos after their cameras, or give one video per camera in the rig's order.",
    )


def _require_places(cameras: Sequence[Camera]) -> None:
    """Two cameras in one place and turned alike are no rig: a calibration of the lenses alone looks so."""
    poses = np.stack([camera.T_camera_world for camera in cameras])
    if len(cameras) > 1 and np.ptp(poses, axis=0).max() == 0:
        raise RigError(
            f"The rig has all {len(cameras)} cameras in one place: it holds lenses, not where they are.",
            "Calibrate the rig from recordings in which cameras see the board together.",
        )


def _fitted(camera: Camera, source: VideoSource, progress: Progress) -> Camera:
    if camera.image_size is None or camera.image_size == source.image_size:
        return replace(camera, image_size=source.image_size)
    expected, found = camera.image_size, source.image_size
    sizes = f"calibrated at {expected[0]}×{expected[1]}, but {source.name} is {found[0]}×{found[1]}"
    if all(0 <= e - f < CODING_BLOCK for e, f in zip(expected, found, strict=True)):
        progress.note(f"Camera {camera.name} was {sizes}: taken as cut off at the right and bottom.")
        return replace(camera, image_size=found)
    raise RigError(
        f"Camera {camera.name} was {sizes}.",
        "Use the calibration of this resolution, or convert it with Camera.scaled or Camera.cropped.",
    )
