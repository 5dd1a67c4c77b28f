"""A calibration without a board, with everything that is needed to judge it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.calibration import Uncertainty, rms
from handloom.calibration.findings import Finding, Severity
from handloom.calibration.selfcalibration.tracks import KeypointTracks
from handloom.cameras import CameraRig

Array = NDArray[np.float64]

BIAS = (
    "Networks place a joint differently from different sides, which moves the cameras and which no amount of"
    " data averages out: expect rotations to be wrong by one or two degrees, where a board reaches a tenth."
)
"""What limits every calibration from keypoints."""


@dataclass(frozen=True, eq=False)
class SelfCalibration:
    """A rig found from keypoints alone.

    Attributes:
        rig: the cameras, in the frame of the first; its unit is ``"m"`` or, without a known length,
            ``"unknown"`` with the other cameras one unit from the first on average.
        tracks: the keypoints on the common clock, left and right put right.
        points: (T, J, 3) joints in the rig's frame and unit; NaN where fewer than two cameras see them.
        residuals: (C, T, J, 2) seen minus projected, pixels.
        used: (C, T, J) keypoints that were not set aside.
        offsets_s: (C,) time on the first camera's clock at which each camera's clock shows 0, as
            ``TrackOptions.offsets_s`` takes it; the ones the rig was computed with.
        measured_offsets_s: (C,) the same as the keypoints have it, also where the cameras were said to be
            synchronised; NaN where they cannot tell.
        offsets_std_s: (C,) standard deviations of those.
        uncertainty: one per camera, against the first. It allows for errors that are alike within a joint
            and within half a second, but not for a bias that all joints share.
        bones_m: name → length of the bones given, as they come out; in the rig's unit.
        swapped: (C,) how often left and right of a picture were exchanged.
        findings: what is wrong or worth knowing, errors first.
    """

    rig: CameraRig
    tracks: KeypointTracks
    points: Array
    residuals: Array
    used: NDArray[np.bool_]
    offsets_s: Array
    measured_offsets_s: Array
    offsets_std_s: Array
    uncertainty: tuple[Uncertainty, ...]
    bones_m: Mapping[str, float] = field(default_factory=dict)
    swapped: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    findings: tuple[Finding, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether no finding says that the result cannot be used."""
        return not any(finding.severity is Severity.error for finding in self.findings)

    @property
    def rms_px(self) -> float:
        """Root mean square length of the residuals that were used, pixels."""
        return rms(self.residuals[self.used])

    def rms_of(self, camera: int) -> float:
        """The same for one camera."""
        return rms(self.residuals[camera][self.used[camera]])

    @property
    def rotation_std_rad(self) -> float:
        """Standard deviation of the least certain camera's rotation about its least certain axis."""
        return float(max(np.max(camera.rotation_rad) for camera in self.uncertainty))
