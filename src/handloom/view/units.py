"""Lengths in words: millimetres only where the rig is known to be metric."""

from __future__ import annotations

import math
from dataclasses import dataclass

NO_BREAK = "\u00a0"
"""Between a number and its unit."""


@dataclass(frozen=True)
class LengthUnit:
    """How lengths of a session are written.

    Attributes:
        name: of the unit of the data, plural: ``"metres"``, ``"board squares"``, ``"units"``.
        shown: the unit figures are given in: ``"mm"`` for metric data, otherwise ``name``.
        factor: from the data to the figures.
    """

    name: str
    shown: str
    factor: float

    @classmethod
    def of(cls, unit: str) -> LengthUnit:
        """The wording for a rig's ``unit``."""
        if unit == "m":
            return cls("metres", "mm", 1000.0)
        name = {"board-square": "board squares"}.get(unit, "units")
        return cls(name, name, 1.0)

    @property
    def metric(self) -> bool:
        """Whether the data are in metres."""
        return self.name == "metres"

    def text(self, length: float) -> str:
        """A length with its unit: ``"3.4 mm"``, ``"0.120 board squares"``; a dash if it is not known."""
        return f"{number(length * self.factor)}{NO_BREAK}{self.shown}" if math.isfinite(length) else "–"


def number(value: float) -> str:
    """Three significant digits without an exponent; a dash for NaN."""
    if not math.isfinite(value):
        return "–"
    if value == 0.0:
        return "0"
    digits = max(0, min(6, 2 - math.floor(math.log10(abs(value)))))
    return f"{value:.{digits}f}"


def percent(fraction: float) -> str:
    """A fraction in per cent; never rounded up to 100 or down to 0."""
    if not math.isfinite(fraction):
        return "–"
    value = 100.0 * fraction
    if 99.0 < value < 100.0 or 0.0 < value < 10.0:
        value = math.floor(value * 10.0) / 10.0 if value > 99.0 else value
        return f"{value:.1f}{NO_BREAK}%"
    return f"{value:.0f}{NO_BREAK}%"
