"""The charts of a calibration: residuals by size, radius and time; poses of the board; sides of squares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from handloom.calibration.sightings import Sightings
from handloom.keypoints import Array
from handloom.view.calibration_report.evidence import CameraEvidence
from handloom.view.calibration_report.maps import rms_by_radius
from handloom.view.calibration_report.squares import Squares
from handloom.view.colours import Colour
from handloom.view.report.charts import Series, histogram, line_chart, scatter
from handloom.view.units import NO_BREAK, LengthUnit, number

_BINS = 30
_RINGS = 10
_TIMES = 160  # points of a curve over time
_MOST_DOTS = 800
_SQUARES_COLOUR: Colour = (44, 110, 143)

Figures = list[tuple[str, Markup]]


def residual_histograms(cameras: Sequence[CameraEvidence]) -> Figures:
    """One per camera on a common axis that ends where 99 % of all residuals that were used lie below."""
    used = {seen.name: _finite(seen.lengths_px[seen.used]) for seen in cameras if seen.result is not None}
    everything = np.concatenate([*used.values(), np.empty(0)])
    high = float(np.quantile(everything, 0.99)) if len(everything) else 0.0
    if high <= 0.0:
        return []
    edges = np.linspace(0.0, high, _BINS + 1)
    charts = []
    for seen in cameras:
        if seen.result is None or not len(used[seen.name]):
            continue
        counts, middle = np.histogram(used[seen.name], edges)[0], float(np.median(used[seen.name]))
        chart = histogram(edges, counts, seen.colour, mark=middle, x_label="px", y_label="% of corners")
        charts.append((f"{seen.name}: median {number(middle)}{NO_BREAK}px", chart))
    return charts


def radius_chart(cameras: Sequence[CameraEvidence]) -> Markup:
    """RMS of the residuals by distance from the principal point."""
    edges = np.linspace(0.0, 1.0, _RINGS + 1)
    series = [Series(s.name, s.colour, rms_by_radius(s, edges)) for s in cameras if s.result is not None]
    middles = 50.0 * (edges[:-1] + edges[1:])
    return line_chart(middles, series, x_label="%", y_label="px, RMS")


def time_chart(cameras: Sequence[CameraEvidence], sightings: Sightings) -> Markup:
    """Median residual per stretch of time and camera, with what was set aside."""
    moments = np.unique(sightings.moment)
    if not len(moments):
        return Markup("")
    bins = min(len(moments), _TIMES)
    of_moment = np.zeros(len(sightings.times_s), dtype=int)
    of_moment[moments] = np.arange(len(moments)) * bins // len(moments)
    when, label = sightings.times_s[moments], "s"
    if not (np.isfinite(when).all() and (np.diff(when) > 0).all()):
        when, label = moments.astype(np.float64), "(number of the moment)"
    x = np.array([when[of_moment[moments] == i].mean() for i in range(bins)])
    series = []
    for seen in cameras:
        if seen.result is None:
            continue
        lengths, index = seen.lengths_px, of_moment[seen.moments]
        values = np.full(bins, np.nan)
        order = np.argsort(index, kind="stable")
        starts = np.flatnonzero(np.diff(index[order], prepend=-1))
        for part in np.split(order, starts[1:]):
            known = _finite(lengths[part])
            if len(known):
                values[index[part[0]]] = np.median(known)
        series.append(Series(seen.name, seen.colour, values))
    finite = _finite(np.concatenate([*(line.values for line in series), np.empty(0)]))
    cut = 2.0 * float(np.quantile(finite, 0.98)) if len(finite) else None
    return line_chart(x, series, x_label=label, y_label="px, median", cut=cut)


def pose_charts(cameras: Sequence[CameraEvidence], unit: LengthUnit) -> Figures:
    """Tilt over distance of the board in every view of a camera, on common axes."""
    shown = [
        (seen, seen.result) for seen in cameras if seen.result is not None and len(seen.result.distances)
    ]
    if not shown:
        return []
    farthest = unit.factor * max(float(result.distances.max()) for _, result in shown)
    nearest = unit.factor * min(float(result.distances.min()) for _, result in shown)
    room = max(0.08 * (farthest - nearest), 0.02 * farthest)
    charts = []
    for seen, result in shown:
        count = len(result.distances)
        some = np.linspace(0, count - 1, min(count, _MOST_DOTS)).astype(int)
        chart = scatter(
            unit.factor * result.distances[some],
            np.degrees(result.tilts_rad[some]),
            seen.colour,
            x_range=(nearest - room, farthest + room),
            y_range=(0.0, 90.0),
            x_label=unit.shown if unit.metric else "",  # longer words have no room
            y_label="tilt, degrees",
        )
        charts.append((f"{seen.name}: {count} views", chart))
    return charts


def squares_histogram(squares: Squares, unit: LengthUnit) -> Markup:
    """Differences from the truth; the line marks their mean."""
    errors = unit.factor * (squares.lengths - squares.truth)
    reach = float(np.quantile(np.abs(errors), 0.995)) or 1e-9
    edges = np.linspace(-reach, reach, _BINS + 2)
    counts = np.histogram(errors, edges)[0]
    return histogram(
        edges,
        counts,
        _SQUARES_COLOUR,
        mark=float(np.clip(errors.mean(), -reach, reach)),
        x_label=unit.shown,
        y_label="% of distances",
    )


def _finite(values: Array) -> Array:
    return np.asarray(values[np.isfinite(values)])
