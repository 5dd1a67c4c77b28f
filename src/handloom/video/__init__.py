"""Pictures over time: files, folders and webcams behind one source; many views on one clock."""

from handloom.video.alignment import Synchronised, synchronised
from handloom.video.opening import open_video
from handloom.video.source import Frame, VideoSource
from handloom.video.synchronisation import Offset, estimate_offset
from handloom.video.writer import VideoWriter

__all__ = [
    "Frame",
    "Offset",
    "Synchronised",
    "VideoSource",
    "VideoWriter",
    "estimate_offset",
    "open_video",
    "synchronised",
]
