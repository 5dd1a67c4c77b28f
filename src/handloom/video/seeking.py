"""From the number of a picture to the place in the file where decoding has to begin."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from av.container import InputContainer
from av.video.stream import VideoStream

# Pictures are stored in decoding order; none of these codecs moves one by more than 16 places.
_REORDERING = 32
# Codecs in which one packet is one picture, so that packets can be counted instead of pictures.
_ONE_PICTURE_A_PACKET = {"h264", "hevc", "mpeg4", "mjpeg", "vp8", "vp9", "av1"}


@dataclass(frozen=True)
class Seek:
    """Where a picture is.

    Attributes:
        pts: presentation timestamp of the picture.
        key_timestamp: timestamp to seek to, that of the key picture before it.
    """

    pts: int
    key_timestamp: int


def locate(container: InputContainer, stream: VideoStream, index: int, first_pts: int | None) -> Seek | None:
    """Find picture ``index`` by reading packets, without decoding any.

    Returns ``None`` where timestamps do not name the pictures reliably: some are missing, repeated, or the
    first is not that of the first picture a decoder gives (``first_pts``).
    """
    if stream.codec_context.name not in _ONE_PICTURE_A_PACKET or first_pts is None:
        return None
    shown: list[int] = []
    keys: list[tuple[int, int]] = []
    for packet in container.demux(stream):
        if packet.size == 0 or packet.is_discard:
            continue
        if packet.pts is None or packet.is_corrupt:
            return None
        shown.append(packet.pts)
        if packet.is_keyframe:
            keys.append((packet.pts, packet.pts if packet.dts is None else packet.dts))
        if len(shown) > index + _REORDERING:
            break
    shown.sort()
    if index >= len(shown) or shown[0] != first_pts or any(a == b for a, b in pairwise(shown)):
        return None
    pts = shown[index]
    before = [key for key in keys if key[0] <= pts]
    return Seek(pts, max(before)[1]) if before else None
