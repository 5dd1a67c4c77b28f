"""What is wrong with a calibration, or stood in its way, and what to record next."""

from handloom.calibration.diagnosis.diagnose import diagnose
from handloom.calibration.diagnosis.evidence import Evidence

__all__ = ["Evidence", "diagnose"]
