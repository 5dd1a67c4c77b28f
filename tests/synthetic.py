"""A scene whose truth is known: cameras in an arc, two hands and a body that move with constant bones.

Everything is deterministic. The world has its origin at the middle of the scene, +Y up and metres.

>>> scene = Scene.of(frames=90)
>>> scene.truth[RIGHT_HAND].shape
(90, 21, 3)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from handloom.cameras import Camera, CameraRig
from handloom.keypoints import Keypoints3D, Track
from handloom.session import Observations, Session, SessionWriter, Window, describe_run
from handloom.skeleton import BODY, FINGERS, HAND, SKELETONS

Array = NDArray[np.float64]

LEFT_HAND = Track(0, "hand", "left")
RIGHT_HAND = Track(0, "hand", "right")
PERSON = Track(0, "body")

# Direction in the palm's plane (degrees from the middle finger to the thumb), segment lengths in metres.
_FINGERS = {
    "thumb": (50.0, (0.030, 0.042, 0.032, 0.027)),
    "index": (15.0, (0.090, 0.040, 0.024, 0.022)),
    "middle": (0.0, (0.088, 0.044, 0.028, 0.023)),
    "ring": (-13.0, (0.083, 0.041, 0.026, 0.023)),
    "little": (-27.0, (0.080, 0.032, 0.019, 0.020)),
}

_STANDING = {
    "nose": (0.00, 0.62, 0.12), "left_eye_inner": (0.02, 0.65, 0.10), "left_eye": (0.03, 0.65, 0.10),
    "left_eye_outer": (0.04, 0.65, 0.09), "left_ear": (0.08, 0.63, 0.02), "mouth_left": (0.02, 0.58, 0.10),
    "left_shoulder": (0.18, 0.45, 0.00), "left_elbow": (0.24, 0.18, 0.02), "left_wrist": (0.26, -0.05, 0.10),
    "left_little": (0.25, -0.12, 0.10), "left_index": (0.26, -0.12, 0.14), "left_thumb": (0.24, -0.09, 0.15),
    "left_hip": (0.11, 0.00, 0.00), "left_knee": (0.12, -0.43, 0.02), "left_ankle": (0.12, -0.83, -0.02),
    "left_heel": (0.12, -0.88, -0.06), "left_foot_index": (0.13, -0.89, 0.13),
}  # fmt: skip


def arc_rig(cameras: int = 3, *, unit: str = "m", distance: float = 2.5) -> CameraRig:
    """Cameras ``cam0``, ``cam1``, … on a horizontal arc of 90°, all looking at the origin; +Y is up."""
    return CameraRig(
        tuple(
            _looking_at_origin(f"cam{i}", angle, distance)
            for i, angle in enumerate(np.linspace(-np.pi / 4, np.pi / 4, cameras))
        ),
        unit=unit,
        up=np.array([0.0, 1.0, 0.0]),
    )


def _looking_at_origin(name: str, angle: float, distance: float) -> Camera:
    center = distance * np.array([np.sin(angle), 0.15, np.cos(angle)])
    forward = -center / np.linalg.norm(center)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    T_camera_world = np.eye(4)
    T_camera_world[:3, :3] = [right, np.cross(forward, right), forward]
    T_camera_world[:3, 3] = -T_camera_world[:3, :3] @ center
    K = np.array([[900.0, 0.0, 639.5], [0.0, 900.0, 479.5], [0.0, 0.0, 1.0]])
    return Camera(name, (1280, 960), K, np.array([-0.1, 0.02, 0.0, 0.0, 0.0]), T_camera_world)


def hand_motion(times_s: Array, side: str = "right") -> Array:
    """A hand that circles, turns, and opens and closes its fingers; every bone keeps its length.

    Args:
        times_s: (T,) seconds.
        side: ``"left"`` or ``"right"``; the left hand is the mirror image on the other side of the origin.

    Returns:
        (T, 21, 3) world positions in metres.
    """
    palm = Rotation.from_euler(
        "yxz",
        np.stack([0.6 * np.sin(1.1 * times_s), 0.4 * np.sin(0.7 * times_s), 0.5 * times_s], axis=-1),
    )
    wrist = np.stack(
        [0.25 + 0.08 * np.cos(times_s), 0.06 * np.sin(1.3 * times_s), 0.05 * np.sin(0.9 * times_s)], axis=-1
    )
    joints = np.empty((len(times_s), len(HAND), 3))
    joints[:, 0] = wrist
    for number, finger in enumerate(FINGERS):
        degrees, lengths = _FINGERS[finger]
        splay = Rotation.from_euler("z", degrees, degrees=True)
        position = wrist
        bend = np.zeros_like(times_s)
        curl = 0.5 + 0.4 * np.sin(1.7 * times_s + number)
        for segment, length in enumerate(lengths):
            bend = bend + (0.0 if segment == 0 else 1.0) * curl
            along = np.stack([np.zeros_like(bend), np.cos(bend), np.sin(bend)], axis=-1)
            position = position + length * palm.apply(splay.apply(along))
            joints[:, 1 + 4 * number + segment] = position
    return joints if side == "right" else joints * [-1.0, 1.0, 1.0]


def body_motion(times_s: Array) -> Array:
    """A person who turns and sways, swinging arms and legs; every limb keeps its length.

    Returns:
        (T, 33, 3) world positions in metres.
    """
    rest = np.empty((len(BODY), 3))
    for joint, position in _STANDING.items():
        rest[BODY.index(joint)] = position
        other = BODY.mirror[BODY.index(joint)]
        if other != BODY.index(joint):
            rest[other] = np.array(position) * [-1.0, 1.0, 1.0]
    joints = np.repeat(rest[None], len(times_s), axis=0)
    for side, phase in (("left", 0.0), ("right", np.pi)):
        arm = ["elbow", "wrist", "little", "index", "thumb"]
        leg = ["knee", "ankle", "heel", "foot_index"]
        for root, moved, size in (("shoulder", arm, 0.6), ("elbow", arm[1:], 0.4), ("hip", leg, 0.4)):
            swing = Rotation.from_rotvec(
                np.stack([size * np.sin(2.0 * times_s + phase), 0 * times_s, 0.1 * np.cos(times_s)], axis=-1)
            )
            pivot = joints[:, BODY.index(f"{side}_{root}")]
            for joint in moved:
                i = BODY.index(f"{side}_{joint}")
                joints[:, i] = pivot + swing.apply(joints[:, i] - pivot)
    turn = Rotation.from_euler("y", 0.5 * np.sin(0.5 * times_s)[:, None])
    sway = np.stack([0.1 * np.sin(times_s), 0.02 * np.cos(2 * times_s), 0.1 * np.cos(times_s)], axis=-1)
    moved_joints = [turn.apply(joints[:, i]) + sway for i in range(len(BODY))]
    return np.stack(moved_joints, axis=1)


@dataclass(frozen=True, eq=False)
class Scene:
    """Cameras, a timeline and where every joint truly is.

    Attributes:
        rig: the cameras.
        times_s: (T,) seconds.
        truth: (T, J, 3) world positions in the rig's unit, by track.
    """

    rig: CameraRig
    times_s: Array
    truth: dict[Track, Array]

    @classmethod
    def of(
        cls,
        frames: int = 60,
        *,
        rate: float = 30.0,
        rig: CameraRig | None = None,
        tracks: Iterable[Track] = (LEFT_HAND, RIGHT_HAND, PERSON),
    ) -> Scene:
        """Two hands and a body, or those asked for, before the cameras of ``rig`` (three in an arc)."""
        times_s = np.arange(frames) / rate
        truth = {
            track: hand_motion(times_s, track.side) if track.target == "hand" else body_motion(times_s)
            for track in tracks
        }
        return cls(rig or arc_rig(), times_s, truth)

    def observations(
        self, track: Track, *, noise_px: float = 0.0, missing: float = 0.0, seed: int = 0
    ) -> Observations:
        """What every camera sees of a track: (C, T, J, 2) pixels with Gaussian noise, some joints missing."""
        random = np.random.default_rng(seed)
        xy = self.rig.project(self.truth[track])
        xy = xy + random.normal(0.0, 1.0, xy.shape) * noise_px
        xy[random.random(xy.shape[:-1]) < missing] = np.nan
        confidence = np.where(np.isfinite(xy[..., 0]), random.uniform(0.5, 1.0, xy.shape[:-1]), 0.0)
        used = random.random(xy.shape[:-1]) < 0.9
        return Observations.of(SKELETONS[track.target], xy, confidence, used)

    def keypoints3d(
        self, track: Track, *, noise: float = 0.0, missing: float = 0.0, seed: int = 0
    ) -> Keypoints3D:
        """The truth of a track as a reconstruction would give it, with noise in the rig's unit and gaps."""
        random = np.random.default_rng(seed)
        xyz = self.truth[track] + random.normal(0.0, 1.0, self.truth[track].shape) * noise
        gone = random.random(xyz.shape[:-1]) < missing
        xyz[gone] = np.nan
        spread = random.normal(0.0, max(noise, 1e-3), (*xyz.shape, 3))
        covariance = spread @ np.swapaxes(spread, -1, -2)
        covariance[gone] = np.nan
        views_used = np.where(gone, 0, len(self.rig)).astype(np.int64)
        reprojection_px = np.where(gone, np.nan, random.uniform(0.0, 2.0, gone.shape))
        return Keypoints3D(
            SKELETONS[track.target], xyz, covariance, views_used, reprojection_px, self.rig.unit
        )

    def window(self, *, noise_px: float = 0.0, noise: float = 0.0, missing: float = 0.0) -> Window:
        """The whole scene as one block that a session can be written from."""
        frames = np.arange(len(self.times_s))
        return Window(
            frames,
            self.times_s,
            np.repeat(frames[None].astype(float), len(self.rig), axis=0),
            {t: self.observations(t, noise_px=noise_px, missing=missing) for t in self.truth},
            {t: self.keypoints3d(t, noise=noise, missing=missing) for t in self.truth},
        )

    def write(self, folder: Path, **noise: float) -> Session:
        """Write the scene as a finished session and open it; ``noise`` as in :meth:`window`."""
        with SessionWriter(folder, self.rig) as writer:
            writer.append(self.window(**noise))
            writer.finish(describe_run(["synthetic"], options={"frames": len(self.times_s)}))
        return Session.open(folder)
