"""Lengths of the board that contradict lengths measured otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handloom.calibration.diagnosis.evidence import Evidence
from handloom.calibration.findings import Finding, Name, Severity

_OFF, _WRONG = 0.02, 0.05
_SIGNIFICANT = 4.0


def findings(evidence: Evidence) -> Iterator[Finding]:
    """``wrong-square`` where measured distances between cameras say so."""
    calibration = evidence.calibration
    if calibration is None or not evidence.distances_m:
        return
    by_name = {camera.name: camera for camera in calibration.rig}
    numbers = {name: number for number, name in enumerate(evidence.names)}
    ratios, spreads = [], []
    for (first, second), length in sorted(evidence.distances_m.items()):
        if first not in by_name or second not in by_name or not length > 0:
            continue
        found = float(np.linalg.norm(by_name[first].center - by_name[second].center))
        both = [calibration.uncertainty[numbers[name]] for name in (first, second)]
        center_std = [np.zeros(3) if one is None else one.center_m for one in both]
        ratios.append(found / length)
        spreads.append(float(np.sqrt(np.nansum([std**2 for std in center_std]))) / length)
    if not ratios:
        return
    ratio, spread = float(np.median(ratios)), float(np.median(spreads))
    if abs(ratio - 1.0) <= max(_OFF, _SIGNIFICANT * spread):
        return
    square = calibration.sightings.board.square_m
    yield Finding(
        Name.wrong_square,
        Severity.error if abs(ratio - 1.0) > _WRONG else Severity.warning,
        f"The cameras are {100 * abs(ratio - 1):.1f} % {'farther apart' if ratio > 1 else 'nearer'} by the"
        " board"
        f" than by the distances measured: squares of {1e3 * square:.1f} mm would have to be"
        f" {1e3 * square / ratio:.1f} mm.",
        "Measure a row of squares of the printed board with a ruler, divide by their number, and state that"
        " length.",
        (),
        {"ratio": ratio, "square_mm": 1e3 * square, "square_needed_mm": 1e3 * square / ratio},
    )
