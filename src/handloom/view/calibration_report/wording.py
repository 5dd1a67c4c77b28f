"""The verdict and the findings in words, and numbers with as many digits as they deserve."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from handloom.calibration.calibration import Calibration
from handloom.calibration.findings import Finding, Severity
from handloom.view.calibration_report.squares import Squares
from handloom.view.units import NO_BREAK, LengthUnit, number

_UNITS = {
    "px": "px",
    "mm": "mm",
    "deg": "°",
    "s": "s",
    "ms": "ms",
    "percent": "%",
    "hz": "Hz",
    "fps": "fps",
}
_ARTICLES = {Severity.error: "errors", Severity.warning: "warnings", Severity.note: "notes"}


def verdict(
    calibration: Calibration | None, findings: Sequence[Finding], squares: Squares | None
) -> tuple[str, str, str]:
    """Grade (``"good"``, ``"fair"``, ``"poor"``), the word for it, and the rest of the sentence."""
    errors = [finding for finding in findings if finding.severity is Severity.error]
    doubts = [finding for finding in findings if finding.severity is Severity.warning]
    if calibration is None:
        return (
            "poor",
            "No calibration",
            "what stands in its way is listed below.",
        )
    if errors:
        return "poor", "Not to be trusted", f"{_counted(errors)}, listed below."
    said = _agreement(calibration, squares)
    if doubts:
        return "fair", "Usable, with doubts", f"{said}; {_counted(doubts)}, listed below."
    return "good", "Trusted", f"{said}."


def _agreement(calibration: Calibration, squares: Squares | None) -> str:
    cameras = len(calibration.rig)
    who = "the camera agrees" if cameras == 1 else f"{cameras} cameras agree"
    said = f"{who} with the board to {number(calibration.rms_px)}{NO_BREAK}px"
    if squares is None or calibration.rig.unit == "unknown":
        return said
    unit = LengthUnit.of(calibration.rig.unit)
    truth, mean = f"{squares.truth * unit.factor:.6g}", unit.factor * squares.mean
    measured = with_deviation(mean, unit.factor * squares.deviation)
    return f"{said}, and squares of {truth}{NO_BREAK}{unit.shown} measure {measured}{NO_BREAK}{unit.shown}"


def _counted(findings: Sequence[Finding]) -> str:
    word = _ARTICLES[findings[0].severity]
    return f"{len(findings)} {word}" if len(findings) > 1 else f"one {word[:-1]}"


def numbers_of(finding: Finding, unit: LengthUnit) -> list[tuple[str, str]]:
    """What a finding measured: label and figure with its unit, as the ends of the names tell it."""
    listed = []
    for name, value in finding.numbers.items():
        stem, _, ending = name.rpartition("_")
        if stem and ending == "m":
            figure = unit.text(value)
            if unit.metric and abs(value) >= 1.0:
                figure = f"{number(value)}{NO_BREAK}m"
        elif stem and ending == "share":
            figure = f"{number(100.0 * value)}{NO_BREAK}%"
        elif stem and ending in _UNITS:
            mark = _UNITS[ending]
            figure = plain(value) + (mark if mark == "°" else f"{NO_BREAK}{mark}")
        else:
            stem, figure = name, plain(value)
        listed.append((re.sub(r"[_-]+", " ", stem).strip(), figure))
    return listed


def plain(value: float) -> str:
    """Whole numbers as they are, others with three digits."""
    return f"{value:.0f}" if math.isfinite(value) and float(value).is_integer() else signed(number(value))


def signed(text: str) -> str:
    """With a minus sign instead of a hyphen, and none before nothing."""
    return re.sub(r"-(?=[0.]+(?![0-9.]))", "", text).replace("-", "−")


def decimals(deviation: float, most: int = 6) -> int:
    """How many a figure deserves whose standard deviation this is: two digits of the latter."""
    if not math.isfinite(deviation) or deviation <= 0.0:
        return min(3, most)
    return max(0, min(most, 1 - math.floor(math.log10(deviation))))


def two_digits(value: float) -> str:
    """A positive number with two significant digits."""
    return f"{value:.{decimals(value)}f}"


def with_deviation(value: float, deviation: float, fallback: int = 1) -> str:
    """``"912.34 ± 0.12"``, with the deviation's two digits."""
    if not math.isfinite(deviation) or deviation <= 0.0:
        return signed(f"{value:.{fallback}f}")
    places = decimals(deviation)
    return signed(f"{value:.{places}f}") + f"{NO_BREAK}±{NO_BREAK}{deviation:.{places}f}"


def parameter(value: float, deviation: float, fallback: int = 1, most: int = 6) -> tuple[str, str]:
    """A figure and its standard deviation, or a word where it has none."""
    if deviation == 0.0:
        return signed(f"{value:.{fallback}f}"), "held"
    if not math.isfinite(deviation):
        return signed(f"{value:.{fallback}f}"), "undetermined"
    places = decimals(deviation, most)
    return signed(f"{value:.{places}f}"), f"± {deviation:.{places}f}"


def world_frame(calibration: Calibration) -> str:
    """What the axes of the world are, as far as the poses show."""
    for camera in calibration.rig:
        if np.allclose(camera.T_camera_world, np.eye(4), atol=1e-9):
            return f"The world's frame is that of {camera.name}."
    known = np.flatnonzero(np.isfinite(calibration.T_world_board).all(axis=(1, 2)))
    at = known[np.isclose(calibration.T_world_board[known], np.eye(4), atol=1e-6).all(axis=(1, 2))]
    frame = f"The world's frame is that of the board at moment {at[0]}." if len(at) else ""
    up = calibration.rig.up
    if up is None:
        return f"{frame} The vertical is not known.".strip()
    axis = int(np.abs(up).argmax())
    if abs(up[axis]) > 0.9999:
        return f"{frame} Up is {'+' if up[axis] > 0 else '−'}{'xyz'[axis]}.".strip()
    return f"{frame} Up is ({', '.join(signed(f'{value:.3f}') for value in up)}).".strip()
