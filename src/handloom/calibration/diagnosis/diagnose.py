"""Every finding about a calibration, or about why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from handloom.calibration.diagnosis import (
    baseline,
    board_kind,
    coverage,
    links,
    motion,
    recordings,
    residuals,
    scale,
    shape,
    sharpness,
)
from handloom.calibration.diagnosis.evidence import Evidence
from handloom.calibration.findings import Finding, Name, Severity

Family = Callable[[Evidence], Iterator[Finding]]

FAMILIES: tuple[Family, ...] = (
    recordings.findings,
    board_kind.findings,
    links.findings,
    motion.findings,
    coverage.findings,
    baseline.findings,
    scale.findings,
    shape.findings,
    sharpness.findings,
    residuals.findings,
)

_BENDING = (Name.unsynchronised, Name.dropped_frames, Name.moved_camera)
"""Faults of one camera that bend the whole result, and with it the residuals of all others."""

_LEFT_OVER = (Name.large_residual, Name.motion_blur, Name.rolling_shutter, Name.bent_board, Name.wrong_square)
"""What is told from residuals, and not trusted while something bends them."""

_SAME_CAMERA = {
    Name.wrong_board: (Name.nothing_found, Name.unlinked_camera, Name.too_few_views),
    Name.mirrored_video: (Name.nothing_found, Name.unlinked_camera, Name.too_few_views),
    Name.nothing_found: (Name.unlinked_camera,),
    Name.bent_board: (Name.motion_blur, Name.rolling_shutter, Name.large_residual),
    Name.wrong_square: (Name.motion_blur, Name.rolling_shutter, Name.large_residual),
    Name.motion_blur: (Name.large_residual,),
    Name.rolling_shutter: (Name.large_residual, Name.motion_blur),
}
"""What a finding explains where it is about the same cameras, or about all."""

_ORDER = (Severity.error, Severity.warning, Severity.note)


def diagnose(evidence: Evidence) -> tuple[Finding, ...]:
    """All findings, errors first.

    Thresholds are stated where they are used, in pixels of the picture, millimetres at the board or standard
    deviations. Families whose evidence is missing find nothing, so that a calibration which could not go on
    is diagnosed with what there is. What another finding explains is left out.
    """
    found = [finding for family in FAMILIES for finding in family(evidence)]
    linked = {
        name for name, camera in zip(evidence.names, evidence.cameras, strict=True) if camera is not None
    }
    told = [finding for finding in found if not any(_explains(other, finding, linked) for other in found)]
    return tuple(sorted(told, key=lambda finding: _ORDER.index(finding.severity)))


def _explains(finding: Finding, other: Finding, linked: set[str]) -> bool:
    if finding.severity is Severity.note or _seen_directly(other):
        return False
    if finding.name in _BENDING and linked.issuperset(finding.cameras):
        return other.name in _LEFT_OVER
    if finding.name is Name.wrong_square and "stretch_percent" not in finding.numbers:
        return False
    if other.name is Name.nothing_found:
        same = not set(other.cameras).isdisjoint(finding.cameras)
    else:
        same = set(other.cameras) <= set(finding.cameras) or not finding.cameras
    return same and other.name in _SAME_CAMERA.get(finding.name, ())


def _seen_directly(finding: Finding) -> bool:
    """Whether a finding rests on something other than residuals."""
    return (
        finding.numbers.get("blurred_share", 0.0) > sharpness.OFTEN or "square_needed_mm" in finding.numbers
    )
