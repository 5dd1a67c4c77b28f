"""Skeletons drawn on pictures: antialiased, at sub-pixel positions, legible on any background.

Hands that were fitted show as meshes under them (:mod:`handloom.view.mesh_overlay`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.keypoints import Array
from handloom.progress import SILENT, Progress
from handloom.session import Session
from handloom.session.files import make_folder
from handloom.skeleton import Skeleton
from handloom.video import VideoWriter
from handloom.view.colours import Colour, bone_colours, joint_colours
from handloom.view.mesh_overlay import draw_hands, meshes_at
from handloom.view.pictures import Picture, Videos, find_videos, pictures_along

_SHIFT = 4  # fractional bits of OpenCV's drawing coordinates
_FAR = 20_000.0  # pixels; beyond, OpenCV's fixed-point coordinates overflow
_SHADE: Colour = (20, 22, 26)
_LIGHT_SHADE: Colour = (96, 100, 108)  # under thin lines, which a dark rim would drown
_DIMMED = 0.45


def draw_skeleton(
    image: Picture,
    skeleton: Skeleton,
    xy: Array,
    *,
    thickness: int = 2,
    colour: Colour | None = None,
    used: NDArray[np.bool_] | None = None,
) -> None:
    """Draw one hand or body on a picture, in place.

    Args:
        image: (H, W, 3) uint8 RGB, contiguous.
        skeleton: the joints; a hand is coloured by finger, a body by side.
        xy: (J, 2) pixels; missing joints and their bones are left out.
        thickness: of a bone, in pixels; joints and outline go with it.
        colour: one colour for everything instead.
        used: (J,) joints the 3D points rest on; the others are dimmed.
    """
    trusted = np.ones(len(skeleton), dtype=bool) if used is None else used
    drawable = np.asarray((np.abs(np.nan_to_num(xy, nan=np.inf)) < _FAR).all(axis=-1))
    points = [tuple(map(int, p)) for p in np.round(np.where(drawable[:, None], xy, 0.0) * (1 << _SHIFT))]
    bones = [
        (parent, child, _shown(colour or bone, trusted[parent] and trusted[child]))
        for (parent, child), bone in zip(skeleton.bone_indices, bone_colours(skeleton), strict=True)
        if drawable[parent] and drawable[child]
    ]
    outline = max(1, round(0.6 * thickness))
    rim = _SHADE if thickness > 1 else _LIGHT_SHADE
    for parent, child, _ in bones:
        _line(image, points[parent], points[child], rim, thickness + 2 * outline)
    for parent, child, shade in bones:
        _line(image, points[parent], points[child], shade, thickness)
    radius = max(1.0, 0.9 * thickness)
    for joint, own in enumerate(joint_colours(skeleton)):
        if drawable[joint]:
            _disc(image, points[joint], radius + 0.7 * outline, rim)
            _disc(image, points[joint], radius, _shown(colour or own, trusted[joint]))


def write_overlay_video(
    session: Session, folder: str | Path, videos: Videos | None = None, progress: Progress = SILENT
) -> list[Path]:
    """Write one MP4 per view with what was seen in it: ``overlay_<view>.mp4``; memory stays constant.

    Fitted hands are drawn as meshes, with what was detected as thin lines over them.

    Args:
        folder: created if its parent exists.
        videos: as in :func:`~handloom.view.pictures.find_videos`.

    Returns:
        The files written: one for every view whose recording is there.

    Raises:
        VideoError: if a recording cannot be read or a file not be written.
        SessionError: if the folder cannot be made.
    """
    paths = find_videos(session, videos)
    folder = Path(folder)
    make_folder(folder)
    span = float(session.times_s[-1] - session.times_s[0]) if len(session) > 1 else 0.0
    fps = (len(session) - 1) / span if span > 0 else 30.0
    with ExitStack() as stack:
        task = stack.enter_context(progress.task("overlays", total=len(session)))
        written = {view: overlay_path(folder, view) for view in session.views if view in paths}
        writers = {view: stack.enter_context(VideoWriter(path, fps)) for view, path in written.items()}
        for pictures in _overlaid(session, paths):
            for view, picture in zip(session.views, pictures, strict=True):
                if picture is not None:
                    writers[view].write(picture)
            task.advance()
    return list(written.values())


def overlay_path(folder: Path, view: str) -> Path:
    """The file of one view's overlay."""
    return folder / f"overlay_{view}.mp4"


def _overlaid(session: Session, paths: dict[str, Path]) -> Iterator[list[Picture | None]]:
    along = pictures_along(session, paths)
    hands = session.hands()
    start = 0
    for window in session.windows():
        posed = {track: hand.posed(slice(start, start + len(window))) for track, hand in hands.items()}
        start += len(window)
        for t in range(len(window)):
            pictures = next(along)
            for c, picture in enumerate(pictures):
                if picture is None:
                    continue
                drawn = picture.copy()
                draw_hands(drawn, session.rig[c], meshes_at(hands, posed, t))
                for track, seen in window.observations.items():
                    thickness = 1 if track in hands else 2
                    draw_skeleton(
                        drawn, seen.skeleton, seen.xy[c, t], used=seen.used[c, t], thickness=thickness
                    )
                # The codec takes even sizes only.
                pictures[c] = np.ascontiguousarray(
                    drawn[: drawn.shape[0] // 2 * 2, : drawn.shape[1] // 2 * 2]
                )
            yield pictures


def _shown(colour: Colour | NDArray[np.uint8], trusted: bool) -> Colour:
    red, green, blue = (int(channel * (1.0 if trusted else _DIMMED)) for channel in colour)
    return red, green, blue


def _line(image: Picture, a: tuple[int, ...], b: tuple[int, ...], colour: Colour, thickness: int) -> None:
    cv2.line(image, a, b, colour, thickness, cv2.LINE_AA, _SHIFT)


def _disc(image: Picture, center: tuple[int, ...], radius: float, colour: Colour) -> None:
    cv2.circle(image, center, round(radius * (1 << _SHIFT)), colour, -1, cv2.LINE_AA, _SHIFT)
