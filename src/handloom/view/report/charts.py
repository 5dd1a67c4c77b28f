"""Charts as HTML with inline SVG: the lines stretch with the page, the words keep their size.

An SVG holds only geometry in a box of 1000 × 1000, stretched without keeping its aspect; ticks and
legends are HTML laid over it by per cent. So one chart serves a wide screen and a phone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import Markup, escape

from handloom.keypoints import Array
from handloom.view.colours import Colour, as_css
from handloom.view.units import number

_BOX = 1000.0
_LEVELS = 5


@dataclass(frozen=True, eq=False)
class Series:
    """One line of a chart.

    Attributes:
        name: for the legend.
        colour: of the line.
        values: (K,); NaN interrupts the line.
        dashed: drawn in dashes.
    """

    name: str
    colour: Colour
    values: Array
    dashed: bool = False


def line_chart(
    x: Array,
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    y_low: float | None = 0.0,
    y_high: float | None = None,
    cut: float | None = None,
    compact: bool = False,
) -> Markup:
    """Lines over a common x.

    Args:
        x: (K,) increasing.
        y_low: where the vertical axis begins; None: at the smallest value.
        y_high: where it ends, at least; None: at the largest value.
        compact: a low chart without a legend, for several side by side.
        cut: leave out what rises above, so that single peaks do not flatten the rest.
    """
    values = np.stack([line.values for line in series]) if series else np.empty((0, len(x)))
    finite = values[np.isfinite(values)]
    if not len(finite):
        return Markup('<p class="empty">Nothing to draw.</p>')
    low = float(finite.min()) if y_low is None else y_low
    high = float(finite.max()) if cut is None else min(float(finite.max()), cut)
    high = high if y_high is None else max(high, y_high)
    ticks = _ticks(low, high if high > low else low + 1.0)
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    left, right = float(x[0]), float(x[-1]) if x[-1] > x[0] else float(x[0]) + 1.0
    paths = Markup("").join(
        Markup('<path d="{}" stroke="{}"{} data-name="{}"/>').format(
            _path((x - left) / (right - left), (line.values - low) / (high - low)),
            as_css(line.colour),
            Markup(' stroke-dasharray="5 4"') if line.dashed else "",
            line.name,
        )
        for line in series
    )
    return _frame(
        Markup('<g class="lines">{}</g>').format(paths),
        x_ticks=_inside(left, right),
        y_ticks=[(tick, (tick - low) / (high - low)) for tick in ticks],
        x_label=x_label,
        y_label=y_label,
        legend=[(line.name, line.colour, line.dashed) for line in series]
        if len(series) > 1 and not compact
        else [],
        ranges=(left, right, low, high),
        css="small" if compact else "",
    )


def histogram(
    edges: Array,
    counts: Array,
    colour: Colour,
    *,
    mark: float,
    x_label: str,
    y_label: str = "% of observations",
) -> Markup:
    """Bars of a share of all values each, and a line at ``mark``."""
    total = counts.sum()
    if total <= 0:
        return Markup('<p class="empty">No observations.</p>')
    shares = 100.0 * counts / total
    ticks = _ticks(0.0, float(shares.max()), 3)
    high = max(float(shares.max()), ticks[-1])
    span = float(edges[-1] - edges[0])
    bars = Markup("").join(
        Markup('<rect x="{}" y="{}" width="{}" height="{}"><title>{} – {} {}: {} %</title></rect>').format(
            _round((left - edges[0]) / span * _BOX),
            _round((1.0 - share / high) * _BOX),
            _round((right - left) / span * _BOX * 0.92),
            _round(share / high * _BOX),
            number(left),
            number(right),
            x_label,
            number(share),
        )
        for left, right, share in zip(edges[:-1], edges[1:], shares, strict=True)
    )
    at = _round(min(1.0, (mark - edges[0]) / span) * _BOX)
    line = Markup('<line class="median" x1="{0}" x2="{0}" y1="0" y2="1000"/>').format(at)
    return _frame(
        Markup('<g class="bars" fill="{}">{}</g>{}').format(as_css(colour), bars, line),
        x_ticks=_inside(float(edges[0]), float(edges[-1])),
        y_ticks=[(tick, tick / high) for tick in ticks],
        x_label=x_label,
        y_label=y_label,
        css="small",
    )


def scatter(
    x: Array,
    y: Array,
    colour: Colour,
    *,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    x_label: str,
    y_label: str,
) -> Markup:
    """Dots, on axes that several charts may share."""
    (left, right), (low, high) = x_range, y_range
    places = np.stack([(x - left) / (right - left), (high - y) / (high - low)], axis=-1) * _BOX
    # A line of no length with round ends is a dot, and keeps its size.
    dots = "".join(f"M{across:.0f} {down:.0f}h0" for across, down in places[np.isfinite(places).all(axis=1)])
    return _frame(
        Markup('<g class="dots"><path d="{}" stroke="{}"/></g>').format(dots, as_css(colour)),
        x_ticks=_inside(left, right),
        y_ticks=_inside(low, high),
        x_label=x_label,
        y_label=y_label,
        css="small",
    )


def strip(name: str, present: Array, trusted: Array, colour: Colour) -> Markup:
    """One row of a heat strip.

    Args:
        name: of the row.
        present: (K,) share of the joints that are there; the depth of the colour.
        trusted: (K,) share that is relied on; where it is less than half of what is there, the row warns.
    """
    depth = np.ceil(np.nan_to_num(present) * _LEVELS - 1e-9).astype(int)
    doubted = np.nan_to_num(trusted) < 0.5 * np.nan_to_num(present)
    code = np.where(depth > 0, depth + _LEVELS * doubted, 0)
    borders = np.concatenate([[0], np.nonzero(np.diff(code))[0] + 1, [len(code)]])
    width = _BOX / len(code)
    cells = Markup("").join(
        Markup('<rect x="{}" width="{}" y="0" height="10"{} opacity="{}"/>').format(
            _round(first * width),
            _round((last - first) * width + 0.2),
            Markup(' class="doubt"') if code[first] > _LEVELS else "",
            ((code[first] - 1) % _LEVELS + 1) / _LEVELS,
        )
        for first, last in pairwise(borders)
        if code[first]
    )
    return Markup(
        '<div class="strip"><span class="name">{}</span><svg viewBox="0 0 1000 10" '
        'preserveAspectRatio="none" fill="{}" role="img" aria-label="coverage of {}">{}</svg></div>'
    ).format(name, as_css(colour), name, cells)


def _frame(
    inside: Markup,
    *,
    x_ticks: Sequence[tuple[float, float]],
    y_ticks: Sequence[tuple[float, float]],
    x_label: str,
    y_label: str,
    legend: Sequence[tuple[str, Colour, bool]] = (),
    ranges: tuple[float, float, float, float] | None = None,
    css: str = "",
) -> Markup:
    """Axes, ticks and legend around the geometry."""
    grid = Markup("").join(
        Markup('<line x1="0" x2="1000" y1="{0}" y2="{0}"/>').format(_round((1.0 - at) * _BOX))
        for _, at in y_ticks
    )
    y_words = Markup("").join(
        Markup('<span class="y" style="bottom:{}%">{}</span>').format(_round(100.0 * at), _tick(value))
        for value, at in y_ticks
    )
    x_words = Markup("").join(
        Markup('<span class="x" style="left:{}%">{}{}</span>').format(
            _round(100.0 * at), _tick(value), f" {x_label}" if value == x_ticks[-1][0] else ""
        )
        for value, at in x_ticks
    )
    keys = Markup("").join(
        Markup('<li><i class="{}" style="--c:{}"></i>{}</li>').format(
            "dashed" if dashed else "", as_css(colour), name
        )
        for name, colour, dashed in legend
    )
    data = Markup("")
    if ranges is not None:
        data = Markup(' data-ranges="{}" data-x="{}"').format(" ".join(f"{r:.6g}" for r in ranges), x_label)
    return Markup(
        '<div class="chart {css}"{data}><div class="y-label">{y_label}</div>'
        '<div class="plot"><svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">'
        '<g class="grid">{grid}</g>{inside}</svg>{y_words}{x_words}</div>'
        "{legend}</div>"
    ).format(
        css=css,
        data=data,
        y_label=y_label,
        grid=grid,
        inside=inside,
        y_words=y_words,
        x_words=x_words,
        legend=Markup('<ul class="legend">{}</ul>').format(keys) if legend else "",
    )


def _path(x: Array, y: Array) -> str:
    """SVG path through points of the unit square, y upwards, interrupted by NaN."""
    parts: list[str] = []
    pen = "M"
    for across, up in zip(x, y, strict=True):
        if not math.isfinite(up):
            pen = "M"
            continue
        parts.append(f"{pen}{across * _BOX:.1f} {(1.0 - up) * _BOX:.0f}")
        if pen == "M":
            # A point alone between gaps is a dot: a line of no length with round ends.
            parts.append("h0")
        pen = "L"
    return "".join(parts)


def _inside(low: float, high: float) -> list[tuple[float, float]]:
    """Round numbers within a range and how far along it they lie."""
    return [(tick, (tick - low) / (high - low)) for tick in _ticks(low, high) if low <= tick <= high]


def _ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that cover a range from the first one in it, about ``count`` of them."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m for m in (1.0, 2.0, 5.0, 10.0) if m * power >= rough - 1e-12) * power
    first, last = math.ceil(low / step - 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def _tick(value: float) -> str:
    return str(escape(f"{value:.10g}".replace("-", "−")))


def _round(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
