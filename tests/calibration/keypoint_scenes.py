"""What cameras see of somebody who moves: keypoints whose rig is known, with noise and delays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from synthetic import arc_rig, body_motion, hand_motion

from handloom.calibration.selfcalibration import KeypointTracks
from handloom.cameras import CameraRig
from handloom.keypoints import Track

Array = NDArray[np.float64]

RIGHT_HAND = (Track(0, "hand", "right"),)
BOTH_HANDS = (Track(0, "hand", "left"), Track(0, "hand", "right"))
PERSON = (Track(0, "body"),)

UPPER_ARM_M = float(np.linalg.norm([0.06, 0.27, 0.02]))
"""Of the body in :mod:`synthetic`."""

PALM_M = 0.088
"""From the wrist to the base of the middle finger of its hands."""


def keypoint_scene(
    subjects: Sequence[Track],
    cameras: int = 2,
    *,
    seconds: float = 6.0,
    fps: float = 15.0,
    noise: float = 0.01,
    late_frames: Sequence[float] = (),
    seed: int = 0,
) -> tuple[CameraRig, KeypointTracks]:
    """A rig, and what its cameras see.

    Args:
        subjects: who moves.
        cameras: number of cameras on an arc of 90°.
        seconds: of the recording.
        fps: frames a second.
        noise: standard deviation of a keypoint as a fraction of the size of what it belongs to.
        late_frames: frames after the first camera's start at which each camera's clock shows 0.
        seed: of the noise.
    """
    body = subjects[0].target == "body"
    rig = arc_rig(cameras, distance=3.5 if body else 1.2)
    rng = np.random.default_rng(seed)
    views = []
    for camera, late in zip(rig, (*late_frames, *[0.0] * cameras), strict=False):
        times = (np.arange(round(seconds * fps)) + late) / fps
        parts = []
        for subject in subjects:
            points = (
                body_motion(times)
                if body
                else hand_motion(times + 0.9 * (subject.side == "left"), subject.side)
            )
            xy = camera.project(points)
            size = np.ptp(xy, axis=1).max(axis=-1)
            parts.append(xy + rng.normal(size=xy.shape) * noise * np.median(size))
        views.append(np.concatenate(parts, axis=1))
    return rig, KeypointTracks.of(np.stack(views), subjects, fps=fps, cameras=rig.names)


def rotation_errors_deg(found: CameraRig, true: CameraRig) -> Array:
    """(C,) angle between the rotations found and true, both against the first camera."""
    return np.array(
        [_degrees(np.trace(a[:3, :3].T @ b[:3, :3]) / 2 - 0.5) for a, b in _relative(found, true)]
    )


def direction_errors_deg(found: CameraRig, true: CameraRig) -> Array:
    """(C - 1,) angle between the directions to the first camera."""
    pairs = [(a[:3, 3], b[:3, 3]) for a, b in _relative(found, true)][1:]
    return np.array([_degrees(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in pairs])


def _relative(found: CameraRig, true: CameraRig) -> list[tuple[Array, Array]]:
    return [
        (
            a.T_camera_world @ np.linalg.inv(found[0].T_camera_world),
            b.T_camera_world @ np.linalg.inv(true[0].T_camera_world),
        )
        for a, b in zip(found, true, strict=True)
    ]


def _degrees(cosine: float) -> float:
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
