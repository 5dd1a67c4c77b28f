"""Made recordings of a hand whose truth is known, as evidence and as sessions."""

from __future__ import annotations

import numpy as np

from handloom.fitting import FrameEvidence
from handloom.hand import load_open_hand
from handloom.synthesis.motion import random_motion

MODEL = load_open_hand()
FPS = 30.0


def moving_hand(frames, seed=0, model=MODEL):
    """Shape, and the posed hand through the frames."""
    rng = np.random.default_rng(seed)
    motion = random_motion(model, frames, FPS, rng)
    shape = rng.normal(0.0, 0.8, model.shape_count)
    return shape, motion, model.pose(motion.angles, shape, motion.T_world_wrist)


def noisy_points(keypoints, sigma, seed=1):
    """3D evidence with independent errors of ``sigma`` metres per axis."""
    rng = np.random.default_rng(seed)
    covariance = np.broadcast_to(sigma**2 * np.eye(3), (*keypoints.shape[:2], 3, 3)).copy()
    return FrameEvidence(keypoints + rng.normal(0.0, sigma, keypoints.shape), covariance)
