"""How large a scene is, where its middle lies and how to look at it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handloom.cameras import CameraRig
from handloom.keypoints import Array, Track
from handloom.session import Session
from handloom.view.measures import mean_present


@dataclass(frozen=True, eq=False)
class Scene:
    """Extent of what was tracked, in the rig's unit.

    Attributes:
        middle: (3,) mean position of all tracks; in front of the cameras where nothing was tracked.
        distance: median distance of the cameras from there.
        up: (3,) direction to show upwards: the rig's, or that of the cameras on average.
        bone_lengths: (B,) mean length of every bone, by track.
    """

    middle: Array
    distance: float
    up: Array
    bone_lengths: dict[Track, Array]

    @classmethod
    def of(cls, session: Session, window: int) -> Scene:
        """Look once through all positions, ``window`` frames at a time."""
        sums, counts = np.zeros(3), 0
        lengths: dict[Track, Array] = {}
        for track in session.tracks:
            total, seen = np.zeros(1), np.zeros(1)
            for start in range(0, len(session), window):
                points = session.keypoints3d(track, start, start + window)
                present = np.isfinite(points.xyz).all(axis=-1)
                sums, counts = sums + points.xyz[present].sum(axis=0), counts + int(present.sum())
                bones = points.bone_lengths()
                total = total + np.nansum(bones, axis=0)
                seen = seen + np.isfinite(bones).sum(axis=0)
            lengths[track] = np.divide(total, seen, out=np.full(total.shape, np.nan), where=seen > 0)
        middle = sums / counts if counts else _before(session.rig)
        distance = float(np.median(np.linalg.norm(session.rig.centers - middle, axis=-1)))
        return cls(middle, distance or 1.0, upward(session.rig), lengths)


def upward(rig: CameraRig) -> Array:
    """(3,) unit direction to show upwards: the rig's own, or the mean of the cameras' if it has none."""
    if rig.up is not None:
        return rig.up
    mean = -np.mean([camera.T_camera_world[1, :3] for camera in rig], axis=0)
    length = float(np.linalg.norm(mean))
    return mean / length if length > 1e-6 else np.array([0.0, 0.0, 1.0])


def _before(rig: CameraRig) -> Array:
    spread = float(rig.baselines.max()) or 1.0
    return mean_present(rig.centers + spread * np.stack([camera.axis for camera in rig]), axis=0)
