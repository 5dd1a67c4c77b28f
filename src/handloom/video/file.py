"""Video files, decoded by PyAV: true timestamps, rotation honoured, truncation noticed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from handloom.errors import VideoError
from handloom.video.seeking import locate
from handloom.video.source import Frame, VideoSource

RECORD_AGAIN = "Record or copy the file again, or keep what is readable with `ffmpeg -i IN -c copy OUT`."
_FALLBACK_FPS = 30.0


class VideoFile(VideoSource):
    """A video file.

    Times come from the file's own timestamps, so a variable frame rate is kept; the first picture has time 0.
    Colours are those of ``cv2.VideoCapture``, which uses the same converter. One thread decodes: views run
    side by side, and one thread a view costs the least processor time in total.

    Args:
        path: the file.
        name: name of the view; the file's stem by default.

    Raises:
        VideoError: if the file is missing, empty, unreadable, not a video or without a single picture.
    """

    live = False

    def __init__(self, path: str | Path, name: str | None = None) -> None:
        self.path = Path(path)
        self.name = self.path.stem if name is None else name
        _check_file(self.path)
        with self._open() as (container, stream):
            first = next(_decode(container, stream, self.path), None)
            if first is None:
                raise VideoError(f"{self.path} holds a video stream but no picture.", RECORD_AGAIN)
            turned = first.rotation % 180 == 90
            self.image_size = (first.height, first.width) if turned else (first.width, first.height)
            self._first_pts = first.pts
            rate = stream.average_rate or stream.guessed_rate
            self.fps: float | None = float(rate) if rate else None
            self.frame_count: int | None = stream.frames or self._count_from_duration(container, stream)

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """Yield the pictures from number ``start`` on; a seek gives the same pictures as decoding them all.

        Raises:
            VideoError: after the last readable picture, if the file is damaged or cut off there.
        """
        with self._open() as (container, stream):
            seek = locate(container, stream, start, self._first_pts) if start > 0 else None
        if seek is not None:
            with self._open() as (container, stream):
                container.seek(seek.key_timestamp, stream=stream)
                decoded = _decode(container, stream, self.path)
                picture = next((p for p in decoded if p.pts is not None and p.pts >= seek.pts), None)
                if picture is not None and picture.pts == seek.pts:
                    yield from self._convert(container, stream, _chain(picture, decoded), start)
                    return
        with self._open() as (container, stream):
            # Timestamps that cannot be trusted to name the picture: count from the beginning.
            decoded = _decode(container, stream, self.path)
            yield from self._convert(container, stream, decoded, 0, start)

    def close(self) -> None:
        """Nothing to release: every iteration opens and closes the file itself."""

    @contextmanager
    def _open(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        try:
            container = av.open(str(self.path))
        except av.FFmpegError as error:
            raise _unreadable(self.path) from error
        with container:
            if not container.streams.video:
                raise VideoError(f"{self.path} holds no video stream.", "Give a video file.")
            stream = container.streams.video[0]
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            yield container, stream

    def _convert(
        self,
        container: InputContainer,
        stream: VideoStream,
        decoded: Iterator[VideoFrame],
        first_index: int,
        skip_below: int = 0,
    ) -> Iterator[Frame]:
        """Turn decoded pictures into frames; at the end, say whether the recording was complete."""
        reformatter = VideoReformatter()
        time_base = stream.time_base
        period = 1.0 / (self.fps or _FALLBACK_FPS)
        index, time_s = first_index - 1, -math.inf
        for index, picture in enumerate(decoded, start=first_index):
            earlier = time_s
            if picture.pts is not None and self._first_pts is not None and time_base is not None:
                time_s = float((picture.pts - self._first_pts) * time_base)
            else:
                time_s = index * period
            if time_s <= earlier:
                time_s = earlier + period
            if index >= skip_below:
                yield Frame(index, time_s, _to_rgb(picture, reformatter))
        missing = _missing_end(container, stream, self.path, index + 1, time_s + period)
        if missing:
            raise VideoError(
                f"{self.path} is truncated: {missing}; {index + 1} pictures are readable.", RECORD_AGAIN
            )

    @staticmethod
    def _count_from_duration(container: InputContainer, stream: VideoStream) -> int | None:
        if not stream.average_rate:
            return None
        if stream.duration is not None and stream.time_base is not None:
            return round(stream.duration * stream.time_base * stream.average_rate)
        if container.duration is not None:
            return round(container.duration / av.time_base * stream.average_rate)
        return None


def _check_file(path: Path) -> None:
    """Raise a VideoError for the failures that need no decoder."""
    if not path.is_file():
        raise VideoError(f"There is no video file {path}.", "Check the path.")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise VideoError(
            f"{path} cannot be read: {error.strerror}.", "Check its permissions (chmod +r)."
        ) from error
    if empty:
        raise VideoError(f"{path} is empty (0 bytes).", "Record or copy the file again.")


def _unreadable(path: Path) -> VideoError:
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp":
        return VideoError(
            f"{path} is truncated: it begins as an MP4 but its index (moov) is missing or damaged. "
            "The recording was not closed, or its copy stopped early.",
            "Record or copy the file again.",
        )
    return VideoError(
        f"{path} is not a video that can be read.", "Give a video file such as MP4, MKV or AVI."
    )


def _chain(first: VideoFrame, rest: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    yield first
    yield from rest


def _decode(container: InputContainer, stream: VideoStream, path: Path) -> Iterator[VideoFrame]:
    """Yield the whole pictures of a stream; damage ends the iteration with a VideoError.

    Packets before the first picture that cannot be decoded are passed over: a recording of a broadcast
    begins in the middle of a group of pictures.
    """
    count = 0
    damage: str | None = None
    try:
        for packet in container.demux(stream):
            if packet.is_corrupt:
                damage = "the data breaks off"
                break
            try:
                for picture in packet.decode():
                    yield picture
                    count += 1
            except av.error.InvalidDataError:
                if count:
                    damage = "the data is damaged"
                    break
    except av.FFmpegError as error:
        damage = f"reading stops with “{error.strerror}”"
    if damage is None:
        return
    for picture in stream.codec_context.decode(None):
        if not picture.is_corrupt:
            yield picture
            count += 1
    raise VideoError(f"{path} is truncated or damaged: {damage} after {count} pictures.", RECORD_AGAIN)


def _to_rgb(picture: VideoFrame, reformatter: VideoReformatter) -> NDArray[np.uint8]:
    """(H, W, 3) RGB, upright."""
    rgb = reformatter.reformat(picture, format="rgb24", threads=1).to_ndarray()
    quarter_turns = round(picture.rotation / 90) % 4
    if quarter_turns:
        rgb = np.rot90(rgb, quarter_turns)
    return np.ascontiguousarray(rgb, dtype=np.uint8)


def _missing_end(
    container: InputContainer, stream: VideoStream, path: Path, count: int, end_s: float
) -> str | None:
    """Say what a recording lacks at its end, or None where it is complete as far as the file can tell.

    The index of an MP4 says where its last picture lies, whatever edit lists hide; other containers declare
    a number of pictures or a duration. A transport stream declares nothing and cannot be judged.
    """
    size = path.stat().st_size
    reach = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    if reach > size:
        return f"its index reaches to byte {reach} but the file ends at {size}"
    kind = container.format.name
    if "mp4" in kind or "mpegts" in kind:
        return None
    if stream.frames and count < 0.98 * stream.frames - 2:
        return f"it declares {stream.frames} pictures"
    declared = _declared_seconds(container, stream)
    if declared is not None and end_s < 0.98 * declared - 0.1:
        return f"it declares {declared:.2f} s and ends after {end_s:.2f} s"
    return None


def _declared_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    """Duration that the container's header states for the video, in seconds (Matroska writes it as a tag)."""
    tag = next((value for key, value in stream.metadata.items() if key.startswith("DURATION")), None)
    if tag is not None:
        hours, minutes, seconds = (float(part) for part in tag.split(":"))
        return 3600 * hours + 60 * minutes + seconds
    if container.duration is not None and len(container.streams) == 1:
        return container.duration / av.time_base
    return None
