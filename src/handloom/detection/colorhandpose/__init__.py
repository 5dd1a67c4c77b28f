"""ColorHandPose3D (Zimmermann & Brox 2017): mask → crop → score maps → canonical hand and rotation."""

from handloom.detection.colorhandpose.detector import ColorHandPoseDetector
from handloom.detection.colorhandpose.weights import Weights, find_weights

__all__ = ["ColorHandPoseDetector", "Weights", "find_weights"]
