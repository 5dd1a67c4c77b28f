"""Pictures in a folder as a recording."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.errors import VideoError
from handloom.video.source import Frame, VideoSource

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


class ImageSequence(VideoSource):
    """Pictures of one size, in the given order, at an even rate.

    Args:
        paths: the picture files.
        name: name of the view.
        fps: pictures a second.

    Raises:
        VideoError: if there is no picture or the first cannot be read.
    """

    live = False

    def __init__(self, paths: Sequence[Path], name: str, fps: float = 30.0) -> None:
        if not paths:
            raise VideoError(
                f"{name} holds no pictures.", f"Give pictures of type {', '.join(sorted(IMAGE_SUFFIXES))}."
            )
        if not fps > 0:
            raise ValueError(f"fps must be positive, got {fps}")
        self.name = name
        self.fps: float | None = float(fps)
        self._period = 1.0 / fps
        self._paths = list(paths)
        self.frame_count: int | None = len(self._paths)
        height, width = read_image(self._paths[0]).shape[:2]
        self.image_size = (width, height)

    @classmethod
    def in_folder(cls, folder: str | Path, fps: float = 30.0) -> ImageSequence:
        """The pictures of a folder in natural order: ``frame9.png`` comes before ``frame10.png``.

        Raises:
            VideoError: if the folder cannot be read or holds no picture.
        """
        folder = Path(folder)
        return cls(cls.files_in(folder), name=folder.resolve().name, fps=fps)

    @staticmethod
    def files_in(folder: Path) -> list[Path]:
        """The pictures of a folder, as :meth:`in_folder` takes them."""
        try:
            paths = [path for path in folder.iterdir() if is_image(path)]
        except OSError as error:
            raise VideoError(
                f"The folder {folder} cannot be read: {error.strerror}.",
                "Check the path and its permissions.",
            ) from error
        if not paths:
            raise VideoError(
                f"The folder {folder} holds no pictures.",
                f"Give a folder with files of type {', '.join(sorted(IMAGE_SUFFIXES))}.",
            )
        return sorted(paths, key=_natural_order)

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """Yield the pictures from number ``start`` on.

        Raises:
            VideoError: at a picture that cannot be read or has another size than the first.
        """
        width, height = self.image_size
        for index, path in enumerate(self._paths[start:], start=start):
            image = read_image(path)
            if image.shape[:2] != (height, width):
                raise VideoError(
                    f"{path} has {image.shape[1]} × {image.shape[0]} pixels, the pictures before it "
                    f"{width} × {height}.",
                    "Keep pictures of one camera and one size in a folder.",
                )
            yield Frame(index, index * self._period, image)

    def close(self) -> None:
        """Nothing to release: every picture is closed once it is read."""


def is_image(path: Path) -> bool:
    """Whether the name is that of a picture; hidden files are none."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def read_image(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) RGB picture, upright by its EXIF orientation.

    Raises:
        VideoError: if the file cannot be read or is not a picture.
    """
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise VideoError(
            f"The picture {path} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
    if image is None:
        raise VideoError(f"{path} is damaged or not a picture.", "Remove the file or replace it.")
    return np.ascontiguousarray(image, dtype=np.uint8)


def _natural_order(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", path.name.lower())
    return [(1, int(part), part) if part.isdecimal() else (0, 0, part) for part in parts]
