"""What is left unexplained, and whether lengths mean anything."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handloom.calibration.diagnosis.evidence import Evidence
from handloom.calibration.findings import Finding, Name, Severity

_LARGE_PX, _WRONG_PX = 1.0, 3.0  # in pictures of 1920×1080 and smaller ones; larger ones in proportion
_FULL_HD_DIAGONAL = 2203.0
_MUCH, _MUCH_PX = 3.0, 0.5  # times the middle of the cameras, and at least so much
_ASIDE, _MOSTLY_ASIDE = 0.25, 0.5  # share of the corners


def findings(evidence: Evidence) -> Iterator[Finding]:
    """``large-residual`` and ``scale-unknown``."""
    calibration = evidence.calibration
    if calibration is None:
        return
    numbers = [c for c, camera in enumerate(evidence.cameras) if camera is not None]
    rms = {c: calibration.rms_of(c) for c in numbers}
    usual = float(np.nanmedian(list(rms.values())))
    for c in numbers:
        rows = (calibration.sightings.camera == c) & np.isfinite(calibration.residuals).all(axis=-1)
        aside = 1.0 - float(calibration.used[rows].mean()) if rows.any() else 0.0
        size = max(1.0, float(evidence.diagonals_px[c]) / _FULL_HD_DIAGONAL)
        wrong = rms[c] > _WRONG_PX * size or aside > _MOSTLY_ASIDE
        above = len(numbers) > 2 and rms[c] > max(_MUCH * usual, _MUCH_PX * size)
        if not (wrong or above or rms[c] > _LARGE_PX * size or aside > _ASIDE):
            continue
        name = evidence.names[c]
        yield Finding(
            Name.large_residual,
            Severity.error if wrong else Severity.warning,
            f"The corners in {name} are {rms[c]:.2f} px from where they should be (root mean square; the"
            " middle of"
            f" all cameras is {usual:.2f} px), and {100 * aside:.0f} % of them were set aside as outliers.",
            f"Look at {name} in the report: blur, a wrong lens, reflections on the board or a board that is"
            " not flat"
            " all show there; record sharp, slow views of a flat board in even light.",
            (name,),
            {"rms_px": rms[c], "usual_px": usual, "set_aside_share": aside},
        )
    if calibration.rig.unit != "m":
        yield Finding(
            Name.scale_unknown,
            Severity.note,
            "The rig's lengths have no unit.",
            "State the square's length in the board, a distance between two cameras, or the length of a"
            " bone.",
        )
