"""The frames that fit worst, as pictures: what each view saw against what the 3D points say it should see."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from handloom.keypoints import Array
from handloom.session import Session
from handloom.view.measures import extents_px, residuals_px, rms_present
from handloom.view.overlay import draw_skeleton
from handloom.view.pictures import Picture, PictureReader
from handloom.view.report.statistics import TrackStatistics
from handloom.view.report.verdicts import title_of
from handloom.view.units import number, percent

SPACING = 10
JPEG_QUALITY = 78
_CROP_SIZES = ((4, 300), (8, 220), (10**6, 150))  # pixels of a crop for up to so many views
_BEYOND = 0.35  # of the hand's size, shown around it
_WIDEST = 2.5  # times the detection: a projection further away is left outside
_PLAIN = 44  # grey level where there is no picture
_DETECTED = (255, 255, 255)


@dataclass(frozen=True)
class Crop:
    """What one view saw: its name, whether it has a detection, and the JPEG as a data URL."""

    view: str
    note: str
    url: str


@dataclass(frozen=True)
class WorstFrame:
    """A frame that fits badly.

    Attributes:
        frame: its number on the timeline.
        title: the frame, its time and the track.
        reason: why it is listed.
        crops: one per view.
    """

    frame: int
    title: str
    reason: str
    crops: list[Crop]


def worst_positions(
    tracks: Sequence[TrackStatistics], count: int = 6, spacing: int = SPACING
) -> list[tuple[int, TrackStatistics]]:
    """Positions on the timeline with the largest scores and their tracks, worst first, ``spacing`` apart."""
    if not tracks:
        return []
    scores = np.stack([gathered.scores for gathered in tracks])
    scores = np.where(np.isfinite(scores), scores, -1.0)
    by_frame = scores.max(axis=0)
    chosen: list[int] = []
    while len(chosen) < count and len(by_frame) and by_frame.max() > 0.0:
        position = int(by_frame.argmax())
        chosen.append(position)
        by_frame[max(0, position - spacing + 1) : position + spacing] = -1.0
    return [(position, tracks[int(scores[:, position].argmax())]) for position in chosen]


def worst_frames(
    session: Session, tracks: Sequence[TrackStatistics], videos: Mapping[str, Path], count: int = 6
) -> list[WorstFrame]:
    """The worst frames with their pictures, which are read by seeking; without a recording on plain grey.

    Raises:
        VideoError: if a recording cannot be opened.
    """
    chosen = worst_positions(tracks, count)
    several = len({gathered.track.subject for gathered in tracks})
    pictures = _pictures(session, sorted(position for position, _ in chosen), videos)
    return [_worst_frame(session, gathered, position, pictures, several) for position, gathered in chosen]


def _pictures(
    session: Session, positions: list[int], videos: Mapping[str, Path]
) -> dict[tuple[int, str], Picture]:
    """Pictures by position and view; each recording is read once, forwards."""
    found: dict[tuple[int, str], Picture] = {}
    for c, view in enumerate(session.views):
        own = session.source_frames[c]
        numbers = [(p, int(own[p])) for p in positions if np.isfinite(own[p])]
        if view not in videos or not numbers:
            continue
        reader = PictureReader(videos[view], numbers[0][1])
        for position, index in numbers:
            picture = reader.at(index)
            if picture is not None:
                found[position, view] = picture
        reader.close()
    return found


def _worst_frame(
    session: Session,
    gathered: TrackStatistics,
    position: int,
    pictures: Mapping[tuple[int, str], Picture],
    several: int,
) -> WorstFrame:
    seen = session.keypoints2d(gathered.track, position, position + 1)
    xyz = session.keypoints3d(gathered.track, position, position + 1).xyz
    residuals = residuals_px(session.rig, seen.xy, xyz)[:, 0]
    by_view = np.nan_to_num(rms_present(residuals, axis=-1))
    c = int(by_view.argmax())
    joint = int(np.nan_to_num(residuals[c]).argmax())
    share = by_view[c] / float(np.nan_to_num(extents_px(seen.xy[c, 0]), nan=np.inf))
    reason = (
        f"In {session.views[c]} the detection lies {number(float(by_view[c]))} px away from the 3D points "
        f"({percent(share)} of its size there); furthest is the "
        f"{gathered.skeleton.joints[joint].replace('_', ' ')}, by {number(float(residuals[c, joint]))} px."
    )
    projected = session.rig.project(xyz[0])
    size = next(pixels for views, pixels in _CROP_SIZES if len(session.views) <= views)
    crops = []
    for v, view in enumerate(session.views):
        observed = np.isfinite(seen.xy[v, 0]).all(axis=-1)
        used = int(seen.used[v, 0].sum())
        note = "not detected" if not observed.any() else f"{used} of {int(observed.sum())} joints used"
        picture = _crop(pictures.get((position, view)), gathered, seen.xy[v, 0], projected[v], size)
        crops.append(Crop(view, note, picture))
    title = (
        f"Frame {int(session.frames[position])}, {float(session.times_s[position]):.2f} s · "
        f"{title_of(gathered.track, several)}"
    )
    return WorstFrame(int(session.frames[position]), title, reason, crops)


def _crop(
    picture: Picture | None, gathered: TrackStatistics, seen: Array, projected: Array, size: int
) -> str:
    """A square around what was detected and, unless that is far off, the projection, as a data URL."""
    center, side = _square(seen if np.isfinite(seen).any() else projected)
    both, wide = _square(np.concatenate([seen, projected]))
    if wide <= _WIDEST * side:
        center, side = both, wide
    scale = size / side
    shift = 0.5 * (size - 1) - scale * center
    A = np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])
    if picture is None:
        canvas = np.full((size, size, 3), _PLAIN, dtype=np.uint8)
    else:
        kind = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR
        canvas = np.ascontiguousarray(
            cv2.warpAffine(picture, A, (size, size), flags=kind, borderValue=(_PLAIN,) * 3), dtype=np.uint8
        )
    draw_skeleton(canvas, gathered.skeleton, projected @ A[:, :2].T + A[:, 2], thickness=3)
    draw_skeleton(canvas, gathered.skeleton, seen @ A[:, :2].T + A[:, 2], thickness=1, colour=_DETECTED)
    encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(canvas, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def _square(points: Array) -> tuple[Array, float]:
    """Centre and side of a square around the points present, with room."""
    present = points[np.isfinite(points).all(axis=-1)]
    if not len(present):
        return np.zeros(2), 100.0
    low, high = present.min(axis=0), present.max(axis=0)
    return 0.5 * (low + high), max(40.0, float((high - low).max()) * (1.0 + 2.0 * _BEYOND))
