"""From recordings of a board to the corners that cameras saw, and to a table that keeps them."""

from handloom.calibration.collect.collect import DEFAULT_MOMENTS, collect
from handloom.calibration.collect.facts import CameraFacts, Collected, Facts
from handloom.calibration.collect.inputs import CameraInput, Inputs, find_cameras, match_lens_recordings
from handloom.calibration.collect.tables import read_sightings, write_sightings

__all__ = [
    "DEFAULT_MOMENTS",
    "CameraFacts",
    "CameraInput",
    "Collected",
    "Facts",
    "Inputs",
    "collect",
    "find_cameras",
    "match_lens_recordings",
    "read_sightings",
    "write_sightings",
]
