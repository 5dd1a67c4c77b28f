"""Pictures smeared by motion, and rows that were not exposed at the same time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.adjustment.bundle import BundleOptions, BundleResult, adjust_boards
from handloom.calibration.diagnosis.board_path import BoardPath
from handloom.calibration.diagnosis.evidence import Evidence
from handloom.calibration.findings import Finding, Name, Severity

Array = NDArray[np.float64]

_BLURRED_PX = 3.0  # width of an edge, where a sharp one has 0.5 to 1; in larger pictures than 1920×1080 more
_FULL_HD_DIAGONAL = 2203.0
OFTEN = 0.2
"""Share of the views that may be blurred."""

_ALONG = 2.0  # times larger the residuals are along the motion than across it
_ALONG_PX = 0.4
_FAST_PX_S = 60.0  # two pixels from one picture to the next
_LEAST_ROWS = 200
_SKEW_PX = 0.5  # root mean square of what the readout shifts
_SIGNIFICANT = 6.0  # standard deviations
_RUNS, _RUN = 8, 20  # of moments in a row, from which readout times are estimated


def findings(evidence: Evidence) -> Iterator[Finding]:
    """``motion-blur`` and ``rolling-shutter``."""
    calibration = evidence.calibration
    speed = corner_speed(evidence)
    for camera, name in enumerate(evidence.names):
        yield from _blur(evidence, camera, name, speed)
    if calibration is not None and len(calibration.rig):
        yield from _rolling(evidence, speed)


def corner_speed(evidence: Evidence) -> Array:
    """(N, 2) pixels a second of every corner; NaN where it is not known."""
    calibration = evidence.calibration
    sightings = evidence.sightings
    speed = np.full((len(sightings), 2), np.nan)
    path = None if calibration is None else BoardPath.of(sightings.times_s, calibration.T_world_board)
    if path is None:
        return speed
    local = sightings.object_points
    for number, camera in enumerate(evidence.cameras):
        rows = np.flatnonzero(sightings.camera == number)
        if camera is None or not len(rows):
            continue
        place, velocity = path.at(sightings.times_s[sightings.moment[rows]], local[rows])
        step = 1e-4
        speed[rows] = (camera.project(place + step * velocity) - camera.project(place - step * velocity)) / (
            2 * step
        )
    return speed


def _blur(evidence: Evidence, camera: int, name: str, speed: Array) -> Iterator[Finding]:
    blur = evidence.sightings.blur_px[:, camera]
    blur = blur[np.isfinite(blur)]
    limit = _BLURRED_PX * max(1.0, float(evidence.diagonals_px[camera]) / _FULL_HD_DIAGONAL)
    share = float((blur > limit).mean()) if len(blur) else 0.0
    along, across = _anisotropy(evidence, camera, speed)
    smeared = np.isfinite(along) and along > _ALONG * across and along > _ALONG_PX
    if share <= OFTEN and not smeared:
        return
    width = float(np.quantile(blur, 0.9)) if len(blur) else float("nan")
    parts = []
    if share > OFTEN:
        parts.append(
            f"the edges are wider than {limit:.1f} px in {100 * share:.0f} % of the views (one in ten is"
            f" wider than {width:.1f} px)"
        )
    if smeared:
        parts.append(
            f"corners of a fast board are {along:.2f} px off along its motion, but {across:.2f} px across it"
        )
    yield Finding(
        Name.motion_blur,
        Severity.warning,
        f"The pictures of {name} are blurred: {' and '.join(parts)}.",
        f"Move the board more slowly or hold it still for each view, give more light, shorten the exposure of"
        f" {name}, and check its focus.",
        (name,),
        {"blurred_share": share, "blur_px": width, "along_px": along, "across_px": across},
    )


def _anisotropy(evidence: Evidence, camera: int, speed: Array) -> tuple[float, float]:
    """Robust standard deviation of the residuals along and across the motion, where that is fast."""
    calibration = evidence.calibration
    if calibration is None:
        return float("nan"), float("nan")
    residuals = calibration.residuals
    pace = np.hypot(speed[:, 0], speed[:, 1])
    own = (evidence.sightings.camera == camera) & np.isfinite(residuals).all(axis=-1) & (pace > _FAST_PX_S)
    if own.sum() < _LEAST_ROWS:
        return float("nan"), float("nan")
    fast = own & (pace >= np.quantile(pace[own], 0.5))
    direction = speed[fast] / pace[fast, None]
    along = (residuals[fast] * direction).sum(axis=-1)
    across = residuals[fast, 0] * direction[:, 1] - residuals[fast, 1] * direction[:, 0]
    return tuple(float(1.4826 * np.median(np.abs(part))) for part in (along, across))  # type: ignore[return-value]


def _rolling(evidence: Evidence, speed: Array) -> Iterator[Finding]:
    calibration = evidence.calibration
    assert calibration is not None
    readout, std = calibration.readout_s, np.zeros(len(evidence.names))
    if not np.isfinite(readout).any():
        result = _timed(evidence)
        if result is None:
            return
        readout, std = result.readout_s, result.timing_std_s[:, 1]
    heights = evidence.sightings.image_sizes[:, 1]
    for camera, name in enumerate(evidence.names):
        own = evidence.sightings.camera == camera
        pace = np.hypot(speed[own, 0], speed[own, 1])
        row = (evidence.sightings.pixels[own, 1] - heights[camera] / 2) / heights[camera]
        seen = np.isfinite(pace)
        seconds = float(readout[camera])
        if not (np.isfinite(seconds) and np.isfinite(std[camera]) and seen.any()):
            continue
        effect = abs(seconds) * float(np.sqrt(np.mean((pace * row)[seen] ** 2)))
        if effect < _SKEW_PX or abs(seconds) < _SIGNIFICANT * std[camera]:
            continue
        yield Finding(
            Name.rolling_shutter,
            Severity.warning,
            f"{name} reads its rows one after the other: {1e3 * abs(seconds):.0f} ms from the first to the"
            " last"
            f" (standard deviation {1e3 * std[camera]:.1f} ms), which moved corners by {effect:.1f} px.",
            "Hold the board still for each view or move it slowly, choose a mode with a faster readout (lower"
            " resolution, higher rate), or pass --timing to have it estimated.",
            (name,),
            {"readout_ms": 1e3 * seconds, "std_ms": 1e3 * float(std[camera]), "effect_px": effect},
        )


def _timed(evidence: Evidence) -> BundleResult | None:
    """The calibration adjusted with clocks and readout times, from a few runs of moments."""
    calibration = evidence.calibration
    assert calibration is not None
    sightings, boards = calibration.sightings, calibration.T_world_board
    known = np.flatnonzero(np.isfinite(boards).all(axis=(1, 2)) & np.isfinite(sightings.times_s))
    if len(known) < _RUN or BoardPath.of(sightings.times_s, boards) is None:
        return None
    if len(known) > _RUNS * _RUN:
        starts = np.linspace(0, len(known) - _RUN, _RUNS).round().astype(int)
        known = known[np.unique(starts[:, None] + np.arange(_RUN))]
    part = sightings.where(calibration.used & np.isin(sightings.moment, known))
    if not len(part):
        return None
    return adjust_boards(part, evidence.cameras, boards, BundleOptions(timing=True))
