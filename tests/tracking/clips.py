"""What the tests of tracking track."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from synthetic import arc_rig

from handloom.cameras import CameraRig


@dataclass(frozen=True)
class Clip:
    """Videos and their calibration."""

    videos: tuple[Path, ...]
    rig: Path


def small_rig(cameras: int) -> CameraRig:
    """Cameras cam0, cam1, … with pictures of 320 × 240 pixels."""
    rig = arc_rig(cameras)
    return CameraRig(tuple(camera.scaled(320, 240) for camera in rig), unit=rig.unit, up=rig.up)
