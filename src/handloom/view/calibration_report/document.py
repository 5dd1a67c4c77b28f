"""Putting the report of a calibration together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handloom.calibration.calibration import Calibration
from handloom.calibration.findings import Finding
from handloom.calibration.sightings import Sightings
from handloom.session.files import whole_file
from handloom.session.layout import package_version
from handloom.view.calibration_report import curves, tables
from handloom.view.calibration_report.evidence import CameraEvidence, gathered
from handloom.view.calibration_report.maps import (
    Field,
    coverage_map,
    covered_share,
    magnification,
    residual_map,
)
from handloom.view.calibration_report.space import board_trails, turnable
from handloom.view.calibration_report.squares import Squares, measured_squares
from handloom.view.calibration_report.wording import (
    numbers_of,
    plain,
    verdict,
    with_deviation,
    world_frame,
)
from handloom.view.page import part, rendered
from handloom.view.pictures import Picture
from handloom.view.report.plan import plans
from handloom.view.units import NO_BREAK, LengthUnit, number, percent

_PACKAGE = "handloom.view.calibration_report"
_NOWHERE = "Lenses alone were calibrated: where the cameras stand is not known."


def write_calibration_report(
    calibration: Calibration, path: str | Path, *, example_pictures: Mapping[str, Picture] | None = None
) -> Path:
    """Write a calibration as one HTML file by which a person decides whether to believe it.

    Cameras of the sightings that are not in the rig appear as not calibrated.

    Args:
        example_pictures: (H, W, 3) RGB by camera, laid under the maps of coverage.

    Returns:
        The file, which appears once it is complete; the same calibration gives the same bytes.

    Raises:
        SessionError: if the file cannot be written.
    """
    cameras = gathered(calibration.sightings, calibration)
    squares = measured_squares(calibration)
    content = _common(calibration.sightings, cameras, example_pictures)
    content |= _findings(calibration, calibration.findings, squares)
    content |= _calibrated(calibration, cameras, squares)
    return _written(content, Path(path))


def write_findings_report(
    findings: Sequence[Finding],
    sightings: Sightings,
    path: str | Path,
    *,
    example_pictures: Mapping[str, Picture] | None = None,
) -> Path:
    """Write what stands in the way of a calibration that did not come about, and what was seen.

    Args:
        findings: errors first.
        sightings: possibly empty.
        example_pictures: as in :func:`write_calibration_report`.

    Returns:
        The file, which appears once it is complete.

    Raises:
        SessionError: if the file cannot be written.
    """
    content = _common(sightings, gathered(sightings), example_pictures)
    content |= _findings(None, findings, None)
    content["calibrated"] = False
    return _written(content, Path(path))


def _written(content: dict[str, Any], path: Path) -> Path:
    page = rendered(_PACKAGE, "calibration.html.j2", content)
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _common(
    sightings: Sightings, cameras: list[CameraEvidence], pictures: Mapping[str, Picture] | None
) -> dict[str, Any]:
    """What there is to show with or without a result."""
    coverage = []
    for seen in cameras:
        views = f"{seen.views} view" + "s" * (seen.views != 1)
        caption = f"{seen.name}: {percent(covered_share(seen))} covered, {views}"
        coverage.append((caption, coverage_map(seen, (pictures or {}).get(seen.name))))
    count = len(cameras)
    return {
        "style": part("handloom.view.report", "report.css") + part(_PACKAGE, "calibration.css"),
        "script": part("handloom.view.report", "report.js") + part(_PACKAGE, "space.js"),
        "version": package_version("handloom"),
        "title": f"Calibration of {count} camera" + "s" * (count != 1),
        "board": sightings.board.spec,
        "moments": len(np.unique(sightings.moment)),
        "corners": len(sightings),
        "camera_count": count,
        "coverage": coverage,
        "shared": tables.shared_matrix(sightings) if count > 1 else None,
        "fit": tables.fit_table(cameras),
        "uncalibrated": [],
    }


def _findings(
    calibration: Calibration | None, findings: Sequence[Finding], squares: Squares | None
) -> dict[str, Any]:
    unit = LengthUnit.of("m" if calibration is None else calibration.rig.unit)
    grade, word, rest = verdict(calibration, findings, squares)
    return {
        "grade": grade,
        "verdict": word,
        "reason": rest,
        "findings": [
            {
                "severity": finding.severity.value,
                "name": finding.name.value,
                "problem": finding.problem,
                "remedy": finding.remedy,
                "numbers": numbers_of(finding, unit),
            }
            for finding in findings
        ],
    }


def _calibrated(
    calibration: Calibration, cameras: list[CameraEvidence], squares: Squares | None
) -> dict[str, Any]:
    """What there is to show of a result."""
    sightings, unit = calibration.sightings, LengthUnit.of(calibration.rig.unit)
    shown = [seen for seen in cameras if seen.result is not None]
    fields = [Field.of(seen) for seen in shown]
    factor = magnification(fields)
    several = len(shown) > 2
    placed = _placed(calibration)
    return {
        "calibrated": True,
        "uncalibrated": [seen.name for seen in cameras if seen.result is None],
        "camera_count": f"{len(shown)} of {len(cameras)}" if len(shown) < len(cameras) else len(cameras),
        "cards": _cards(calibration, cameras, squares, unit),
        "frame": f"{_scale(calibration, unit)} {world_frame(calibration) if placed else _NOWHERE}",
        "placed": placed,
        "scene": turnable(calibration, cameras),
        "plans": plans(calibration.rig, board_trails(calibration), unit, [seen.colour for seen in shown]),
        "poses": curves.pose_charts(cameras, unit),
        "histograms": curves.residual_histograms(cameras),
        "fields": [
            (seen.name, residual_map(seen, field, factor)) for seen, field in zip(shown, fields, strict=True)
        ],
        "factor": plain(factor),
        "radius_chart": curves.radius_chart(cameras),
        "time_chart": curves.time_chart(cameras, sightings),
        "squares": None if squares is None else curves.squares_histogram(squares, unit),
        "squares_said": None if squares is None else _squares_said(squares, unit),
        "pairs": _pairs(shown, squares, unit) if several else None,
        "unit": unit.shown,
        "camera_tables": [
            tables.lens_table(cameras),
            *tables.distortion_tables(cameras),
            *filter(None, [tables.choice_table(cameras)]),
            *([tables.pose_table(cameras, unit)] if placed else []),
        ],
    }


def _placed(calibration: Calibration) -> bool:
    """Whether the cameras stand anywhere: where lenses alone were calibrated all are at the origin."""
    return len(calibration.rig) == 1 or bool(calibration.rig.baselines.any())


def _cards(
    calibration: Calibration, cameras: list[CameraEvidence], squares: Squares | None, unit: LengthUnit
) -> list[tuple[str, str, str, str]]:
    """Label, figure, its unit and what it means."""
    tried = np.concatenate([seen.used for seen in cameras if seen.result is not None])
    share = percent(float(tried.mean()) if len(tried) else float("nan"))
    cards = [
        (
            "Reprojection error",
            number(calibration.rms_px),
            "px",
            "RMS distance between corners and where the result projects them.",
        )
    ]
    if np.isfinite(calibration.held_out_px):
        cards.append(
            (
                "Held out",
                number(calibration.held_out_px),
                "px",
                "The same at corners that took no part: much above the former, the lens model fits noise.",
            )
        )
    if squares is not None:
        cards.append(
            (
                "Error of the squares",
                number(unit.factor * squares.rms_error),
                unit.shown,
                "RMS, of distances between neighbouring corners measured in space.",
            )
        )
    figure = share.removesuffix(f"{NO_BREAK}%")
    cards.append(("Corners used", figure, "%", "The rest was set aside as outliers."))
    return cards


def _pairs(shown: list[CameraEvidence], squares: Squares | None, unit: LengthUnit) -> tables.Matrix | None:
    if squares is None:
        return None
    names = tuple(seen.name for seen in shown)
    numbers = [seen.number for seen in shown]
    return tables.pair_matrix(names, squares.by_pair[np.ix_(numbers, numbers)], unit)


def _squares_said(squares: Squares, unit: LengthUnit) -> str:
    spread = with_deviation(unit.factor * squares.mean, unit.factor * squares.deviation)
    measured = f"{len(squares.lengths)} distances measure {spread}{NO_BREAK}{unit.shown} (standard deviation)"
    if unit.name == "units":
        return f"{measured}. The scale is not known, so errors are taken from their own mean."
    truth = f"{squares.truth * unit.factor:.6g}{NO_BREAK}{unit.shown}"
    return f"{measured}, where {truth} is true; RMS error {unit.text(squares.rms_error)}."


def _scale(calibration: Calibration, unit: LengthUnit) -> str:
    square = 1000.0 * calibration.sightings.board.square_m
    if unit.metric:
        return f"Lengths are metric; a square is taken to be {square:.6g}{NO_BREAK}mm."
    if unit.name == "board squares":
        return "The unit of length is a square of the board."
    return "The scale is not known: lengths are in units of the rig."
