"""handloom weaves camera views into metric 3D hands and bodies.

>>> import handloom
>>> session = handloom.track(["left.mp4", "right.mp4"], "rig.toml", "out")  # doctest: +SKIP
>>> session.keypoints3d(session.tracks[0])["index_tip"]  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

__version__ = version("handloom")

if TYPE_CHECKING:
    from handloom.calibration import calibrate
    from handloom.cameras import Camera, CameraRig, read_rig, write_rig
    from handloom.errors import HandloomError
    from handloom.export import export
    from handloom.session import Session
    from handloom.tracking import TrackOptions, track

_HOME = {
    "Camera": "cameras",
    "CameraRig": "cameras",
    "read_rig": "cameras",
    "write_rig": "cameras",
    "calibrate": "calibration",
    "HandloomError": "errors",
    "export": "export",
    "Session": "session",
    "TrackOptions": "tracking",
    "track": "tracking",
}

__all__ = [
    "Camera",
    "CameraRig",
    "HandloomError",
    "Session",
    "TrackOptions",
    "calibrate",
    "export",
    "read_rig",
    "track",
    "write_rig",
]


def __getattr__(name: str) -> Any:
    # Importing handloom costs nothing; each name brings what it needs when it is first asked for.
    if name in _HOME:
        return getattr(import_module(f"handloom.{_HOME[name]}"), name)
    raise AttributeError(f"module 'handloom' has no attribute {name!r}")
