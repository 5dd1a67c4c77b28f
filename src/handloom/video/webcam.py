"""A camera that is watched now, on this computer or over the network."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import cv2
import numpy as np

from handloom.errors import VideoError
from handloom.video.source import Frame, VideoSource

# One zero for all cameras of the process, so that their times can be compared.
_EPOCH_S = time.monotonic()


class Webcam(VideoSource):
    """A camera attached to this computer, or one that streams.

    Its pictures carry the time at which they arrived, on one monotonic clock for all cameras of the process.

    Args:
        device: number of the camera, from 0, or the address of a stream, such as ``rtsp://…``.
        name: name of the view; ``webcam<device>`` or made of the address by default.

    Raises:
        VideoError: if there is no such camera or it gives no picture.
    """

    live = True

    def __init__(self, device: int | str, name: str | None = None) -> None:
        self.name = name or (f"webcam{device}" if isinstance(device, int) else _name_of(device))
        self.frame_count: int | None = None
        self._next_index = 0
        self._capture = cv2.VideoCapture(device)
        # Old pictures waiting in the driver would arrive with the time of a new one.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        opened, image = self._capture.read()
        if not opened:
            self.close()
            raise VideoError(
                f"Camera {without_password(str(device))} gives no picture.",
                "Check that it is connected, that no other program uses it and that you may read it.",
            )
        self.image_size = (image.shape[1], image.shape[0])
        self.fps: float | None = self._capture.get(cv2.CAP_PROP_FPS) or None

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """Yield pictures as they come, for ever; a second call goes on where the first stopped.

        Raises:
            VideoError: if ``start`` lies in the past, or when the camera stops giving pictures.
        """
        if start not in (0, self._next_index):
            raise VideoError(
                f"{self.name} is live: it cannot go to picture {start}.", "Record it to a file to resume."
            )
        while True:
            arrived, image = self._capture.read()
            time_s = time.monotonic() - _EPOCH_S
            if not arrived:
                raise VideoError(
                    f"{self.name} stopped after {self._next_index} pictures.",
                    "Check its cable and try again.",
                )
            rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
            yield Frame(self._next_index, time_s, rgb)
            self._next_index += 1

    def close(self) -> None:
        """Let the camera go."""
        self._capture.release()


def without_password(address: str) -> str:
    """An address as it may be shown and written down; anything else stays as it is."""
    parts = urlsplit(address) if "://" in address else None
    if parts is None or "@" not in parts.netloc:
        return address
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _name_of(address: str) -> str:
    parts = urlsplit(without_password(address))
    return re.sub(r"\W+", "_", f"{parts.netloc}{parts.path}").strip("_") or "stream"
