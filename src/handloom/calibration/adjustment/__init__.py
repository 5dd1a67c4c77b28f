"""Bundle adjustment: everything moved at once to explain everything seen."""

from __future__ import annotations

from handloom.calibration.adjustment.bundle import (
    BundleOptions,
    BundleResult,
    adjust_boards,
    adjust_points,
)

__all__ = ["BundleOptions", "BundleResult", "adjust_boards", "adjust_points"]
