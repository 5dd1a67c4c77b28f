"""Cameras that stand so close together, as the board sees it, that depth is poorly known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.diagnosis.evidence import Evidence
from handloom.calibration.findings import Finding, Name, Severity

_NARROW_DEG = 5.0  # at which depth is eleven times less certain than the sides
_LEAST_SIGMA_PX = 0.1


def findings(evidence: Evidence) -> Iterator[Finding]:
    """``narrow-baseline`` of cameras whose lines of sight meet those of no other camera at an angle."""
    calibration = evidence.calibration
    if calibration is None or len(calibration.rig) < 2:
        return
    middle = calibration.sightings.board.points.mean(axis=0)
    boards = calibration.T_world_board
    where = boards[:, :3, :3] @ middle + boards[:, :3, 3]
    told: set[frozenset[int]] = set()
    for camera, own in enumerate(evidence.cameras):
        if own is None:
            continue
        angles = {
            other: _angle_deg(evidence, camera, other, where)
            for other, partner in enumerate(evidence.cameras)
            if partner is not None and other != camera
        }
        angles = {other: angle for other, angle in angles.items() if np.isfinite(angle)}
        if not angles:
            continue
        widest = max(sorted(angles), key=lambda other: angles[other])
        pair = frozenset((camera, widest))
        if angles[widest] >= _NARROW_DEG or pair in told:
            continue
        told.add(pair)
        seen = where[evidence.views[:, camera]]
        distance = float(np.nanmedian(np.linalg.norm(seen - own.center, axis=-1)))
        sigma = max(calibration.rms_of(camera) / np.sqrt(2), _LEAST_SIGMA_PX)
        aside = sigma * distance / float(own.K[0, 0])
        angle = float(np.radians(angles[widest]))
        depth = np.sqrt(2) * aside / np.sin(max(angle, 1e-6))
        name, partner_name = evidence.names[camera], evidence.names[widest]
        metric = calibration.rig.unit == "m"
        sizes = (
            f": at the board, {distance:.2f} m away, depth is uncertain by {1e3 * depth:.1f} mm where the"
            " sides are"
            f" by {1e3 * aside:.1f} mm"
            if metric
            else f": depth is {depth / aside:.0f} times less certain than the sides"
        )
        yield Finding(
            Name.narrow_baseline,
            Severity.warning,
            f"{name} and {partner_name} see the board from nearly the same direction ({angles[widest]:.1f}°"
            f" apart){sizes}.",
            "Move the cameras apart, 20 to 90° as seen from where the hands will be, or add a camera that"
            " looks"
            " from the side.",
            (name, partner_name),
            {"angle_deg": angles[widest], "depth_std_mm": 1e3 * depth, "distance_m": distance},
        )


def _angle_deg(evidence: Evidence, a: int, b: int, where: NDArray[np.float64]) -> float:
    """Between the lines of sight of two cameras, at the places of the board that either saw; median."""
    first, second = evidence.cameras[a], evidence.cameras[b]
    assert first is not None
    assert second is not None
    places = where[evidence.views[:, [a, b]].any(axis=1)]
    rays = [places - camera.center for camera in (first, second)]
    cosine = (rays[0] * rays[1]).sum(axis=-1) / np.prod([np.linalg.norm(r, axis=-1) for r in rays], axis=0)
    cosine = cosine[np.isfinite(cosine)]
    return float(np.degrees(np.arccos(np.clip(np.median(cosine), -1, 1)))) if len(cosine) else float("nan")
