"""The rig from hands or people alone: no board, but known lenses and, for metres, one known length."""

from handloom.calibration.selfcalibration.detect import detect_keypoints
from handloom.calibration.selfcalibration.result import BIAS, SelfCalibration
from handloom.calibration.selfcalibration.run import calibrate_from_keypoints, refine_from_keypoints
from handloom.calibration.selfcalibration.scale import bone_length
from handloom.calibration.selfcalibration.solve import calibrate_tracks, refine_rig
from handloom.calibration.selfcalibration.tracks import KeypointTracks

__all__ = [
    "BIAS",
    "KeypointTracks",
    "SelfCalibration",
    "bone_length",
    "calibrate_from_keypoints",
    "calibrate_tracks",
    "detect_keypoints",
    "refine_from_keypoints",
    "refine_rig",
]
