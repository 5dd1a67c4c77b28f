"""How a camera's pose and clock change over a recording, judged by what the other cameras see.

The board is placed by all cameras but one. What that one sees then tells, for every stretch of the recording
by itself, where it stood and how late its pictures were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from handloom.calibration.adjustment.bundle import BundleOptions, adjust_boards
from handloom.calibration.diagnosis.board_path import BoardPath
from handloom.calibration.diagnosis.evidence import LEAST_CORNERS
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera
from handloom.hand.kinematics import nearest_rigid, rigid, rotation_from_vector

Array = NDArray[np.float64]
Moments = NDArray[np.int64]

_MOST_VIEWS = 64  # of a camera; more make the answer surer than it needs to be
_LEAST_VIEWS = 6  # of a stretch
_MOST_STRETCHES = 8
_ROUNDS = 25
_LONGEST_CORRECTION_S = 0.05  # of the clock, in one round
_AT_REST = 0.01  # standard deviations
_MEDIAN_LENGTH = 1.1774  # median length of a vector of two unit normal numbers
_DERIVATIVE_STEP_M = 1e-6


@dataclass(frozen=True, eq=False)
class Seen:
    """What a camera sees of boards that others placed.

    Attributes:
        own: the camera as calibrated.
        moments: (M,) that take part, rising.
        moment: (n,) of every corner.
        times_s: (n,) of every corner's picture.
        local: (n, 3) the corner on the board.
        world: (n, 3) the corner where the others have it at the picture's time.
        pixels: (n, 2) where the camera sees it.
        path: of the board over time; None without a clock.
    """

    own: Camera
    moments: Moments
    moment: NDArray[np.int32]
    times_s: Array
    local: Array
    world: Array
    pixels: Array
    path: BoardPath | None

    def at(self, moments: Moments) -> Seen:
        """Some of the moments."""
        rows = np.isin(self.moment, moments)
        columns = {
            name: getattr(self, name)[rows] for name in ("moment", "times_s", "local", "world", "pixels")
        }
        return replace(self, moments=moments, **columns)

    def earlier(self, late_s: float) -> tuple[Array, Array]:
        """(n, 3) the corners so much before the picture's time, and (n, 3) their velocities then."""
        if self.path is None:
            return self.world, np.zeros_like(self.world)
        now, velocity_now = self.path.at(self.times_s, self.local)
        then, velocity = self.path.at(self.times_s - late_s, self.local) if late_s else (now, velocity_now)
        return self.world + then - now, velocity


@dataclass(frozen=True, eq=False)
class Stretch:
    """Pose and clock of a camera in a part of the recording.

    Attributes:
        moments: (M,) of the part.
        camera: with its pose in this part.
        late_s: by how much its pictures show the board later than their time says; 0 without a clock.
        late_std_s: its standard deviation; infinite without a clock or motion.
        step_std: (6,) standard deviations of the pose: turn, shift.
        sigma_px: noise per axis that is left, robust.
        before_px: the same for the pose and clock as calibrated.
        speed_px_s: of the corners in the picture, root mean square.
    """

    moments: Moments
    camera: Camera
    late_s: float
    late_std_s: float
    step_std: Array
    sigma_px: float
    before_px: float
    speed_px_s: float

    @property
    def late_px(self) -> float:
        """How far the board gets while the picture is late."""
        return abs(self.late_s) * self.speed_px_s


def seen_by(
    sightings: Sightings,
    cameras: Sequence[Camera | None],
    T_world_board: Array,
    camera: int,
    among: Sequence[int],
) -> Seen | None:
    """What a camera sees of the boards that some other cameras place.

    Args:
        sightings: the corners.
        cameras: (C,) calibrated cameras, None where there is none.
        T_world_board: (T, 4, 4) boards as calibrated.
        camera: the camera to judge.
        among: the cameras to believe; itself is left out.

    Returns:
        None if too little of it was seen by others at the same time.
    """
    own = cameras[camera]
    others = [c for c in among if c != camera and cameras[c] is not None]
    enough = np.asarray(sightings.counts >= LEAST_CORNERS)
    shared = np.flatnonzero(enough[:, camera] & enough[:, others].any(axis=1))
    shared = shared[np.isfinite(T_world_board[shared]).all(axis=(1, 2))]
    if own is None or len(shared) < _LEAST_VIEWS:
        return None
    shared = spread(shared, _MOST_VIEWS)
    believed = [entry if c in others else None for c, entry in enumerate(cameras)]
    boards = place_boards(sightings, believed, T_world_board, shared)
    placed = np.asarray(np.isfinite(boards).all(axis=(1, 2)))
    rows = np.flatnonzero((sightings.camera == camera) & placed[sightings.moment])
    if not len(rows):
        return None
    moment = sightings.moment[rows]
    local = sightings.object_points[rows]
    world = (boards[moment, :3, :3] @ local[:, :, None])[..., 0] + boards[moment, :3, 3]
    return Seen(
        own=own,
        moments=np.unique(moment).astype(np.int64),
        moment=moment,
        times_s=sightings.times_s[moment],
        local=local,
        world=world,
        pixels=sightings.pixels[rows],
        path=BoardPath.of(sightings.times_s, T_world_board),
    )


def place_boards(
    sightings: Sightings, cameras: Sequence[Camera | None], T_world_board: Array, moments: Moments
) -> Array:
    """(T, 4, 4) the board at some moments as cameras that are held see it; NaN elsewhere."""
    part = np.array([camera is not None for camera in cameras])
    rows = np.isin(sightings.moment, moments) & part[sightings.camera]
    count = np.bincount(sightings.moment[rows], minlength=len(T_world_board))
    rows &= np.asarray(count >= LEAST_CORNERS)[sightings.moment]
    rows &= np.asarray(np.isfinite(T_world_board).all(axis=(1, 2)))[sightings.moment]
    if not rows.any():
        return np.full_like(T_world_board, np.nan)
    held = BundleOptions(free_poses=np.zeros(len(cameras), dtype=bool))
    return adjust_boards(sightings.where(rows), cameras, T_world_board, held).T_world_board


def stretches(seen: Seen, most: int = _MOST_STRETCHES, starts_s: Sequence[float] = (0.0,)) -> list[Stretch]:
    """Pose and clock of a camera in each of some parts of the recording, in order.

    Args:
        seen: what it sees.
        most: so many parts of equally many views, or fewer, so that each has six.
        starts_s: of the clock, to start from; the one that explains a part best is kept.
    """
    count = max(1, min(most, len(seen.moments) // _LEAST_VIEWS))
    parts = []
    for moments in np.array_split(seen.moments, count):
        found = [part for late_s in starts_s if (part := fit(seen.at(moments), late_s)) is not None]
        parts += [min(found, key=lambda part: part.sigma_px)] if found else []
    return parts


def fit(seen: Seen, late_s: float = 0.0, start: Camera | None = None) -> Stretch | None:
    """Pose and clock of a camera: Gauss-Newton on a Cauchy loss whose scale follows the residuals.

    Args:
        seen: what it sees.
        late_s: of the clock, to start from.
        start: pose to start from, if not the calibrated one.

    Returns:
        None if fewer than twelve corners can be compared.
    """
    camera, own = start or seen.own, seen.own
    before = _lengths(seen.pixels - own.project(seen.world))
    for round_ in range(_ROUNDS):
        world, velocity = seen.earlier(late_s)
        residual = seen.pixels - camera.project(world)
        length = _lengths(residual)
        good = np.isfinite(length)
        if good.sum() < 2 * LEAST_CORNERS:
            return None
        sigma = max(float(np.median(length[good])) / _MEDIAN_LENGTH, 1e-3)
        weight = np.where(good, 1.0 / (1.0 + (np.where(good, length, 0.0) / (2.0 * sigma)) ** 2), 0.0)
        R = camera.T_camera_world[:3, :3]
        in_camera = world @ R.T + camera.T_camera_world[:3, 3]
        by_point = _derivative(camera, in_camera)
        motion = np.einsum("nij,nj->ni", by_point, velocity @ R.T)
        J = np.concatenate(
            [np.cross(in_camera[:, None, :], by_point), by_point, -motion[:, :, None]], axis=-1
        )
        J = np.nan_to_num(J)
        N = np.einsum("n,nki,nkj->ij", weight, J, J)
        g = np.einsum("n,nki,nk->i", weight, J, np.nan_to_num(residual))
        size = np.sqrt(np.maximum(np.diag(N), 1e-300))
        step = np.linalg.lstsq(N / size / size[:, None], g / size, rcond=1e-9)[0] / size
        if round_ and np.abs(step * size).max() < _AT_REST * sigma * np.sqrt(weight.sum()):
            break
        turned = rigid(rotation_from_vector(step[:3]), step[3:6]) @ camera.T_camera_world
        camera = replace(camera, T_camera_world=nearest_rigid(turned))
        late_s += float(np.clip(step[6], -_LONGEST_CORRECTION_S, _LONGEST_CORRECTION_S))
    moving = bool(size[6] > 1e-100)
    inverse = np.linalg.pinv(N / size / size[:, None], hermitian=True) / size / size[:, None]
    std = sigma * np.sqrt(np.maximum(np.diag(inverse), 0.0))
    return Stretch(
        moments=seen.moments,
        camera=camera,
        late_s=late_s if moving else 0.0,
        late_std_s=float(std[6]) if moving else np.inf,
        step_std=std[:6],
        sigma_px=sigma,
        before_px=float(np.nanmedian(before)) / _MEDIAN_LENGTH,
        speed_px_s=float(np.sqrt(np.nanmean(_lengths(motion) ** 2))),
    )


def apart_px(a: Camera, b: Camera, seen: Seen) -> float:
    """How far apart two poses of a camera show what it sees, root mean square."""
    return float(np.sqrt(np.nanmean(_lengths(a.project(seen.world) - b.project(seen.world)) ** 2)))


def apart(a: Camera, b: Camera) -> tuple[float, float]:
    """Degrees and metres between two poses of a camera."""
    turn = Rotation.from_matrix(a.T_camera_world[:3, :3] @ b.T_camera_world[:3, :3].T).magnitude()
    return float(np.degrees(turn)), float(np.linalg.norm(a.center - b.center))


def spread(numbers: NDArray[np.integer], most: int) -> Moments:
    """At most so many of some numbers, evenly."""
    chosen = np.unique(np.linspace(0, len(numbers) - 1, min(most, len(numbers))).round().astype(int))
    return np.asarray(numbers, dtype=np.int64)[chosen]


def _derivative(camera: Camera, points: Array) -> Array:
    """(n, 2, 3) pixels per metre of points in the camera's frame."""
    here = replace(camera, T_camera_world=np.eye(4))
    h = _DERIVATIVE_STEP_M * np.eye(3)[:, None, :]
    ahead, behind = here.project(np.stack([points + h, points - h]))  # one call: there are thousands of these
    return np.moveaxis((ahead - behind) / (2 * _DERIVATIVE_STEP_M), 0, -1)


def _lengths(vectors: Array) -> Array:
    return np.asarray(np.hypot(vectors[..., 0], vectors[..., 1]))
