"""What a finished run tells: a table, the report, the recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from handloom.errors import SessionError
from handloom.keypoints import Keypoints3D, Track
from handloom.progress import Progress
from handloom.session import Session
from handloom.session.fitted_hand import FitFlag, FittedHand
from handloom.session.layout import OVERLAYS
from handloom.view.measures import residuals_px, rigid_bones
from handloom.view.overlay import overlay_path

UNIT_NAMES = {"m": "metres", "board-square": "board squares"}


def present(
    session: Session,
    console: Console,
    progress: Progress,
    *,
    videos: Sequence[str | Path] | None = None,
    truth: Any = None,
    report: bool = True,
    recording: bool = True,
    overlays: bool = False,
) -> None:
    """Write the report, the viewer's recording and overlay videos, and say in a few lines what was found."""
    if report:
        from handloom.view.report import write_report

        write_report(session, session.folder / "report.html", videos, truth, progress)
    if recording:
        from handloom.view.recording import write_recording

        write_recording(session, session.folder / "recording.rrd", videos, progress)
    drawn: list[Path] = []
    if overlays:
        drawn = _overlays(session, videos, progress)
    console.print(_summary(session))
    hands = _readable_hands(session)
    if hands:
        console.print(_fits(session, hands))
    console.print(f"session  {session.folder}")
    if report:
        console.print(f"report   {session.folder / 'report.html'}")
    if recording:
        console.print(f"viewer   handloom view {session.folder}")
    for path in drawn:
        console.print(f"overlay  {path}")
    if overlays and len(drawn) < len(session.views):
        lacking = [
            view for view in session.views if overlay_path(session.folder / OVERLAYS, view) not in drawn
        ]
        console.print(
            f"[yellow]note[/]  no overlay video of {', '.join(lacking)}: "
            "the recording is no longer where it was tracked; bring it back there and run the command again"
        )
    if session.unit != "m":
        console.print(
            f"[yellow]note[/]  lengths are in {UNIT_NAMES.get(session.unit, 'units of unknown length')}: "
            "say --unit with the length of one to get metres"
        )


def _overlays(session: Session, videos: Sequence[str | Path] | None, progress: Progress) -> list[Path]:
    from handloom.view.overlay import write_overlay_video
    from handloom.view.pictures import find_videos

    if not find_videos(session, videos):
        return []
    return write_overlay_video(session, session.folder / OVERLAYS, videos, progress)


def _summary(session: Session) -> Table:
    table = Table(title=f"{len(session)} frames, {len(session.views)} views", title_justify="left")
    for column in ("track", "frames with 3D", "median reprojection", "bone-length variation"):
        table.add_column(column, justify="left" if column == "track" else "right", no_wrap=column == "track")
    for track in session.tracks:
        points = session.keypoints3d(track)
        found = np.isfinite(points.xyz[..., 0]).mean()
        distances = residuals_px(session.rig, session.keypoints2d(track).xy, points.xyz)
        known = distances[np.isfinite(distances)]
        residual = f"{np.median(known):.1f} px" if len(known) else "–"
        table.add_row(track.name, f"{100 * found:.1f} %", residual, _variation(points))
    return table


def _readable_hands(session: Session) -> dict[Track, FittedHand]:
    """The fitted hands; none where the session has none, or their model is not at hand."""
    try:
        return session.hands()
    except SessionError:
        return {}


def _fits(session: Session, hands: dict[Track, FittedHand]) -> Table:
    table = Table(title="Fitted hands", title_justify="left")
    for column in ("track", "frames", "median reprojection", "hand length", "frames to doubt"):
        table.add_column(column, justify="left" if column == "track" else "right", no_wrap=column == "track")
    doubtful = FitFlag.NOT_CONVERGED | FitFlag.RESIDUAL | FitFlag.LIMITS
    for track, hand in hands.items():
        seen = hand.reprojection_px[np.isfinite(hand.reprojection_px)]
        residual = f"{np.median(seen):.1f} px" if len(seen) else "–"
        length = f"{1000 * hand.hand_length:.0f} mm" if session.unit == "m" else f"{hand.hand_length:.2f}"
        doubts = int(((hand.flags & doubtful) != 0).sum())
        table.add_row(track.name, str(int(hand.fitted.sum())), residual, length, str(doubts))
    return table


def _variation(points: Keypoints3D) -> str:
    bones = [bone for group in rigid_bones(points.skeleton).values() for bone in group]
    lengths = points.bone_lengths()[:, bones]
    whole = np.isfinite(lengths).all(axis=1)
    if whole.sum() < 2:
        return "–"
    spread = lengths[whole].std(axis=0) / lengths[whole].mean(axis=0)
    return f"{100 * spread.mean():.1f} %"
