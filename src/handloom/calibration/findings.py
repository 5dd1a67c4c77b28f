"""What a calibration found out about its own data: named, with numbers, and with what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """What a finding means for the result."""

    error = "error"
    """The result, or a camera of it, cannot be trusted: nothing is written unless forced."""
    warning = "warning"
    """The result may be used; it is worse than it could be."""
    note = "note"
    """Worth knowing."""


class Name(StrEnum):
    """Every finding there is."""

    nothing_found = "nothing-found"
    unlinked_camera = "unlinked-camera"
    separate_groups = "separate-groups"
    wrong_board = "wrong-board"
    wrong_square = "wrong-square"
    mirrored_video = "mirrored-video"
    no_tilt = "no-tilt"
    too_few_views = "too-few-views"
    centre_only = "centre-only"
    narrow_baseline = "narrow-baseline"
    unsynchronised = "unsynchronised"
    dropped_frames = "dropped-frames"
    resolution_mismatch = "resolution-mismatch"
    moved_camera = "moved-camera"
    motion_blur = "motion-blur"
    rolling_shutter = "rolling-shutter"
    bent_board = "bent-board"
    large_residual = "large-residual"
    scale_unknown = "scale-unknown"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Attributes:
        name: which of the findings.
        severity: what it means for the result.
        problem: one sentence with the names and numbers involved.
        remedy: one sentence that says what to record, measure or pass next.
        cameras: names of the cameras concerned, if some are.
        numbers: what was measured, by name; units in the names.
    """

    name: Name
    severity: Severity
    problem: str
    remedy: str
    cameras: tuple[str, ...] = ()
    numbers: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}: {self.problem} {self.remedy}"
