"""Counts over pictures: failures, conditions, errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handloom.evaluation.joints import by_finger, mean
from handloom.pictures import HandError, PictureResult
from handloom.pictures.indicators import INDICATORS

Errors = Mapping[str, Mapping[int, HandError]]


@dataclass(frozen=True)
class FailureRow:
    """How often one sign of failure was seen.

    Attributes:
        failure, says, limit: of the indicator, in words.
        count: hands with it.
        median: of the measure over all hands.
        pictures: names of the pictures with such hands.
        error: mean error of these hands and of all others, in words; empty without a truth.
    """

    failure: str
    says: str
    limit: str
    count: int
    median: str
    pictures: tuple[str, ...]
    error: str


def failure_rows(results: Sequence[PictureResult], errors: Errors) -> list[FailureRow]:
    """One row for every indicator, those with failures first."""
    pairs = [(result, k, hand) for result in results for k, hand in enumerate(result.hands)]
    rows = []
    for indicator in INDICATORS:
        values = [hand.indicators.values.get(indicator.name, np.nan) for _, _, hand in pairs]
        bad = [indicator.flags(value) for value in values]
        names = tuple(dict.fromkeys(result.name for (result, _, _), b in zip(pairs, bad, strict=True) if b))
        known = [value for value in values if np.isfinite(value)]
        limit = f"{'below' if indicator.low else 'above'} {indicator.limit:g} {indicator.unit}".strip()
        error = ""
        if errors:
            found = [errors.get(result.name, {}).get(k) for result, k, _ in pairs]
            split = [
                [main_error(e) for e, b in zip(found, bad, strict=True) if e and b is flag]
                for flag in (True, False)
            ]
            error = " / ".join(number(mean(np.array(part))) for part in split) + f" {error_unit(errors)}"
        median = number(float(np.median(known))) if known else "–"
        rows.append(FailureRow(indicator.failure, indicator.says, limit, sum(bad), median, names, error))
    missed = tuple(result.name for result in results if not result.hands)
    says = "pictures in which nothing was found or which could not be read"
    rows.append(FailureRow("no hand", says, "–", len(missed), "–", missed, ""))
    return sorted(rows, key=lambda row: -row.count)


def condition_rows(
    results: Sequence[PictureResult], conditions: Mapping[Path, Mapping[str, str]], errors: Errors
) -> list[tuple[str, str, int, str, str, str]]:
    """Condition, its value, pictures, share with a hand, mean signs of failure a hand, mean error."""
    groups: dict[tuple[str, str], list[PictureResult]] = {}
    for result in results:
        for name, value in conditions.get(result.path, {}).items():
            groups.setdefault((name, value), []).append(result)
    rows = []
    for (name, value), members in sorted(groups.items()):
        hands = [hand for result in members for hand in result.hands]
        share = f"{100 * np.mean([bool(result.hands) for result in members]):.0f} %"
        signs = number(float(np.mean([len(h.indicators.failures) for h in hands]))) if hands else "–"
        found = [main_error(e) for result in members for e in errors.get(result.name, {}).values()]
        error = f"{number(mean(np.array(found)))} {error_unit(errors)}" if errors else ""
        rows.append((name, value, len(members), share, signs, error))
    return rows


def finger_rows(errors: Errors) -> list[tuple[str, str, str, str]]:
    """Finger, and the mean errors in pixels, after root alignment and after Procrustes alignment."""
    found = [error for hands in errors.values() for error in hands.values()]
    if not found:
        return []
    columns = [
        by_finger(np.stack([getattr(e, name) for e in found])) for name in ("px", "root_mm", "aligned_mm")
    ]
    columns = [
        c | {"all": mean(np.stack([getattr(e, n) for e in found]))}
        for c, n in zip(columns, ("px", "root_mm", "aligned_mm"), strict=True)
    ]
    return [(finger, *(number(column[finger]) for column in columns)) for finger in columns[0]]  # type: ignore[misc]


def main_error(error: HandError) -> float:
    """The error by which hands are compared: after alignment in millimetres, else in pixels."""
    aligned = mean(error.aligned_mm)
    return aligned if np.isfinite(aligned) else mean(error.px)


def error_unit(errors: Errors) -> str:
    """Unit of :func:`main_error`."""
    found = [error for hands in errors.values() for error in hands.values()]
    return "mm PA" if any(np.isfinite(mean(e.aligned_mm)) for e in found) else "px"


def number(value: float) -> str:
    """Three digits, or a dash where there is none."""
    return "–" if not np.isfinite(value) else f"{value:.3g}"
