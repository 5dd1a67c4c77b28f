"""One door to every kind of source."""

from __future__ import annotations

from pathlib import Path

from handloom.errors import VideoError
from handloom.video.file import VideoFile
from handloom.video.images import ImageSequence, is_image
from handloom.video.source import VideoSource
from handloom.video.webcam import Webcam


def open_video(spec: str | Path | int, fps: float = 30.0) -> VideoSource:
    """Open a video file, a picture, a folder of pictures, a webcam or a stream.

    Args:
        spec: path of a file or folder, the number of a webcam (``0`` or ``"0"``), or the address of a stream
            (``rtsp://…``, ``http://…``).
        fps: rate of a folder of pictures, which has none of its own.

    Raises:
        VideoError: if there is nothing of that name, or it cannot be read.
    """
    if isinstance(spec, int):
        return Webcam(spec)
    if "://" in str(spec):
        return Webcam(str(spec))
    path = Path(spec)
    if path.is_dir():
        return ImageSequence.in_folder(path, fps)
    if path.is_file():
        return ImageSequence([path], path.stem, fps) if is_image(path) else VideoFile(path)
    if str(spec).isdecimal():
        return Webcam(int(str(spec)))
    raise VideoError(f"There is no video file or folder {path}.", "Check the path.")
