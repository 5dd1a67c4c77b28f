"""Seed 2: one body, 12 of BlazePose's 33 landmarks (shoulders to wrists, hips to ankles), from two cameras.

python bodypose3d.py CAM0.mp4 CAM1.mp4 --cameras camera_parameters -o OUT
"""

from __future__ import annotations

import mediapipe as mp
from stereo import run

if __name__ == "__main__":
    Pose = mp.solutions.pose.Pose
    networks = [Pose(min_detection_confidence=0.5, min_tracking_confidence=0.5) for _ in range(2)]
    run(networks, lambda result: result.pose_landmarks, keep=[*range(11, 17), *range(23, 29)])
