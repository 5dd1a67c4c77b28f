"""Recordings that the project makes itself, with their truth."""

from __future__ import annotations

from handloom.synthesis.capture import Truth, make_demo_capture, read_truth
from handloom.synthesis.motion import HandMotion, random_motion
from handloom.synthesis.stage import demo_rig

__all__ = ["HandMotion", "Truth", "demo_rig", "make_demo_capture", "random_motion", "read_truth"]
