"""The report on an evaluation: figures beside baselines, curves, fingers, conditions, the worst samples."""

from handloom.view.evaluation_report.document import write_evaluation_report

__all__ = ["write_evaluation_report"]
