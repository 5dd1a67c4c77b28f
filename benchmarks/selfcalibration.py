"""Bar 5: rigs from keypoints alone, against the calibration with a board and a plain bundle adjustment.

python benchmarks/selfcalibration.py [--data DATA]

Known are the lenses; unknown is where any camera stands. "Plain" is what a script would do: the pose of every
camera against the first from OpenCV's essential matrix (against the camera already placed that shares most,
by perspective-n-point, from the third on), then least squares of all keypoints with a robust loss, from the
same 2D detections. The rigs of the data sets are the truth here.

* TemugeB, two views of a hand: rotation and direction of the translation of camera 1 against camera 0.
* The walker, four views of a body: rotation of every camera against the first, and how far off every centre
  is once the rig was moved rigidly (its scale kept) to where its centres come closest. The data set does not
  say how long the walker's limbs are: the upper arms are measured with the given rig, in the same detections,
  and that length is what calibration is told. Some pictures are 1080 wide, the calibration says 1088.
* Keypoints made from a known motion, noise in percent of the size of what is seen: what is left of it in the
  rig, and an offset of 1.3 frames between two cameras.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
from bench import Clip, Scorecard, command_line, temugeb
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.sparse import lil_matrix

from handloom.calibration.selfcalibration import (
    KeypointTracks,
    SelfCalibration,
    bone_length,
    calibrate_tracks,
    detect_keypoints,
)
from handloom.cameras import Camera, CameraRig, read_rig
from handloom.hand.kinematics import rigid
from handloom.keypoints import Track
from handloom.reconstruction import triangulate
from handloom.tracking.recording import open_recording

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from synthetic import arc_rig, body_motion, hand_motion

Array = NDArray[np.float64]

HAND_ROTATION_DEG, HAND_DIRECTION_DEG = 2.5, 1.5
BODY_ROTATION_DEG, BODY_CENTRE_CM = 2.0, 5.0
OFFSET_FRAMES, OFFSET_TOLERANCE = 1.3, 0.1
LIMB = "upper_arm"

PLAIN_POINTS = 2000
LEAST_CONFIDENCE = 0.3


def plain(tracks: KeypointTracks, cameras: Sequence[Camera]) -> Array:
    """(C, 4, 4) poses against the first camera as a plain script finds them; the scale is arbitrary."""
    rays = np.stack([camera.undistort(xy) for camera, xy in zip(cameras, tracks.xy, strict=True)])
    rays = np.where((tracks.confidence >= LEAST_CONFIDENCE)[..., None], rays, np.nan)
    focal = np.array([camera.K[0, 0] for camera in cameras])
    seen = np.isfinite(rays[..., 0])
    poses = {0: np.eye(4)}
    both = seen[0] & seen[1]
    E, _ = cv2.findEssentialMat(rays[0][both], rays[1][both], np.eye(3), cv2.USAC_MAGSAC, 0.999, 5 / focal[0])
    _, R, t, _ = cv2.recoverPose(E, rays[0][both], rays[1][both], np.eye(3))
    poses[1] = rigid(R, t.ravel())
    for camera in range(2, len(cameras)):
        placed = sorted(poses)
        points = triangulate(rays[placed], np.stack([poses[c] for c in placed]), 5 / focal[placed]).points
        known = seen[camera] & np.isfinite(points[..., 0])
        _, turn, move, _ = cv2.solvePnPRansac(
            points[known], rays[camera][known], np.eye(3), None, reprojectionError=20 / focal[camera]
        )
        poses[camera] = rigid(cv2.Rodrigues(turn)[0], move.ravel())
    start = np.stack([poses[c] for c in range(len(cameras))])
    return _least_squares(rays, start, focal)


def _least_squares(rays: Array, poses: Array, focal: Array) -> Array:
    points = triangulate(rays, poses, 5 / focal).points
    where = np.argwhere(np.isfinite(points[..., 0]))
    where = where[np.unique(np.linspace(0, len(where) - 1, PLAIN_POINTS).astype(int))]
    image = rays[:, where[:, 0], where[:, 1]]
    c, n = np.nonzero(np.isfinite(image[..., 0]))
    count = len(poses)
    first = 6 * (count - 1)
    pattern = lil_matrix((2 * len(c), first + 3 * len(where)), dtype=int)
    for axis in (0, 1):
        rows = 2 * np.arange(len(c)) + axis
        for k in range(6):
            pattern[rows[c > 0], 6 * (c[c > 0] - 1) + k] = 1
        for k in range(3):
            pattern[rows, first + 3 * n + k] = 1

    def moved(x: Array) -> Array:
        out = [np.eye(4)]
        for step in x[:first].reshape(-1, 6):
            out.append(rigid(cv2.Rodrigues(step[:3])[0], step[3:]))
        return np.stack(out)

    def residuals(x: Array) -> Array:
        T, X = moved(x)[c], x[first:].reshape(-1, 3)[n]
        at = np.einsum("nij,nj->ni", T[:, :3, :3], X) + T[:, :3, 3]
        return ((at[:, :2] / at[:, 2:] - image[c, n]) * focal[c, None]).ravel()

    begin = np.concatenate(
        [np.concatenate([np.r_[cv2.Rodrigues(T[:3, :3])[0].ravel(), T[:3, 3]] for T in poses[1:]]),
         points[where[:, 0], where[:, 1]].ravel()]
    )  # fmt: skip
    fit = least_squares(
        residuals, begin, jac_sparsity=pattern, loss="huber", f_scale=3.0, x_scale="jac", max_nfev=60
    )
    return moved(fit.x)


def relative(rig: CameraRig) -> Array:
    """(C, 4, 4) poses against the first camera."""
    return np.stack([c.T_camera_world for c in rig]) @ np.linalg.inv(rig[0].T_camera_world)


def rotations_deg(poses: Array, truth: Array) -> Array:
    """(C - 1,) rotation errors of all cameras but the first."""
    cosines = (np.einsum("cij,cij->c", poses[1:, :3, :3], truth[1:, :3, :3]) - 1) / 2
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))


def directions_deg(poses: Array, truth: Array) -> Array:
    """(C - 1,) angles between the translations found and true."""
    a, b = poses[1:, :3, 3], truth[1:, :3, 3]
    cosines = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))


def centres(poses: Array) -> Array:
    """(C, 3) centres in the frame of the first camera."""
    return -np.einsum("cji,cj->ci", poses[:, :3, :3], poses[:, :3, 3])


def centre_errors(poses: Array, truth: Array) -> Array:
    """(C,) distances of centres after the rigid motion (Kabsch) that brings them closest; scale is kept."""
    a, b = centres(poses), centres(truth)
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    U, _, Vt = np.linalg.svd(a.T @ b)
    R = U @ np.diag([1, 1, np.linalg.det(U @ Vt)]) @ Vt
    return np.linalg.norm(a @ R - b, axis=1)


def cameras_of(clip: Clip) -> CameraRig:
    """The rig as the recording fits it: names and picture sizes checked."""
    with closing(open_recording(list(clip.videos), read_rig(clip.rig))) as recording:
        return recording.rig


def watched(clip: Clip, rig: CameraRig, target: str) -> KeypointTracks:
    """2D detections of every view, followed alone."""
    tracks = detect_keypoints(clip.videos, target=target)  # type: ignore[arg-type]
    return KeypointTracks(rig.names, tracks.subjects, tracks.times_s, tracks.xy, tracks.confidence)


def with_scale(poses: Array, tracks: KeypointTracks, cameras: Sequence[Camera], metres: float) -> Array:
    """Plain poses scaled as ours are, by the length of the limb in space."""
    rays = tracks.rays(cameras)
    points = triangulate(rays, poses, 0.005).points
    scaled = poses.copy()
    scaled[:, :3, 3] *= metres / bone_length(LIMB, tracks, points)
    return scaled


def std_deg(result: SelfCalibration) -> str:
    """The rotations' largest standard deviation as the result states it."""
    return f"{np.degrees(result.rotation_std_rad):.2f}"


def hand(data: Path) -> bool:
    """The TemugeB rig."""
    clip = temugeb(data)
    rig = cameras_of(clip)
    tracks = watched(clip, rig, "hands")
    result = calibrate_tracks(tracks, rig.cameras)
    theirs, ours, truth = plain(tracks, rig.cameras), relative(result.rig), relative(rig)
    card = Scorecard("TemugeB rig from a hand, no starting pose", ("plain", "ours"))
    sides = (theirs, ours)
    card.add("rotation, °", *(rotations_deg(p, truth).max() for p in sides), at_most=HAND_ROTATION_DEG)
    card.add("direction, °", *(directions_deg(p, truth).max() for p in sides), at_most=HAND_DIRECTION_DEG)
    card.add("  rotation's standard deviation as stated, °", "", std_deg(result))
    card.add("  offset found between the cameras, frames", "", result.measured_offsets_s[1] * tracks.fps)
    return card.show()


def body(data: Path) -> bool:
    """The walker's rig."""
    folder = data / "pose2sim" / "Demo_SinglePerson"
    videos = tuple(folder / "videos" / f"cam{camera:02}.mp4" for camera in range(1, 5))
    clip = Clip(videos, folder / "calibration" / "Calib.qca.txt")
    rig = cameras_of(clip)
    tracks = watched(clip, rig, "body")
    truth = relative(rig)
    given = triangulate(tracks.rays(rig.cameras), np.stack([c.T_camera_world for c in rig]), 0.005).points
    metres = bone_length(LIMB, tracks, given)
    result = calibrate_tracks(tracks, rig.cameras, bone_length={LIMB: metres})
    theirs = with_scale(plain(tracks, rig.cameras), tracks, rig.cameras, metres)
    sides = (theirs, relative(result.rig))
    card = Scorecard(f"the walker's rig from a body, upper arm {100 * metres:.1f} cm", ("plain", "ours"))
    card.add("rotation against camera 1, worst, °", *(rotations_deg(p, truth).max() for p in sides),
             at_most=BODY_ROTATION_DEG)  # fmt: skip
    card.add("centre, rig aligned, worst, cm", *(100 * centre_errors(p, truth).max() for p in sides),
             at_most=BODY_CENTRE_CM)  # fmt: skip
    away = (100 * np.linalg.norm(centres(p) - centres(truth), axis=1).max() for p in sides)
    card.add("  centre in camera 1's frame, worst, cm", *away)
    size = np.linalg.norm(centres(truth)[1:], axis=1).mean()
    scales = (100 * (np.linalg.norm(centres(p)[1:], axis=1).mean() / size - 1) for p in sides)
    card.add("  scale, %", *scales)
    card.add("  rotation's standard deviation as stated, °", "", std_deg(result))
    return card.show()


def made(subject: Track, cameras: int, noise: float, late: float) -> tuple[CameraRig, KeypointTracks]:
    """Keypoints of a known motion for 300 frames; the last camera starts ``late`` frames later."""
    is_body = subject.target == "body"
    rig = arc_rig(cameras, distance=3.5 if is_body else 1.2)
    rng = np.random.default_rng(7)
    views = []
    for number, camera in enumerate(rig):
        times = (np.arange(300) + (late if number == cameras - 1 else 0.0)) / 30.0
        xy = camera.project(body_motion(times) if is_body else hand_motion(times))
        views.append(xy + rng.normal(size=xy.shape) * noise * np.median(np.ptp(xy, axis=1).max(axis=-1)))
    return rig, KeypointTracks.of(np.stack(views), (subject,), cameras=rig.names)


def synthetic() -> bool:
    """Errors by noise, and the offset."""
    card = Scorecard("keypoints of a known motion", ("plain", "ours"))
    for subject, cameras in ((Track(0, "hand", "right"), 2), (Track(0, "body"), 3)):
        for noise in (0.0025, 0.005, 0.01, 0.02):
            rig, tracks = made(subject, cameras, noise, 0.0)
            truth = relative(rig)
            sides = (plain(tracks, rig.cameras), relative(calibrate_tracks(tracks, rig.cameras).rig))
            name = f"{subject.target}, {cameras} views, noise {100 * noise:g} %"
            card.add(f"{name}: rotation, °", *(rotations_deg(p, truth).max() for p in sides))
        rig, tracks = made(subject, cameras, 0.01, OFFSET_FRAMES)
        result = calibrate_tracks(tracks, rig.cameras, synchronised=False)
        missed = np.abs(result.offsets_s[-1] * tracks.fps - OFFSET_FRAMES)
        card.add(f"{subject.target}, {OFFSET_FRAMES} frames late, noise 1 %: offset missed by, frames",
                 OFFSET_FRAMES, missed, at_most=OFFSET_TOLERANCE, digits=3)  # fmt: skip
        sides = (plain(tracks, rig.cameras), relative(result.rig))
        card.add("  rotation, °", *(rotations_deg(p, relative(rig)).max() for p in sides))
    return card.show()


def main() -> None:
    options = command_line(__doc__).parse_args()
    met = [hand(options.data), body(options.data), synthetic()]
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
