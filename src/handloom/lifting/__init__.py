"""Hands in space from one picture: a network on keypoints, and a linear head on the landmark network."""

from __future__ import annotations

from handloom.lifting.landmark_head import LandmarkHead, load_landmark_head
from handloom.lifting.lifter import Lifter, load_lifter

__all__ = ["LandmarkHead", "Lifter", "load_landmark_head", "load_lifter"]
