"""Errors by what is known of the samples: side, subject, light, occlusion, …"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.evaluation.hands import Hands
from handloom.evaluation.joints import mean

Array = NDArray[np.float64]

_MOST_VALUES = 24
"""A condition with more different words is a name, not a condition."""
_BINS = 4


@dataclass(frozen=True)
class ConditionRow:
    """Hands of one value of a condition.

    Attributes:
        condition, value: in words.
        hands: how many.
        found: share of them with a prediction.
        error: mean error of all of them by the protocol's first measure, those not found as zeros.
        error_found: of those with a prediction.
    """

    condition: str
    value: str
    hands: int
    found: float
    error: float
    error_found: float


def condition_rows(truth: Hands, errors: Array, missing: NDArray[np.bool_]) -> list[ConditionRow]:
    """One row for every value of every condition that divides the hands; numbers fall into four equal parts.

    Args:
        errors: (N,) of every hand.
        missing: (N,) hands without a prediction.
    """
    columns: dict[str, list[str | float | None]] = {"side": list(truth.sides)}
    names = dict.fromkeys(name for row in range(len(truth)) for name in truth.condition(row))
    for name in names:
        columns.setdefault(name, [truth.condition(row).get(name) for row in range(len(truth))])
    rows = []
    for name, values in columns.items():
        groups = _grouped(values)
        if not 2 <= len(groups) <= _MOST_VALUES:
            continue
        for value, members in groups.items():
            own = np.array(members)
            seen = own[~missing[own]]
            rows.append(
                ConditionRow(
                    name, value, len(own), len(seen) / len(own), mean(errors[own]), mean(errors[seen])
                )
            )
    return rows


def _grouped(values: list[str | float | None]) -> dict[str, list[int]]:
    numbers = [isinstance(value, int | float) and not isinstance(value, bool) for value in values]
    if any(numbers) and all(n or v is None for n, v in zip(numbers, values, strict=True)):
        known = np.array([np.nan if v is None else float(v) for v in values])
        if len(np.unique(known[np.isfinite(known)])) > _BINS:
            return _binned(known)
    groups: dict[str, list[int]] = {}
    for row, value in enumerate(values):
        if value is not None:
            groups.setdefault(f"{value:g}" if isinstance(value, float) else str(value), []).append(row)
    return dict(sorted(groups.items()))


def _binned(values: Array) -> dict[str, list[int]]:
    edges = np.unique(np.quantile(values[np.isfinite(values)], np.linspace(0.0, 1.0, _BINS + 1)))
    groups: dict[str, list[int]] = {}
    for k in range(len(edges) - 1):
        last = k == len(edges) - 2
        inside = (values >= edges[k]) & ((values <= edges[k + 1]) if last else (values < edges[k + 1]))
        if inside.any():
            groups[f"{edges[k]:.3g} – {edges[k + 1]:.3g}"] = [int(row) for row in np.flatnonzero(inside)]
    return groups
