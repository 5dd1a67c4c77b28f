"""Small MP4 files that every player and browser shows."""

from __future__ import annotations

import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from handloom.errors import VideoError


class VideoWriter:
    """Writes pictures to an H.264 MP4 at an even rate; the file appears once it is complete.

    >>> with VideoWriter("out.mp4", fps=30) as writer:  # doctest: +SKIP
    ...     writer.write(image)

    Args:
        path: the file to write; its folder must exist.
        fps: pictures a second.
        quality: constant rate factor: 0 is lossless, 18 looks like it, 28 is small.

    Raises:
        VideoError: if the file cannot be written, or the disk fills up.
    """

    def __init__(self, path: str | Path, fps: float, quality: int = 20) -> None:
        self.path = Path(path)
        self._temporary = self.path.with_name(f".{self.path.stem}.{os.getpid()}.part.mp4")
        self._rate = Fraction(fps).limit_denominator(1001)
        self._quality = quality
        self._count = 0
        self._stream: av.VideoStream | None = None
        try:
            self._temporary.touch()
            # The index goes in front, so that a browser can begin to play before it has the whole file.
            self._container = av.open(str(self._temporary), "w", options={"movflags": "faststart"})
        except OSError as error:
            raise self._failure(error) from error

    def write(self, image: NDArray[np.uint8]) -> None:
        """Append one (H, W, 3) RGB picture; all have the same, even, width and height.

        Raises:
            ValueError: for another shape or type.
            VideoError: if the disk is full or the file cannot be written.
        """
        height, width = image.shape[:2]
        if image.dtype != np.uint8 or image.shape != (height, width, 3) or height % 2 or width % 2:
            raise ValueError(f"pictures are uint8 (H, W, 3) of even size, got {image.dtype} {image.shape}")
        if self._stream is None:
            self._stream = self._add_stream(width, height)
        if (self._stream.width, self._stream.height) != (width, height):
            raise ValueError(f"all pictures must be {self._stream.width} × {self._stream.height}")
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        picture.pts, picture.time_base = self._count, 1 / self._rate
        self._count += 1
        self._mux(self._stream, picture)

    def close(self) -> None:
        """Finish the file and put it in its place.

        Raises:
            VideoError: if nothing was written, or it cannot be.
        """
        if self._stream is None:
            self.discard()
            raise VideoError(f"{self.path} would hold no picture.", "Write at least one.")
        self._mux(self._stream, None)
        try:
            self._container.close()
            self._temporary.replace(self.path)
        except OSError as error:
            self.discard()
            raise self._failure(error) from error

    def discard(self) -> None:
        """Give up: leave nothing behind."""
        # The file is thrown away, whatever state it is in.
        with suppress(OSError, ValueError):
            self._container.close()
        self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def _add_stream(self, width: int, height: int) -> av.VideoStream:
        stream = self._container.add_stream("h264", rate=self._rate, options={"crf": str(self._quality)})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = 1 / self._rate
        return stream

    def _mux(self, stream: av.VideoStream, picture: VideoFrame | None) -> None:
        try:
            for packet in stream.encode(picture):
                self._container.mux(packet)
        except OSError as error:
            self.discard()
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> VideoError:
        return VideoError(
            f"{self.path} cannot be written: {error.strerror}.",
            "Check that its folder exists, that you may write there and that the disk has room.",
        )
