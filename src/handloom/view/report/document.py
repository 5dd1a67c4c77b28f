"""Putting the report together: numbers to words and charts, charts to a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from handloom.keypoints import Array
from handloom.progress import SILENT, Progress
from handloom.session import Session
from handloom.session.files import whole_file
from handloom.session.layout import package_version
from handloom.view.colours import FINGER_COLOURS, Colour, track_colour, view_colour
from handloom.view.measures import mean_present
from handloom.view.page import part, rendered
from handloom.view.pictures import Videos, find_videos
from handloom.view.report.charts import Series, histogram, line_chart, strip
from handloom.view.report.fitted import angle_legend, fitted_hands
from handloom.view.report.plan import Trail, plans
from handloom.view.report.statistics import Statistics, TrackStatistics, Truth
from handloom.view.report.verdicts import title_of, unit_statement, verdicts, warnings
from handloom.view.report.worst import worst_frames
from handloom.view.units import LengthUnit, number, percent

_HISTOGRAM_BINS = 30
_LIMB_COLOURS: dict[str, Colour] = {
    "upper arm": (226, 87, 76),
    "forearm": (232, 163, 38),
    "thigh": (52, 142, 214),
    "shin": (72, 168, 96),
}


def write_report(
    session: Session,
    path: str | Path,
    videos: Videos | None = None,
    truth: Truth | None = None,
    progress: Progress = SILENT,
) -> Path:
    """Write the HTML report of a session; it stays below 3 MB whatever the length of the recording.

    Args:
        videos: as in :func:`~handloom.view.pictures.find_videos`; for the pictures of the worst frames.
        truth: (T, J, 3) true positions by track, on the session's timeline and in its unit.

    Returns:
        The file, which appears once it is complete.

    Raises:
        SessionError: if the file cannot be written, a table is damaged or the truth has another shape.
        VideoError: if a recording is missing or cannot be read.
    """
    path = Path(path)
    with progress.task("report", total=1, unit="reports") as task:
        statistics = Statistics.of(session, truth)
        page = rendered("handloom.view.report", "report.html.j2", _content(session, statistics, videos))
        with whole_file(path) as temporary:
            temporary.write_text(page, encoding="utf-8")
        task.advance()
    return path


def _content(session: Session, statistics: Statistics, videos: Videos | None) -> dict[str, Any]:
    unit = LengthUnit.of(session.unit)
    several = len({gathered.track.subject for gathered in statistics.tracks})
    seconds = float(session.times_s[-1] - session.times_s[0]) if len(session) else 0.0
    found = find_videos(session, videos)
    return {
        "style": part("handloom.view.report", "report.css"),
        "script": part("handloom.view.report", "report.js"),
        "name": session.folder.resolve().name,
        "version": package_version("handloom"),
        "finished": session.run.get("session", {}).get("finished"),
        "frames": len(session),
        "seconds": f"{seconds:.1f}",
        "views": session.views,
        "summary": _summary(session, statistics, several),
        "unit_statement": unit_statement(session.unit),
        "warnings": warnings(session, statistics),
        "tracks": [_track(session, gathered, unit, several) for gathered in statistics.tracks],
        "fitted": fitted_hands(session, several, found),
        "angle_legend": angle_legend(),
        "plans": plans(session.rig, _trails(statistics), unit),
        "cameras": _cameras(session, statistics, unit),
        "timings": _timings(session),
        "worst": worst_frames(session, statistics.tracks, found),
        "has_pictures": bool(found),
        "has_truth": any(gathered.errors.count for gathered in statistics.tracks),
    }


def _trails(statistics: Statistics) -> list[Trail]:
    return [Trail(gathered.path.values.T, track_colour(gathered.track)) for gathered in statistics.tracks]


def _summary(session: Session, statistics: Statistics, several: int) -> str:
    if not statistics.tracks:
        return f"Nothing was found in {len(session)} frames of {len(session.views)} views."
    parts = [
        f"{title_of(gathered.track, several).lower()} in {percent(gathered.coverage)}"
        for gathered in statistics.tracks
    ]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"Followed in three dimensions: the {listed} of {len(session)} frames."


def _track(session: Session, gathered: TrackStatistics, unit: LengthUnit, several: int) -> dict[str, Any]:
    title = title_of(gathered.track, several)
    return {
        "title": title,
        "id": gathered.track.name,
        "verdicts": verdicts(gathered, unit),
        "strips": _strips(gathered),
        "histograms": _histograms(gathered),
        "views": [
            (
                view.name,
                percent(view.frames_seen / gathered.length if gathered.length else 0.0),
                percent(view.used_share),
                number(view.residuals.quantile(0.5)),
                number(view.residuals.quantile(0.95)),
            )
            for view in gathered.views
        ],
        **_curves(session, gathered, unit),
        "joint_errors": _joint_errors(gathered, unit),
    }


def _strips(gathered: TrackStatistics) -> list[Markup]:
    seen, used = gathered.seen_strip.values, gathered.used_strip.values
    rows = [strip(view.name, seen[c], used[c], view_colour(c)) for c, view in enumerate(gathered.views)]
    placed, supported = gathered.placed_strip.values[0], gathered.supported_strip.values[0]
    return [*rows, strip("3D", placed, supported, track_colour(gathered.track))]


def _histograms(gathered: TrackStatistics) -> list[tuple[str, Markup]]:
    """One per view on a common axis that ends where 99 % of all residuals lie below."""
    high = gathered.residuals.quantile(0.99)
    if not high > 0.0:
        return []
    edges = np.linspace(0.0, high, _HISTOGRAM_BINS + 1)
    charts = []
    for c, view in enumerate(gathered.views):
        counts, median = view.residuals.histogram(edges), view.residuals.quantile(0.5)
        caption = f"{view.name}: median {number(median)} px"
        charts.append((caption, histogram(edges, counts, view_colour(c), mark=median, x_label="px")))
    return charts


def _curves(session: Session, gathered: TrackStatistics, unit: LengthUnit) -> dict[str, Markup | None]:
    times = session.times_s[gathered.residual_curve.positions]
    colour = track_colour(gathered.track)
    residuals = gathered.residual_curve.values
    lengths = gathered.bone_curve.values
    means = np.where(np.isfinite(lengths), lengths, 0.0).sum(axis=1) / np.maximum(
        np.isfinite(lengths).sum(axis=1), 1
    )
    bones = [
        _bone_series(name, 100.0 * lengths[g] / (means[g] or np.nan))
        for g, name in enumerate(gathered.bone_groups)
    ]
    jitter = unit.factor * gathered.jitter_curve.values[0]
    error = None
    if gathered.errors.count:
        values = unit.factor * gathered.error_curve.values[0]
        error = line_chart(times, [Series("error", colour, values)], x_label="s", y_label=unit.shown)
    return {
        "residual_chart": line_chart(
            times,
            [Series(view.name, view_colour(c), residuals[c]) for c, view in enumerate(gathered.views)],
            x_label="s",
            y_label="px",
            cut=_ceiling(residuals),
        ),
        "bone_chart": line_chart(
            times,
            bones,
            x_label="s",
            y_label="% of the mean length",
            y_low=_quantile(np.stack([bone.values for bone in bones]), 0.005),
            cut=_quantile(np.stack([bone.values for bone in bones]), 0.995),
        ),
        "jitter_chart": line_chart(
            times,
            [Series("jitter", colour, jitter)],
            x_label="s",
            y_label=f"{unit.shown}/frame²",
            cut=_ceiling(jitter),
        ),
        "error_chart": error,
    }


def _bone_series(name: str, values: Array) -> Series:
    """A finger in its colour; a limb in that of its pair, the right one dashed."""
    side, _, limb = name.partition(" ")
    return Series(name, FINGER_COLOURS.get(name) or _LIMB_COLOURS[limb], values, dashed=side == "right")


def _ceiling(values: Array) -> float | None:
    """Where to cut a curve whose few peaks would flatten the rest: none if they are not much higher."""
    typical = _quantile(values, 0.99)
    return None if typical is None else 1.5 * typical


def _quantile(values: Array, fraction: float) -> float | None:
    finite = values[np.isfinite(values)]
    return float(np.quantile(finite, fraction)) if len(finite) else None


def _joint_errors(gathered: TrackStatistics, unit: LengthUnit) -> list[tuple[str, str, str]]:
    """Joints with their mean error and its share of the largest, for a bar; none without a truth."""
    if not gathered.errors.count:
        return []
    means = gathered.joint_errors.mean
    largest = float(np.nanmax(means)) or 1.0
    return [
        (joint.replace("_", " "), unit.text(float(mean)), f"{100.0 * float(mean) / largest:.0f}")
        for joint, mean in zip(gathered.skeleton.joints, means, strict=True)
        if np.isfinite(mean)
    ]


def _cameras(session: Session, statistics: Statistics, unit: LengthUnit) -> list[tuple[str, ...]]:
    """Name, picture, focal length, lens, distance to what was tracked, and missing pictures of each."""
    paths = [gathered.path.values.T for gathered in statistics.tracks]
    everything = np.concatenate([*paths, np.empty((0, 3))])
    middle = mean_present(everything, axis=0)
    rows: list[tuple[str, ...]] = []
    for camera, missing in zip(session.rig, statistics.missing_pictures, strict=True):
        size = "–" if camera.image_size is None else f"{camera.image_size[0]} × {camera.image_size[1]}"
        lens = camera.model if camera.distortion.any() else "no distortion"
        distance = float(np.linalg.norm(camera.center - middle))
        far = f"{number(distance)} m" if unit.metric and np.isfinite(distance) else unit.text(distance)
        rows.append((camera.name, size, f"{camera.K[0, 0]:.0f} px", lens, far, percent(float(missing))))
    return rows


def _timings(session: Session) -> list[tuple[str, str, str]]:
    """Step, seconds and frames per second, as the run recorded them."""
    timings = {
        step: float(seconds)
        for step, seconds in session.run.get("timings_s", {}).items()
        if isinstance(seconds, int | float)
    }
    if len(timings) > 1 and "total" not in timings:
        timings["all steps"] = sum(timings.values())
    return [
        (step.replace("_", " "), f"{seconds:.2f}", number(len(session) / seconds) if seconds > 0 else "–")
        for step, seconds in timings.items()
    ]
