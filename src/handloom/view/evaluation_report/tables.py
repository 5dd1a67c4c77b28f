"""An evaluation's numbers as rows of text."""

from __future__ import annotations

import numpy as np

from handloom.evaluation import Result
from handloom.skeleton import HAND
from handloom.view.units import number


def figure_table(result: Result) -> list[tuple[str, list[str], bool]]:
    """Name of the figure; predictions, found only, baselines; whether a baseline is at least as good."""
    rows = []
    for name, value in result.figures.items():
        others = [table.get(name, np.nan) for table in result.baselines.values()]
        higher = not name.endswith((" mm", " px", " mm/frame²", " cm³")) or " AUC " in name
        known = [other for other in others if np.isfinite(other)]
        beaten = any((other >= value) if higher else (other <= value) for other in known)
        rows.append((name, [_cell(v) for v in (value, result.found.get(name, np.nan), *others)], beaten))
    return rows


def group_table(result: Result) -> list[tuple[str, list[str]]]:
    """Name of the figure and its value in every group; AUCs are left to the main table."""
    if not result.groups:
        return []
    names = [name for name in next(iter(result.groups.values())) if " AUC " not in name]
    return [(name, [_cell(table[name]) for table in result.groups.values()]) for name in names]


def finger_table(result: Result) -> list[tuple[str, list[str]]]:
    """Finger and its mean error by every measure."""
    columns = list(result.per_finger.values())
    if not columns:
        return []
    return [(finger, [_cell(column[finger]) for column in columns]) for finger in columns[0]]


def joint_bars(result: Result) -> list[tuple[str, float, str]]:
    """Joint, length of its bar in per cent, mean error, by the first measure."""
    if not result.per_joint:
        return []
    name, values = next(iter(result.per_joint.items()))
    unit = "px" if name.startswith("2D") else "mm"
    finite = values[np.isfinite(values)]
    longest = float(finite.max()) if finite.size else 1.0
    return [
        (joint.replace("_", " "), 100.0 * value / max(longest, 1e-12), f"{_cell(value)} {unit}")
        for joint, value in zip(HAND.joints, map(float, np.nan_to_num(values)), strict=True)
    ]


def condition_table(result: Result) -> list[tuple[str, str, int, str, str, str]]:
    """Condition, value, hands, share found, error with failures, error of the found."""
    return [
        (
            row.condition,
            row.value,
            row.hands,
            f"{100 * row.found:.0f} %",
            _cell(row.error),
            _cell(row.error_found),
        )
        for row in result.conditions
    ]


def _cell(value: float) -> str:
    return number(float(value)) if np.isfinite(value) else "–"
