"""The main job end to end: calibrated recordings in, a session of metric 3D hands and bodies out."""

from handloom.tracking.options import TrackOptions
from handloom.tracking.recording import Recording, open_recording
from handloom.tracking.run import track

__all__ = ["Recording", "TrackOptions", "open_recording", "track"]
