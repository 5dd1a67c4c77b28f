"""Calibration files: one module per format, found by content.

Each format module has a ``TITLE``, ``sniff(path)``, ``read(path)`` and ``write(rig, path)``. A new format is
a new module and a line in ``FORMATS``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from handloom.cameras.files import (
    aniposelib_toml,
    caliscope_toml,
    dat_pairs,
    json_pair,
    opencv_yaml,
    qualisys_xml,
)
from handloom.cameras.files._text import read_text, unreadable
from handloom.cameras.rig import CameraRig
from handloom.errors import CameraFileError

__all__ = ["FORMATS", "Format", "read_rig", "write_rig"]


class Format(Protocol):
    """What a format module offers."""

    TITLE: str

    def sniff(self, path: Path) -> bool:
        """Whether the content of this file or folder is in the format; malformed content is no error here."""
        ...

    def read(self, path: Path) -> CameraRig:
        """The rig, or a CameraFileError."""
        ...

    def write(self, rig: CameraRig, path: Path) -> None:
        """Write files that ``read`` understands, or raise a RigError if the format cannot hold the rig."""
        ...


FORMATS: dict[str, Format] = {
    "aniposelib": aniposelib_toml,
    "caliscope": caliscope_toml,
    "dat": dat_pairs,
    "opencv": opencv_yaml,
    "qualisys": qualisys_xml,
    "json": json_pair,
}


def read_rig(path: str | os.PathLike[str], *, unit: str | None = None) -> CameraRig:
    """Read calibrated cameras from a file or folder, whatever its format.

    Args:
        path: a calibration file, one file of a pair, or a folder that holds a calibration.
        unit: what one unit of the file's lengths is, where the file does not say: ``"mm"``, ``"25 mm"``, ...;
            see :meth:`CameraRig.in_unit`.

    Raises:
        CameraFileError: if nothing is there, no format fits, or the file is malformed.
        RigError: if ``unit`` contradicts the file.
    """
    path = Path(path)
    try:
        found = _recognise(path)
        if found is None and path.is_dir():
            path, found = _only_calibration_in(path)
    except OSError as error:
        raise unreadable(path, error) from error
    if found is None:
        read_text(path)
        raise _unrecognised(path)
    rig = found.read(path)
    return rig if unit is None else rig.in_unit(unit)


def write_rig(rig: CameraRig, path: str | os.PathLike[str], format: str | None = None) -> None:
    """Write a rig; every file appears complete or not at all.

    Args:
        rig: the cameras.
        path: a file for ``"aniposelib"`` (the native ``rig.toml``, the default), ``"caliscope"`` and
            ``"qualisys"``; a folder for ``"dat"``, ``"opencv"`` and ``"json"``, made if need be.
        format: a key of ``FORMATS``.

    Raises:
        CameraFileError: if the format is not known or the place cannot be written.
        RigError: if the format cannot hold this rig.
    """
    if format is not None and format not in FORMATS:
        raise CameraFileError(
            f"There is no camera file format {format!r}.", f"Choose one of {', '.join(FORMATS)}."
        )
    FORMATS[format or "aniposelib"].write(rig, Path(path))


def _recognise(path: Path) -> Format | None:
    return next((candidate for candidate in FORMATS.values() if candidate.sniff(path)), None)


def _only_calibration_in(folder: Path) -> tuple[Path, Format | None]:
    recognised = [
        (file, found) for file in sorted(folder.iterdir()) if (found := _recognise(file)) and file.is_file()
    ]
    if not recognised:
        raise _unrecognised(folder)
    if len(recognised) > 1:
        raise CameraFileError(
            f"{folder} holds several calibrations: {', '.join(file.name for file, _ in recognised)}.",
            "Name the one to use.",
        )
    return recognised[0]


def _unrecognised(path: Path) -> CameraFileError:
    tried = "; ".join(candidate.TITLE for candidate in FORMATS.values())
    what = "holds no camera calibration" if path.is_dir() else "is not a camera calibration"
    return CameraFileError(
        f"{path} {what} known here. Tried: {tried}.", "Convert it to one of these, or calibrate."
    )
