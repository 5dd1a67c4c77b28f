"""Calibrations of scenes whose truth is known, with findings made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from plain_grid import PlainGrid

from handloom.calibration.adjustment.bundle import BundleOptions, adjust_boards
from handloom.calibration.calibration import Calibration, LensChoice
from handloom.calibration.findings import Finding, Name, Severity
from handloom.calibration.sightings import Sightings
from handloom.cameras import CameraRig
from handloom.synthesis.board_scene import make_board_scene

BOARD = PlainGrid()
ERROR = Finding(
    Name.wrong_square,
    Severity.error,
    "Squares measure 25.4 mm but were said to be 40 mm.",
    "Measure the print.",
    (),
    {"measured_mm": 25.4},
)
WARNING = Finding(
    Name.narrow_baseline,
    Severity.warning,
    "cam0 and cam1 stand 4.2 cm apart.",
    "Move them apart.",
    ("cam0", "cam1"),
    {"baseline_m": 0.042, "covered_share": 0.31, "angle_deg": 1.7},
)


def calibrated(
    cameras: int = 3,
    moments: int = 60,
    *,
    findings: Sequence[Finding] = (),
    not_linked: Sequence[str] = (),
    unit: str = "m",
    names: dict[str, str] | None = None,
) -> Calibration:
    """A board waved before cameras, some of which may be left out of the rig or bear other names."""
    scene = make_board_scene(BOARD, cameras, moments, outliers=0.05)
    result = adjust_boards(scene.sightings, list(scene.rig), scene.T_world_board, BundleOptions(True))
    renamed = tuple((names or {}).get(name, name) for name in scene.rig.names)
    sightings = _renamed(scene.sightings, renamed)
    left_out = np.isin(np.array(renamed)[sightings.camera], not_linked)
    per_metre = 1.0 / BOARD.square_m if unit == "board-square" else 1.0
    rig = CameraRig(
        tuple(
            replace(camera, name=name, T_camera_world=_scaled(camera.T_camera_world, per_metre))
            for name, camera in zip(renamed, result.cameras, strict=True)
            if camera is not None and name not in not_linked
        ),
        unit=unit,
        up=scene.rig.up,
    )
    return Calibration(
        rig=rig,
        sightings=sightings,
        T_world_board=_scaled(result.T_world_board, per_metre),
        residuals=np.where(left_out[:, None], np.nan, result.residuals),
        used=result.used & ~left_out,
        uncertainty=result.uncertainty,
        lenses=(LensChoice("brown-conrady-5", {"brown-conrady-5": 0.28, "fisheye": 0.71}),) * cameras,
        offsets_s=np.full(cameras, np.nan),
        readout_s=np.full(cameras, np.nan),
        held_out_px=0.295,
        findings=tuple(findings),
    )


def _renamed(sightings: Sightings, names: tuple[str, ...]) -> Sightings:
    return replace(sightings, cameras=names)


def _scaled(T: np.ndarray, factor: float) -> np.ndarray:
    scaled = T.copy()
    scaled[..., :3, 3] *= factor
    return scaled
