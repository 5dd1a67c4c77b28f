"""Putting the report on an evaluation together."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from handloom.datasets.sample import DataSet
from handloom.evaluation import Result
from handloom.session.files import whole_file
from handloom.session.layout import package_version
from handloom.view.evaluation_report.tables import (
    condition_table,
    figure_table,
    finger_table,
    group_table,
    joint_bars,
)
from handloom.view.evaluation_report.worst import worst_hands
from handloom.view.page import part, rendered
from handloom.view.report.charts import Series, line_chart
from handloom.view.units import number

_COLOURS = {"predictions": (44, 110, 143), "zero": (176, 122, 16), "mean pose": (158, 163, 173)}
_WORST = 12


def write_evaluation_report(
    result: Result, path: str | Path, *, name: str, data: str, dataset: DataSet | None = None
) -> Path:
    """Write the HTML report on an evaluation; it carries everything it shows.

    Args:
        result: of :func:`handloom.evaluation.evaluate`.
        path: of the file.
        name: what was evaluated, in words.
        data: what it was evaluated on.
        dataset: where the pictures of the worst samples are; the skeletons alone without.

    Raises:
        SessionError: if the file cannot be written.
    """
    path = Path(path)
    protocol, coverage = result.protocol, result.coverage
    content = {
        "style": part("handloom.view.report", "report.css")
        + part("handloom.view.evaluation_report", "evaluation.css"),
        "script": part("handloom.view.report", "report.js"),
        "version": package_version("handloom"),
        "name": name,
        "data": data,
        "protocol": protocol,
        "main": result.main,
        "main_value": number(result.figures.get(result.main, np.nan)),
        "baselines": [
            (who, number(table.get(result.main, np.nan))) for who, table in result.baselines.items()
        ],
        "coverage": coverage,
        "share": f"{100 * coverage.share:.1f} %",
        "missing": coverage.missing[:50],
        "figures": figure_table(result),
        "columns": ["predictions", "found only", *result.baselines],
        "groups": group_table(result),
        "group_names": list(result.groups),
        "curves": [
            (
                curve_name,
                line_chart(
                    curve.thresholds,
                    [
                        Series(who, _COLOURS[who], 100.0 * np.asarray(shares), dashed=who != "predictions")
                        for who, shares in curve.shares.items()
                    ],
                    x_label=curve.unit,
                    y_label="% of joints within" if "V" not in curve_name else "% of vertices within",
                    y_high=100.0,
                ),
            )
            for curve_name, curve in result.curves.items()
        ],
        "fingers": finger_table(result),
        "finger_columns": list(result.per_finger),
        "joints": joint_bars(result),
        "joints_of": next(iter(result.per_joint), ""),
        "conditions": condition_table(result),
        "findings": result.findings,
        "notes": result.notes,
        "mean_pose_of": result.mean_pose_of,
        "measures": [(one.name, one.describe()) for one in protocol.measures],
        "thresholds": f"{protocol.thresholds.count} thresholds from {1000 * protocol.thresholds.low:g} to "
        f"{1000 * protocol.thresholds.high:g} mm",
        "worst": worst_hands(result, dataset, _WORST),
    }
    page = rendered("handloom.view.evaluation_report", "evaluation.html.j2", content)
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path
