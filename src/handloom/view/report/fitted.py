"""The fitted hands in the report: how well they fit, their size, how their joints move, how they look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from handloom.hand.angles import CLINICAL_ANGLES, clinical_angles
from handloom.keypoints import Array, Track
from handloom.session import FitFlag, FittedHand, Session
from handloom.skeleton import FINGERS
from handloom.view.colours import Colour, as_css, mesh_colour, track_colour
from handloom.view.mesh_overlay import HandMesh, draw_hands
from handloom.view.pictures import Picture
from handloom.view.report.charts import Series, line_chart
from handloom.view.report.crops import crop_size, cut_out, data_url, pictures_at, square_around
from handloom.view.report.streams import Curve
from handloom.view.report.verdicts import Verdict, title_of
from handloom.view.report.worst import Crop
from handloom.view.units import NO_BREAK, LengthUnit, number, percent

_CURVE_POINTS = 400
_SHOWN_FRAMES = 3  # beside the one that fits worst
_BEYOND_LIMITS = np.deg2rad(5.0)
_ANGLES: tuple[tuple[str, Colour, bool], ...] = (
    ("base joint, flexion", (226, 87, 76), False),
    ("base joint, abduction", (150, 156, 168), True),
    ("middle joint", (232, 163, 38), False),
    ("end joint", (52, 142, 214), False),
)
"""What is drawn of every finger, in the order of ``CLINICAL_ANGLES``: name, colour, dashed."""


def fitted_hands(session: Session, several: int, videos: Mapping[str, Path]) -> list[dict[str, Any]]:
    """What the page says of every fitted hand; nothing where none was fitted.

    Raises:
        VideoError: if a recording cannot be opened.
        SessionError: if ``hands.npz`` cannot be read.
    """
    found = session.hands()
    hands = {track: found[track] for track in session.tracks if track in found and found[track].fitted.any()}
    if not hands:
        return []
    unit = LengthUnit.of(session.unit)
    chosen = {track: _shown_positions(hand) for track, hand in hands.items()}
    pictures = pictures_at(session, sorted({p for ps in chosen.values() for p in ps}), videos)
    return [
        {
            "title": title_of(track, several),
            "id": track.name,
            "verdicts": _verdicts(hand, unit),
            "flags": _flags(session, hand),
            "residual_chart": _residual_chart(session, hand),
            "angle_charts": _angle_charts(session, hand),
            "frames": [
                {
                    "title": f"Frame {int(session.frames[p])}, {float(session.times_s[p]):.2f} s",
                    "reason": _reason(hand, p),
                    "crops": _crops(session, hands, track, p, pictures),
                }
                for p in chosen[track]
            ],
        }
        for track, hand in hands.items()
    ]


def angle_legend() -> list[tuple[str, str, bool]]:
    """Name, CSS colour and whether dashed, of the lines of every angle chart."""
    return [(name, as_css(colour), dashed) for name, colour, dashed in _ANGLES]


def _verdicts(hand: FittedHand, unit: LengthUnit) -> list[Verdict]:
    share = float(hand.fitted.mean())
    flagged = int((hand.fitted & (hand.flags > 0)).sum())
    excess = hand.limit_excess[np.isfinite(hand.limit_excess)]
    furthest = float(np.rad2deg(excess.max())) if len(excess) else float("nan")
    beyond = int((excess > _BEYOND_LIMITS).sum())
    return [
        Verdict(
            "Frames with a fit",
            percent(share).removesuffix(f"{NO_BREAK}%"),
            "%",
            "plain",
            f"{int(hand.fitted.sum())} of {len(hand)} frames, {flagged} of them flagged.",
        ),
        Verdict(
            "Hand length",
            number(unit.factor * hand.hand_length),
            unit.shown,
            "plain",
            "Wrist to the end of the middle finger, of the one shape fitted to the whole recording.",
        ),
        Verdict("Reprojection of the model", *_spread(hand.reprojection_px, 1.0, "px")),
        Verdict("Distance to the 3D points", *_spread(hand.keypoint_error, unit.factor, unit.shown)),
        Verdict(
            "Uncertainty", *_spread(hand.sigma, unit.factor, unit.shown, "Standard deviation of a keypoint")
        ),
        Verdict(
            "Beyond joint limits",
            number(furthest),
            "°",
            "plain",
            f"The furthest of any angle; {beyond} frames go beyond by more than 5°.",
        ),
    ]


def _spread(
    values: Array, factor: float, unit: str, what: str = "Root mean square of a frame"
) -> tuple[str, str, str, str]:
    """Figure, unit, grade and meaning of a median."""
    known = factor * values[np.isfinite(values)]
    if not len(known):
        return "–", unit, "plain", "Not known."
    below = number(float(np.quantile(known, 0.95)))
    return number(float(np.median(known))), unit, "plain", f"{what}; median, 95 % lie below {below} {unit}."


def _flags(session: Session, hand: FittedHand) -> list[tuple[str, str, str, str]]:
    """Reason, number of frames, their share, and the first of them; only flags that occur."""
    rows = []
    for flag in FitFlag:
        where = np.flatnonzero(hand.flags & flag)
        if len(where):
            share = percent(len(where) / len(hand))
            rows.append((flag.reasons[0], str(len(where)), share, _runs(session.frames[where])))
    return rows


def _runs(frames: NDArray[np.int64], most: int = 6) -> str:
    """``"12–15, 40, 77 …"``: frame numbers with runs drawn together."""
    runs = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    words = [str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs[:most]]
    return ", ".join(words) + (" …" if len(runs) > most else "")


def _residual_chart(session: Session, hand: FittedHand) -> Markup:
    curve = Curve(len(hand), _CURVE_POINTS)
    curve.add(0, hand.reprojection_px)
    values = curve.values[0]
    known = values[np.isfinite(values)]
    cut = 1.5 * float(np.quantile(known, 0.99)) if len(known) else None
    line = Series("reprojection", track_colour(hand.track), values)
    return line_chart(session.times_s[curve.positions], [line], x_label="s", y_label="px", cut=cut)


def _angle_charts(session: Session, hand: FittedHand) -> list[tuple[str, Markup]]:
    """Finger and chart, all on one scale."""
    named = clinical_angles(hand.angles)
    curve = Curve(len(hand), _CURVE_POINTS, len(CLINICAL_ANGLES))
    curve.add(0, np.stack([named[name] for name in CLINICAL_ANGLES]))
    values = dict(zip(CLINICAL_ANGLES, curve.values, strict=True))
    low = float(np.nanmin(curve.values))
    high = float(np.nanmax(curve.values))
    charts = []
    for finger in FINGERS:
        own = [name for name in CLINICAL_ANGLES if name.startswith(finger)]
        lines = [
            Series(_clinical(name, finger), colour, values[name], dashed)
            for name, (_, colour, dashed) in zip(own, _ANGLES, strict=True)
        ]
        chart = line_chart(
            session.times_s[curve.positions],
            lines,
            x_label="s",
            y_label="degrees",
            y_low=low,
            y_high=high,
            compact=True,
        )
        joints = ", ".join(dict.fromkeys(_clinical(name, finger).split()[0] for name in own))
        charts.append((f"{finger.capitalize()}: {joints}", chart))
    return charts


def _clinical(name: str, finger: str) -> str:
    """``"MCP flexion"`` of ``"index_mcp_flexion"``."""
    joint, angle = name.removeprefix(f"{finger}_").split("_")
    return f"{joint.upper()} {angle}"


def _shown_positions(hand: FittedHand) -> list[int]:
    """The frame that fits worst, and some spread over the recording."""
    known = np.flatnonzero(hand.fitted)
    spread = known[((np.arange(_SHOWN_FRAMES) + 0.5) / _SHOWN_FRAMES * len(known)).astype(int)]
    errors = np.nan_to_num(hand.reprojection_px[known], nan=-1.0)
    worst = [int(known[errors.argmax()])] if errors.max() >= 0 else []
    return list(dict.fromkeys([*worst, *(int(p) for p in spread)]))


def _reason(hand: FittedHand, p: int) -> str:
    reprojection = f"{number(float(hand.reprojection_px[p]))}{NO_BREAK}px reprojection"
    return ". ".join([reprojection, *(reason.capitalize() for reason in hand.reasons(p))]) + "."


def _crops(
    session: Session,
    hands: Mapping[Track, FittedHand],
    track: Track,
    p: int,
    pictures: Mapping[tuple[int, str], Picture],
) -> list[Crop]:
    size = crop_size(len(session.views))
    posed = {other: hand.posed(p).vertices for other, hand in hands.items()}
    meshes = [HandMesh(hand.model, posed[other], mesh_colour(other)) for other, hand in hands.items()]
    crops = []
    for camera in session.rig:
        pixels = camera.project(posed[track])
        seen = bool(np.isfinite(pixels).all(axis=1).any())
        canvas, A = cut_out(pictures.get((p, camera.name)), *square_around(pixels), size)
        # The part of the picture, enlarged, is what a camera of other intrinsics sees.
        close = replace(camera, image_size=(size, size), K=np.vstack([A, [0.0, 0.0, 1.0]]) @ camera.K)
        draw_hands(canvas, close, meshes)
        crops.append(Crop(camera.name, "" if seen else "out of sight", data_url(canvas)))
    return crops
