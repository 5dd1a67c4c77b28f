"""Sessions whose hands were fitted without any error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from synthetic import LEFT_HAND, RIGHT_HAND, Scene, arc_rig

from handloom.cameras import CameraRig
from handloom.hand import load_open_hand
from handloom.keypoints import Track
from handloom.session import FitFlag, FittedHand, Session, write_hands
from handloom.session.layout import HANDS
from handloom.synthesis import random_motion

GAP = slice(4, 7)
"""Frames in which nothing was fitted."""


def perfect_fit(track: Track, frames: int, seed: int = 0, scale: float = 1.0) -> FittedHand:
    """A hand that moves before the cameras of ``arc_rig``, unknown in ``GAP``, doubtful in frame 2."""
    random = np.random.default_rng([seed, track.subject, track.side == "left"])
    model = load_open_hand(track.side)
    away = 0.15 if track.side == "right" else -0.15
    motion = random_motion(model, frames, 30.0, random, centre=(away, 0.0, 0.0), turn=1.0)
    angles, T = motion.angles.copy(), motion.T_world_wrist.copy()
    T[:, :3, 3] *= scale
    angles[GAP], T[GAP] = np.nan, np.nan
    known = np.isfinite(angles).all(axis=(1, 2))
    flags = np.where(known, 0, int(FitFlag.UNSEEN)).astype(np.uint8)
    flags[2:3] = FitFlag.RESIDUAL | FitFlag.RESTARTED
    figure = np.where(known, 1.0, np.nan)
    return FittedHand(
        track=track,
        model=model,
        shape=random.normal(0.0, 0.7, model.shape_count),
        angles=angles,
        T_world_wrist=T,
        keypoint_error=0.003 * scale * figure,
        reprojection_px=random.uniform(1.0, 2.0, frames) * figure,
        sigma=np.tile(0.002 * scale * figure[:, None], (1, 21)),
        limit_excess=0.0 * figure,
        flags=flags,
        views_used=np.where(known, 3, 0).astype(np.uint8),
        scale=scale,
        notes={"command": "synthetic"},
    )


def fitted_session(
    folder: Path,
    frames: int = 12,
    tracks: Sequence[Track] = (LEFT_HAND, RIGHT_HAND),
    rig: CameraRig | None = None,
    scale: float = 1.0,
) -> tuple[Session, dict[Track, FittedHand]]:
    """A session with keypoints and ``hands.npz`` that agree to the last digit."""
    hands = {track: perfect_fit(track, frames, scale=scale) for track in tracks}
    scene = Scene(
        rig or arc_rig(3),
        np.arange(frames) / 30.0,
        {track: hand.posed().keypoints for track, hand in hands.items()},
    )
    session = scene.write(folder)
    write_hands(folder / HANDS, list(hands.values()), session.frames, session.times_s, session.unit)
    return session, hands
