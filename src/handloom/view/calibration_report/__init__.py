"""A calibration as one HTML file by which a person decides whether to believe it."""

from __future__ import annotations

from handloom.view.calibration_report.document import write_calibration_report, write_findings_report

__all__ = ["write_calibration_report", "write_findings_report"]
