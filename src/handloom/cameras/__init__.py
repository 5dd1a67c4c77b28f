"""Calibrated cameras and the files that describe them."""

from __future__ import annotations

from handloom.cameras.camera import Camera
from handloom.cameras.files import read_rig, write_rig
from handloom.cameras.rig import CameraRig

__all__ = ["Camera", "CameraRig", "read_rig", "write_rig"]
