"""The choice of a hand detector, as several commands offer it."""

from __future__ import annotations

from enum import StrEnum


class HandDetectorName(StrEnum):
    """What reads hands."""

    mediapipe = "mediapipe"
    chp3d = "chp3d"


DETECTOR_HELP = "What reads hands: MediaPipe's networks, or ColorHandPose3D's."
WEIGHTS_HELP = "Folder of ColorHandPose3D's exported networks [default: those that handloom carries]."
