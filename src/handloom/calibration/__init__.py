"""Calibration that explains itself: recordings of a board or people in, a rig and why to believe it out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handloom.calibration.adjustment.bundle import BundleOptions, adjust_boards, adjust_points
    from handloom.calibration.boards import Board, parse_board
    from handloom.calibration.calibration import Calibration
    from handloom.calibration.collect import Facts, read_sightings, write_sightings
    from handloom.calibration.findings import Finding, Severity
    from handloom.calibration.lenses.intrinsics import calibrate_lens, calibrate_lenses
    from handloom.calibration.linking.extrinsics import link
    from handloom.calibration.pipeline import (
        CalibrateOptions,
        NotCalibrated,
        calibrate,
        calibrate_sightings,
    )
    from handloom.calibration.selfcalibration import calibrate_from_keypoints, refine_rig
    from handloom.calibration.sightings import Sightings

_HOME = {
    "Board": "boards",
    "parse_board": "boards",
    "BundleOptions": "adjustment",
    "adjust_boards": "adjustment",
    "adjust_points": "adjustment",
    "CalibrateOptions": "pipeline",
    "NotCalibrated": "pipeline",
    "calibrate": "pipeline",
    "calibrate_sightings": "pipeline",
    "Calibration": "calibration",
    "Facts": "collect",
    "read_sightings": "collect",
    "write_sightings": "collect",
    "link": "linking",
    "Finding": "findings",
    "Severity": "findings",
    "calibrate_lens": "lenses.intrinsics",
    "calibrate_lenses": "lenses.intrinsics",
    "calibrate_from_keypoints": "selfcalibration",
    "refine_rig": "selfcalibration",
    "Sightings": "sightings",
}

__all__ = [
    "Board",
    "BundleOptions",
    "CalibrateOptions",
    "Calibration",
    "Facts",
    "Finding",
    "NotCalibrated",
    "Severity",
    "Sightings",
    "adjust_boards",
    "adjust_points",
    "calibrate",
    "calibrate_from_keypoints",
    "calibrate_lens",
    "calibrate_lenses",
    "calibrate_sightings",
    "link",
    "parse_board",
    "read_sightings",
    "refine_rig",
    "write_sightings",
]


def __getattr__(name: str) -> Any:
    # The parts are large and each is useful alone: none is loaded for another's sake.
    if name in _HOME:
        return getattr(import_module(f"handloom.calibration.{_HOME[name]}"), name)
    raise AttributeError(f"module 'handloom.calibration' has no attribute {name!r}")
