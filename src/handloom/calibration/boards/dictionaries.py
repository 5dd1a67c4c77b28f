"""Dictionaries of square markers, by the names OpenCV has for them."""

from __future__ import annotations

from functools import cache

import cv2

from handloom.errors import CalibrationError

_SIZES = (50, 100, 250, 1000)
DICTIONARIES = (
    *(f"{bits}X{bits}_{size}" for bits in (4, 5, 6, 7) for size in _SIZES),
    "ARUCO_ORIGINAL",
    "ARUCO_MIP_36h12",
    "APRILTAG_16h5",
    "APRILTAG_25h9",
    "APRILTAG_36h10",
    "APRILTAG_36h11",
)


@cache
def dictionary(name: str) -> cv2.aruco.Dictionary:
    """OpenCV's dictionary of a canonical name."""
    return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, f"DICT_{name}"))


def dictionary_name(text: str) -> str:
    """The canonical name of ``"DICT_4X4_50"``, ``"4x4_50"``, ``"apriltag_36h11"``.

    Raises:
        CalibrationError: if there is no such dictionary.
    """
    wanted = text.strip().lower().removeprefix("dict_")
    for name in DICTIONARIES:
        if name.lower() == wanted:
            return name
    raise CalibrationError(
        f"There is no dictionary {text.strip()!r}.", f"Use one of {', '.join(DICTIONARIES)}."
    )


def capacity(name: str) -> int:
    """How many markers a dictionary has."""
    return len(dictionary(name).bytesList)


def default_dictionary(markers: int) -> str:
    """``4X4_50``, or the first larger one of its family with enough markers.

    Raises:
        CalibrationError: if even 1000 markers are too few.
    """
    for size in _SIZES:
        if markers <= size:
            return f"4X4_{size}"
    raise CalibrationError(
        f"A board of {markers} markers is beyond the largest dictionary, which has {_SIZES[-1]}.",
        "Use fewer squares.",
    )
