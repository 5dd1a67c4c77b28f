"""Pictures to 2D keypoints: the detector protocol, the hand and body networks, their regions."""

from handloom.detection.bodies import BodyDetector
from handloom.detection.detector import Detector, Reading
from handloom.detection.hands import HandDetector, hands_of
from handloom.detection.pool import DetectorPool
from handloom.detection.regions import Region

__all__ = ["BodyDetector", "Detector", "DetectorPool", "HandDetector", "Reading", "Region", "hands_of"]
