"""Recordings made for a test."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.video.frame import VideoFrame
from pictures import SIZE, picture


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Path]:
    """Make a video: ``record(name, count=60, fps=30, times_ms=None, codec="h264", **muxer options)``."""

    def make(
        name: str,
        count: int = 60,
        fps: int = 30,
        times_ms: list[int] | None = None,
        codec: str = "h264",
        numbers: list[int] | None = None,
        **options: str,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream(codec, rate=fps)
            stream.width, stream.height = SIZE
            stream.pix_fmt = "yuv420p"
            stream.codec_context.gop_size = 12
            if times_ms is not None:
                stream.codec_context.time_base = Fraction(1, 1000)
            for i in range(count):
                frame = VideoFrame.from_ndarray(picture(i if numbers is None else numbers[i]), format="rgb24")
                if times_ms is not None:
                    frame.pts, frame.time_base = times_ms[i], Fraction(1, 1000)
                for packet in stream.encode(frame):
                    container.mux(packet)
            for packet in stream.encode(None):
                container.mux(packet)
        return path

    return make
