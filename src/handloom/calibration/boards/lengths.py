"""Lengths as people write them: a number with a unit."""

from __future__ import annotations

import re

from handloom.errors import CalibrationError

METRES = {"mm": 1e-3, "cm": 1e-2, "m": 1.0, "inch": 0.0254, "in": 0.0254}
_LENGTH = re.compile(r"(\d+\.?\d*|\.\d+)\s*([a-z]+)", re.IGNORECASE)


def parse_length(text: str, of: str = "length") -> float:
    """Metres of ``"25mm"``, ``"2.5 cm"``, ``"1 inch"``, to the nanometre.

    Args:
        text: number and unit.
        of: what is measured, for the message.

    Raises:
        CalibrationError: if there is no unit, no number, or nothing left of it.
    """
    match = _LENGTH.fullmatch(text.strip())
    unit = match[2].lower() if match else ""
    if match is None or unit not in METRES:
        raise CalibrationError(
            f"{text.strip()!r} is not a {of}.",
            "Give a number with its unit, mm, cm, m or inch, such as 25mm or 1inch.",
        )
    metres = round(float(match[1]) * METRES[unit], 9)
    if not metres > 0:
        raise CalibrationError(f"A {of} of {text.strip()} is none.", "Measure it on the print and give that.")
    return metres


def length_text(metres: float) -> str:
    """The length in millimetres, exact to the nanometre: ``"40.5mm"``."""
    return f"{metres * 1000:.6f}".rstrip("0").rstrip(".") + "mm"
