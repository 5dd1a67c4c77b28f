"""The result of a calibration, with everything that is needed to judge it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.findings import Finding, Severity
from handloom.calibration.sightings import Sightings
from handloom.cameras import CameraRig

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LensChoice:
    """Why a camera got the lens model it has.

    Attributes:
        model: name of the chosen model, such as ``"brown-conrady-5"``, ``"rational-8"``,
            ``"fisheye"``, or ``"given"``.
        held_out_px: root mean square reprojection error on views that took no part, by model tried.
    """

    model: str
    held_out_px: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Standard deviations of one camera's parameters; 0 where a parameter was held, NaN where undetermined.

    Attributes:
        focal_px: (2,) fx, fy.
        principal_px: (2,) cx, cy.
        distortion: as many as the lens has coefficients.
        rotation_rad: (3,) about the camera's axes.
        center_m: (3,) of the centre of projection, along the camera's axes, against the first camera.
    """

    focal_px: Array
    principal_px: Array
    distortion: Array
    rotation_rad: Array
    center_m: Array


@dataclass(frozen=True, eq=False)
class Calibration:
    """Cameras, the board at every moment, and how well they explain what was seen.

    Attributes:
        rig: the cameras whose poses are known; those of the sightings linked to none of them are missing.
        sightings: what it was computed from.
        T_world_board: (T, 4, 4) pose of the board at every moment; NaN where it is unknown.
        residuals: (N, 2) seen minus projected, pixels, of every row of the sightings; NaN where nothing is
            projected.
        used: (N,) rows that were not set aside as outliers.
        uncertainty: (C) of the sightings' cameras; None for those without a lens. One that is not in the
            rig has the spread of its lens alone.
        lenses: (C) of the sightings' cameras.
        offsets_s: (C,) estimated seconds by which a camera's pictures are late on the common clock; NaN where
            the recording cannot tell.
        readout_s: (C,) estimated seconds from the first to the last row of a picture; NaN likewise.
        held_out_px: root mean square error at corners that took no part; NaN where there were too few views.
        findings: what is wrong or worth knowing, errors first.
    """

    rig: CameraRig
    sightings: Sightings
    T_world_board: Array
    residuals: Array
    used: NDArray[np.bool_]
    uncertainty: tuple[Uncertainty | None, ...]
    lenses: tuple[LensChoice, ...]
    offsets_s: Array
    readout_s: Array
    held_out_px: float
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
        return rms(self.residuals[self.used & (self.sightings.camera == camera)])


def rms(residuals: Array) -> float:
    """Root mean square length of (N, 2) vectors; NaN ones do not count."""
    squares = np.sum(residuals**2, axis=-1)
    return float(np.sqrt(np.nanmean(squares))) if np.isfinite(squares).any() else float("nan")
