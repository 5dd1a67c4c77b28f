"""Reading a data set's files, so that a missing or malformed one is named and what to do about it said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.errors import DataSetError

Array = NDArray[np.float64]

AGAIN = "Fetch the file again from where the data set is handed out, or give the folder that holds it whole."


def require(path: Path, what: str) -> Path:
    """``path`` itself. Raises :class:`DataSetError` if there is nothing of that name."""
    if not path.exists():
        raise DataSetError(f"{what} is missing: there is no {path}.", AGAIN)
    return path


def read_bytes(path: Path, what: str) -> bytes:
    """A file's content. Raises :class:`DataSetError` if it cannot be read."""
    try:
        return require(path, what).read_bytes()
    except OSError as error:
        raise DataSetError(
            f"{what} {path} cannot be read: {error.strerror}.", "Check its permissions."
        ) from error


def read_json(path: Path, what: str) -> Any:
    """The content of a JSON file.

    Args:
        path: of the file.
        what: the file is, for messages: ``"the camera file"``.

    Raises:
        DataSetError: if it is missing, cut off or no JSON.
    """
    content = read_bytes(path, what)
    try:
        return json.loads(content)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataSetError(f"{what} {path} is no JSON or is cut off: {error}.", AGAIN) from error


def read_image(path: Path, mode: int = cv2.IMREAD_COLOR_RGB) -> NDArray[Any]:
    """A picture as its pixels are stored: labels count pixels, so a note in it to turn it is not followed.

    Args:
        path: of the file.
        mode: OpenCV's; by default (H, W, 3) uint8 RGB.

    Raises:
        DataSetError: if it is missing, damaged or no picture.
    """
    data = np.frombuffer(read_bytes(path, "A picture"), dtype=np.uint8)
    image = cv2.imdecode(data, mode | cv2.IMREAD_IGNORE_ORIENTATION) if data.size else None
    if image is None:
        raise DataSetError(f"The picture {path} is damaged or no picture.", AGAIN)
    return np.asarray(image)


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Say of what is wrong with a file's content in which file it is.

    Raises:
        DataSetError: in the place of :class:`KeyError`, :class:`TypeError`, :class:`ValueError` and the like.
    """
    try:
        yield
    except KeyError as error:
        raise DataSetError(f"{what} {path} lacks the entry {error}.", AGAIN) from error
    except (TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise DataSetError(f"{what} {path} is malformed: {error}.", AGAIN) from error


def numbers(values: ArrayLike, shape: tuple[int, ...], what: str) -> Array:
    """Values as an array of that shape.

    Raises:
        ValueError: if there are more or fewer, or some are no numbers.
    """
    array = np.array(values, dtype=np.float64)
    if array.size != np.prod(shape, dtype=int):
        raise ValueError(f"{what} has {array.size} numbers, not {' × '.join(map(str, shape))}")
    return array.reshape(shape)


def tight_box(xy: Array) -> Array | None:
    """(4,) left, top, right, bottom of the points that are not NaN; None of no point."""
    known = xy[np.isfinite(xy).all(axis=-1)]
    if not len(known):
        return None
    return np.concatenate([known.min(axis=0), known.max(axis=0)])
