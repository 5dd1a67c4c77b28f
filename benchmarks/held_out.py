"""How well a rig explains corners of a board that took no part in calibrating it, the same for every side."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from handloom.calibration.boards import Board
from handloom.calibration.sightings import Sightings, View
from handloom.cameras import Camera, CameraRig
from handloom.hand.kinematics import rigid
from handloom.reconstruction.triangulation import triangulate_dlt

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MIN_CORNERS = 4


def as_sightings(board: Board, rig: CameraRig, corners: Array, moments: int) -> Sightings:
    """Sightings of a table (N, 5) of camera, moment, corner, x, y, the cameras numbered as in the rig."""
    camera, moment, corner = corners[:, :3].astype(np.int32).T
    sizes = np.array([camera_.image_size for camera_ in rig])
    times = np.arange(moments, dtype=np.float64)
    return Sightings.build(board, rig.names, sizes, times, camera, moment, corner, corners[:, 3:])


def common(sides: list[Sightings]) -> list[Sightings]:
    """Of every side the rows whose camera, moment and corner all sides have."""
    keys = [
        {row: number for number, row in enumerate(zip(s.camera, s.moment, s.corner, strict=True))}
        for s in sides
    ]
    shared = set.intersection(*(set(key) for key in keys))
    return [s.where(sorted(key[row] for row in shared)) for s, key in zip(sides, keys, strict=True)]


@dataclass(frozen=True)
class Squares:
    """Sides of squares between triangulated corners.

    Attributes:
        count: how many.
        mean_mm, spread_mm: mean and standard deviation.
        rms_error_mm: root mean square difference from the truth.
    """

    count: int
    mean_mm: float
    spread_mm: float
    rms_error_mm: float


def squares(rig: CameraRig, seen: Sightings) -> Squares:
    """Sides of the board's squares, every corner triangulated by itself from all cameras that saw it."""
    moments = len(seen.times_s)
    rays = np.full((len(rig), moments, len(seen.board.points), 2), np.nan)
    for number, camera in enumerate(rig):
        rows = seen.camera == number
        rays[number, seen.moment[rows], seen.corner[rows]] = camera.undistort(seen.pixels[rows])
    points = triangulate_dlt(np.stack([camera.P_normalised for camera in rig]), rays)
    first, second = seen.board.pairs.T
    sides_mm = 1000 * np.linalg.norm(points[:, first] - points[:, second], axis=-1)
    sides_mm = sides_mm[np.isfinite(sides_mm)]
    error = sides_mm - 1000 * seen.board.square_m
    return Squares(len(sides_mm), float(sides_mm.mean()), float(sides_mm.std()), rms(error))


def _starts(camera: Camera, view: View, points: Array) -> list[Array]:
    """Poses of the board in the world that one camera's view allows."""
    flat = camera.undistort(view.pixels)
    if len(flat) < MIN_CORNERS:
        return []
    _, turns, shifts, _ = cv2.solvePnPGeneric(
        points[view.ids], flat, np.eye(3), None, flags=cv2.SOLVEPNP_IPPE
    )
    T_world_camera = np.linalg.inv(camera.T_camera_world)
    pairs = zip(turns, shifts, strict=True)
    return [T_world_camera @ rigid(cv2.Rodrigues(turn)[0], shift.ravel()) for turn, shift in pairs]


def _residuals(rig: CameraRig, views: list[View], T_world_board: Array, points: Array) -> Array:
    world = points @ T_world_board[:3, :3].T + T_world_board[:3, 3]
    missed = [view.pixels - rig[view.camera].project(world[view.ids]) for view in views]
    return np.nan_to_num(np.concatenate(missed), nan=1e3)  # behind a camera


def _pose(rig: CameraRig, views: list[View], points: Array) -> Array | None:
    """The pose of the board that fits all views best, least squares over all corners."""
    starts = [T for view in views for T in _starts(rig[view.camera], view, points)]
    if not starts:
        return None
    start = min(starts, key=lambda T: float(np.sum(_residuals(rig, views, T, points) ** 2)))

    def moved(step: Array) -> Array:
        return start @ rigid(Rotation.from_rotvec(step[:3]).as_matrix(), step[3:])

    found = least_squares(lambda step: _residuals(rig, views, moved(step), points).ravel(), np.zeros(6))
    return moved(found.x)


def _part(view: View, keep: Mask) -> View:
    kept = keep[view.ids]
    return View(view.camera, view.moment, view.rows, view.ids[kept], view.pixels[kept])


def fitted_px(rig: CameraRig, seen: Sightings) -> Array:
    """(N,) reprojection error of all corners, the board posed at every moment by all of them."""
    everything = np.ones(len(seen.board.points), dtype=bool)
    return _missed_px(rig, seen, [(everything, everything)])


def predicted_px(rig: CameraRig, seen: Sightings) -> Array:
    """(N,) reprojection error of corners that posed no board.

    At every moment the board is posed from every other corner, over all cameras, and the remaining ones are
    predicted; then the other way round.
    """
    columns = np.round(seen.board.points / seen.board.square_m).astype(int)
    even = columns.sum(axis=-1) % 2 == 0
    return _missed_px(rig, seen, [(even, ~even), (~even, even)])


def _missed_px(rig: CameraRig, seen: Sightings, halves: list[tuple[Mask, Mask]]) -> Array:
    missed = []
    for moment in np.unique(seen.moment):
        views = [view for view in seen.views if view.moment == moment]
        for fit, predict in halves:
            pose = _pose(rig, [_part(view, fit) for view in views], seen.board.points)
            if pose is not None:
                missed.append(
                    _residuals(rig, [_part(view, predict) for view in views], pose, seen.board.points)
                )
    return np.linalg.norm(np.concatenate(missed), axis=-1)


def rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
