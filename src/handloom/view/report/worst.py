"""The frames that fit worst, as pictures: what each view saw against what the 3D points say it should see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handloom.keypoints import Array
from handloom.session import Session
from handloom.view.measures import extents_px, residuals_px, rms_present
from handloom.view.overlay import draw_skeleton
from handloom.view.pictures import Picture
from handloom.view.report.crops import crop_size, cut_out, data_url, pictures_at, square_around
from handloom.view.report.statistics import TrackStatistics
from handloom.view.report.verdicts import title_of
from handloom.view.units import number, percent

SPACING = 10
_WIDEST = 2.5  # times the detection: a projection further away is left outside
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
    pictures = pictures_at(session, [position for position, _ in chosen], videos)
    return [_worst_frame(session, gathered, position, pictures, several) for position, gathered in chosen]


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
    size = crop_size(len(session.views))
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
    center, side = square_around(seen if np.isfinite(seen).any() else projected)
    both, wide = square_around(np.concatenate([seen, projected]))
    if wide <= _WIDEST * side:
        center, side = both, wide
    canvas, A = cut_out(picture, center, side, size)
    draw_skeleton(canvas, gathered.skeleton, projected @ A[:, :2].T + A[:, 2], thickness=3)
    draw_skeleton(canvas, gathered.skeleton, seen @ A[:, :2].T + A[:, 2], thickness=1, colour=_DETECTED)
    return data_url(canvas)
