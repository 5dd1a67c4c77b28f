"""The main job end to end: calibrated recordings in, a session of metric 3D hands and bodies out."""

from handloom.tracking.offsets import estimate_offsets
from handloom.tracking.options import TrackOptions
from handloom.tracking.recording import Recording, open_recording
from handloom.tracking.run import track

__all__ = ["Recording", "TrackOptions", "estimate_offsets", "open_recording", "track"]
