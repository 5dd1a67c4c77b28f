"""Reading a small text file and writing files whole: every failure in the user's terms."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from handloom.errors import CameraFileError

_LARGEST_BYTES = 16 * 2**20  # calibrations take kilobytes; a video given by mistake is not read whole


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        CameraFileError: if it is missing, unreadable, empty or not text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except FileNotFoundError as error:
        raise CameraFileError(f"There is no camera file {path}.", "Check the path.") from error
    except OSError as error:
        raise unreadable(path, error) from error
    if not content.strip():
        raise CameraFileError(f"{path} is empty.", "Write or copy the calibration again.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text or len(content) > _LARGEST_BYTES:
        raise CameraFileError(f"{path} is not a text file.", "Give the calibration file of the cameras.")
    return text


def unreadable(path: Path, error: OSError) -> CameraFileError:
    """What to say of a file or folder that is there and cannot be read."""
    return CameraFileError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.")


def peek(path: Path) -> str:
    """The text of a file, or nothing where it cannot be had: for recognising formats."""
    try:
        return read_text(path) if path.is_file() else ""
    except CameraFileError:
        return ""


def write_texts(texts: Mapping[Path, str]) -> None:
    """Write files so that a reader sees each either as it was or complete, whatever interrupts us.

    All are first written beside their places, then renamed.

    Raises:
        CameraFileError: if a folder cannot be made or a file cannot be written; nothing is then replaced.
    """
    ready: list[tuple[Path, Path]] = []
    path = Path()
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            ready.append((temporary, path))
            with temporary.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for temporary, path in ready:
            os.replace(temporary, path)
    except OSError as error:
        raise CameraFileError(
            f"{path} cannot be written: {error.strerror}.", "Choose a writable place with free space."
        ) from error
    finally:
        for temporary, _ in ready:
            temporary.unlink(missing_ok=True)
