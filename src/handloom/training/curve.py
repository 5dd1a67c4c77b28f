"""The curve of a training as a picture: losses and learning rate by step, and the validation's figures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from handloom.session.files import whole_file
from handloom.training.logs import TRAINING, VALIDATION, read_log

CURVE = "curve.svg"
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 420, 230, 58, 30, 30
_NOT_DRAWN = ("step", "seconds", "samples_per_s")
_POINTS = 400

Line = tuple[NDArray[np.float64], NDArray[np.float64]]


def write_curve(folder: Path, title: str) -> Path:
    """Draw the tables of a run's folder into ``curve.svg``."""
    charts: list[tuple[str, Line]] = []
    for kind in (TRAINING, VALIDATION):
        table = read_log(folder, kind)
        charts += [
            (f"{kind}: {name}", (table["step"], values))
            for name, values in table.items()
            if name not in _NOT_DRAWN and np.isfinite(values).any()
        ]
    path = folder / CURVE
    with whole_file(path) as temporary:
        temporary.write_text(_page(title, charts), encoding="utf-8")
    return path


def _page(title: str, charts: Sequence[tuple[str, Line]]) -> str:
    columns = 2
    rows = -(-len(charts) // columns)
    width, height = columns * _WIDTH, rows * _HEIGHT + 36
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="system-ui, sans-serif" font-size="11" fill="#333">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="22" font-size="15" font-weight="600">{escape(title)}</text>',
    ]
    for number, (name, line) in enumerate(charts):
        row, column = divmod(number, columns)
        parts.append(
            f'<g transform="translate({column * _WIDTH} {36 + row * _HEIGHT})">{_chart(name, line)}</g>'
        )
    return "".join([*parts, "</svg>\n"])


def _chart(name: str, line: Line) -> str:
    steps, values = line
    known = np.isfinite(values)
    steps, values = _thinned(steps[known], values[known])
    logarithmic = name.startswith(TRAINING) and bool((values > 0).all()) and values.max() > 20 * values.min()
    heights = np.log10(values) if logarithmic else values
    low, high = float(heights.min()), float(heights.max())
    if high - low < 1e-12:
        low, high = low - 0.5, high + 0.5
    last = max(float(steps.max()), 1.0)
    inner, tall = _WIDTH - _LEFT - 16, _HEIGHT - _TOP - _BOTTOM
    x = _LEFT + steps / last * inner
    y = _TOP + (1.0 - (heights - low) / (high - low)) * tall
    path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
    marks = []
    for share in (0.0, 0.5, 1.0):
        height = low + share * (high - low)
        value = 10.0**height if logarithmic else height
        at = _TOP + (1.0 - share) * tall
        marks.append(
            f'<line x1="{_LEFT}" y1="{at:.1f}" x2="{_LEFT + inner}" y2="{at:.1f}" stroke="#ddd"/>'
            f'<text x="{_LEFT - 5}" y="{at + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        )
    for share in (0.0, 1.0):
        at = _LEFT + share * inner
        anchor = "start" if share == 0 else "end"
        marks.append(
            f'<text x="{at}" y="{_TOP + tall + 16}" text-anchor="{anchor}">{share * last:.0f}</text>'
        )
    end = f"{values[-1]:.4g}"
    scale = ", logarithmic" if logarithmic else ""
    return (
        f'<text x="{_LEFT}" y="{_TOP - 10}" font-weight="600">{escape(name)}{scale}; last {end}</text>'
        f'{"".join(marks)}<path d="{path}" fill="none" stroke="#1f6feb" stroke-width="1.5"/>'
    )


def _thinned(steps: NDArray[np.float64], values: NDArray[np.float64]) -> Line:
    """Means of neighbours where there are more points than a chart can show."""
    if len(values) <= _POINTS:
        return steps, values
    groups = np.array_split(np.arange(len(values)), _POINTS)
    return np.array([steps[g].mean() for g in groups]), np.array([values[g].mean() for g in groups])
