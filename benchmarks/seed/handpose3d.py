"""Seed 1: one hand, 21 keypoints, from two calibrated cameras.

python handpose3d.py CAM0.mp4 CAM1.mp4 --cameras camera_parameters -o OUT
"""

from __future__ import annotations

import mediapipe as mp
from stereo import run


def first_hand(result):
    """Landmarks of the only hand asked for, or None."""
    return result.multi_hand_landmarks[0] if result.multi_hand_landmarks else None


if __name__ == "__main__":
    Hands = mp.solutions.hands.Hands
    networks = [
        Hands(min_detection_confidence=0.5, max_num_hands=1, min_tracking_confidence=0.5) for _ in range(2)
    ]
    run(networks, first_hand, keep=list(range(21)))
