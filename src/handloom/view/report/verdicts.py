"""What the numbers mean, in words, and what a user should doubt."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from handloom.keypoints import Track
from handloom.session import Session
from handloom.view.report.statistics import Statistics, TrackStatistics
from handloom.view.units import NO_BREAK, LengthUnit, number, percent


@dataclass(frozen=True)
class Verdict:
    """A figure and what to think of it.

    Attributes:
        label: what it is.
        figure: the number.
        unit: of it.
        grade: ``"good"``, ``"fair"``, ``"poor"`` or ``"plain"`` for one that is not judged.
        meaning: one plain sentence.
    """

    label: str
    figure: str
    unit: str
    grade: str
    meaning: str


@dataclass(frozen=True)
class Warning:
    """Something to doubt: what was found, and what may be done."""

    found: str
    advice: str


def title_of(track: Track, tracks: int = 1) -> str:
    """``"Right hand"``, with the person's number where there are several subjects."""
    part = track.target if track.side == "none" else f"{track.side} {track.target}"
    text = part.capitalize()
    return f"{text} of person {track.subject}" if tracks > 1 else text


def verdicts(statistics: TrackStatistics, unit: LengthUnit) -> list[Verdict]:
    """The headline figures of a track."""
    hand = statistics.track.target == "hand"
    coverage, variation = statistics.coverage, statistics.bone_variation
    median = statistics.residuals.quantile(0.5)
    relative = median / statistics.size_px if statistics.size_px else math.nan
    limits = (0.04, 0.10) if not hand else (0.05, 0.12)
    jitter = statistics.jitter.rms
    rows = [
        Verdict(
            "Coverage",
            percent(coverage).removesuffix(f"{NO_BREAK}%"),
            "%",
            _grade(1.0 - coverage, 0.05, 0.2),
            f"A position for at least half of the joints in {statistics.frames_tracked} of "
            f"{statistics.length} frames.",
        ),
        Verdict(
            "Reprojection error",
            number(median),
            "px",
            _grade(relative, 0.02, 0.05),
            f"Median; {percent(relative)} of the {statistics.track.target}'s size in the pictures. 95 % lie "
            f"below {number(statistics.residuals.quantile(0.95))} px.",
        ),
        Verdict(
            "Bone-length variation",
            percent(variation).removesuffix(f"{NO_BREAK}%"),
            "%",
            _grade(variation, *limits),
            "Bones do not change: what varies is error. Standard deviation over mean, averaged over "
            + ("all finger bones." if hand else "the eight limbs."),
        ),
        Verdict(
            "Jitter",
            number(unit.factor * jitter),
            f"{unit.shown}/frame²",
            "plain",
            "Root mean square change of velocity from frame to frame; it holds true acceleration as well.",
        ),
    ]
    if statistics.errors.count:
        rows.append(
            Verdict(
                "Error against the truth",
                number(unit.factor * statistics.errors.mean),
                unit.shown,
                "plain",
                f"Mean over all joints and frames with a position; median "
                f"{unit.text(statistics.errors.quantile(0.5))}, 95 % lie below "
                f"{unit.text(statistics.errors.quantile(0.95))}.",
            )
        )
    return rows


def unit_statement(unit: str) -> str:
    """What the lengths of the session are worth."""
    if unit == "m":
        return "The rig is metric: lengths are in metres, shown in millimetres."
    if unit == "board-square":
        return (
            "The rig's unit is one square of its calibration board. Lengths are in board squares; "
            "the size of a square was not given, so no length in the metric system is known."
        )
    return (
        "The rig's unit of length is unknown. Lengths are in units of the rig: their ratios hold, "
        "their size is not known."
    )


def warnings(session: Session, statistics: Statistics) -> list[Warning]:
    """All there is to doubt, the graver first."""
    several = len({gathered.track.subject for gathered in statistics.tracks})
    found: list[Warning] = []
    if not any(gathered.joints_placed for gathered in statistics.tracks):
        found.append(
            Warning(
                "No hand or body was reconstructed.",
                "Check that the recordings show one in at least two views, and that they belong to this rig.",
            )
        )
    for gathered in statistics.tracks:
        found.extend(_of_track(gathered, title_of(gathered.track, several)))
    found.extend(_of_session(session, statistics))
    return found


def _of_track(gathered: TrackStatistics, name: str) -> Iterator[Warning]:
    if gathered.coverage < 0.9:
        yield Warning(
            f"{name}: {percent(1.0 - gathered.coverage)} of the frames have no position.",
            "Look at the coverage strip for the views that lose it; the curves are interrupted there.",
        )
    medians = np.array([view.residuals.quantile(0.5) for view in gathered.views])
    for c, view in enumerate(gathered.views):
        share = view.frames_seen / gathered.length if gathered.length else 0.0
        if share < 0.6:
            yield Warning(
                f"{name}: {view.name} sees it in {percent(share)} of the frames only.",
                "Depth rests on the other views there; move this camera or add another if that matters.",
            )
        others = np.delete(medians, c)
        others = others[np.isfinite(others)]
        usual = max(2.0 * float(np.median(others)), 0.02 * gathered.size_px) if len(others) else np.inf
        disagrees = len(others) > 1 and medians[c] > usual
        if disagrees or view.used_share < 0.75:
            reason = f"its median error is {number(float(medians[c]))} px"
            if view.used_share < 0.995:
                reason += f" and {percent(1.0 - view.used_share)} of its observations were not used"
            yield Warning(
                f"{name}: {view.name} disagrees with the 3D points; {reason}.",
                "Check its calibration and its synchronisation first, then whether it confuses the sides.",
            )
    limit = 0.12 if gathered.track.target == "hand" else 0.10
    if gathered.bone_variation > limit:
        yield Warning(
            f"{name}: its bones change in length by {percent(gathered.bone_variation)}.",
            "Depth is uncertain; trust directions more than distances, and look at the worst frames.",
        )
    if gathered.filled_share > 0.0:
        yield Warning(
            f"{name}: {percent(gathered.filled_share)} of its positions are filled in across gaps.",
            "No observation supports them (views_used is 0); leave them out of measurements.",
        )


def _of_session(session: Session, statistics: Statistics) -> Iterator[Warning]:
    if session.unit != "m":
        yield Warning(
            "The scale of the rig is not metric.",
            "State the length of its unit when tracking (the size of a board square, such as '25 mm') "
            "to have lengths in metres.",
        )
    if len(session.rig) == 2:
        yield Warning(
            "There are two views only.",
            "An error along the line on which both views agree leaves no reprojection error: "
            "a small one is necessary for a good result, but proves less than with three views.",
        )
    for name, share in zip(session.views, statistics.missing_pictures, strict=True):
        if share > 0.0:
            yield Warning(
                f"{name} has no picture for {percent(float(share))} of the timeline.",
                "Its recording is shorter, starts later or misses pictures.",
            )
    offsets = _offsets(session)
    if offsets:
        stated = ", ".join(f"{view} by {1000.0 * offset:+.1f} ms" for view, offset in offsets.items())
        yield Warning(
            f"Recordings were shifted in time: {stated}.",
            "A wrong offset shows as reprojection error that grows with speed.",
        )


def _offsets(session: Session) -> dict[str, float]:
    """Offsets that the run states, by view, where they are not zero."""
    for part in ("options", "inputs"):
        stated = session.run.get(part, {}).get("offsets_s")
        if isinstance(stated, list):
            stated = dict(zip(session.views, stated, strict=False))
        if isinstance(stated, dict):
            return {view: float(offset) for view, offset in stated.items() if offset}
    return {}


def _grade(value: float, good: float, fair: float) -> str:
    if not math.isfinite(value):
        return "plain"
    return "good" if value <= good else "fair" if value <= fair else "poor"
