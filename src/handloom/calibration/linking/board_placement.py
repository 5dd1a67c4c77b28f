"""Where the board was at every moment, from all cameras that saw it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.linking.board_pose import BoardPoses, IdealCorners
from handloom.calibration.linking.board_pose_kernel import TUKEY, normal_equations, squared_errors
from handloom.calibration.linking.plane_kernel import RAYLEIGH_MEDIAN
from handloom.calibration.linking.pose_algebra import compiled, solve, turn
from handloom.calibration.sightings import Sightings

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]

_GROSS = 0.004  # of the picture's diagonal: errors beyond this count alike when poses are compared
_ROUNDS = 6
_STEPS = 5
_SMALLEST_SIGMA_PX = 0.1


def place_boards(
    sightings: Sightings, corners: IdealCorners, poses: BoardPoses, T_camera_world: Array
) -> tuple[Array, Mask]:
    """Poses of the board that all posed cameras agree on best.

    Every view proposes its pose, and its twin; the one that fits the corners of all views best is refined on
    them with Tukey's weights. For boards that can be read from either end each view's numbering is settled
    along with it, and which end is which follows the moment before.

    Args:
        sightings: the corners.
        corners: the same without lens distortion.
        poses: of the board in every view.
        T_camera_world: (C, 4, 4); NaN for cameras that take no part.

    Returns:
        T_world_board (T, 4, 4), NaN where no posed camera saw the board, and (V,) views whose numbering is
        half a turn off.
    """
    count = len(sightings.times_s)
    half_turn = sightings.board.half_turn is not None
    usable = poses.found & np.isfinite(T_camera_world[poses.camera, 0, 0])
    points = np.ascontiguousarray((sightings.object_points - poses.middle)[:, :2])
    first_view = np.searchsorted(poses.moment, np.arange(count + 1))
    T = np.full((count, 4, 4), np.nan)
    turned = np.zeros(len(poses.camera), dtype=np.bool_)
    _place(
        points,
        corners.ideal,
        corners.scale,
        poses.inlier,
        poses.starts,
        first_view.astype(np.int64),
        usable,
        poses.camera,
        poses.T_camera_middle,
        np.ascontiguousarray(T_camera_world),
        (_GROSS * corners.diagonal_px) ** 2,
        half_turn,
        T,
        turned,
    )
    if half_turn:
        _follow(T, turned, first_view)
    T[:, :3, 3] -= T[:, :3, :3] @ poses.middle
    return T, turned & usable


def renumbered(sightings: Sightings, poses: BoardPoses, turned: Mask) -> Sightings:
    """The sightings with the numbering of some views turned by half."""
    half_turn = sightings.board.half_turn
    if half_turn is None or not turned.any():
        return sightings
    rows = np.repeat(turned, np.diff(poses.starts))
    corner = np.where(rows, half_turn[sightings.corner], sightings.corner)
    return Sightings.build(
        sightings.board,
        sightings.cameras,
        sightings.image_sizes,
        sightings.times_s,
        sightings.camera,
        sightings.moment,
        corner,
        sightings.pixels,
        sightings.blur_px,
    )


def _follow(T: Array, turned: Mask, first_view: Indices) -> None:
    """Turn boards by half where that is nearer to the moment before."""
    before = None
    for moment in np.flatnonzero(np.isfinite(T[:, 0, 0])):
        R = T[moment, :3, :3]
        # Turning negates the first two columns, so their agreement with those before decides.
        if before is not None and (before[:, :2] * R[:, :2]).sum() < 0:
            R[:, :2] *= -1.0
            views = slice(first_view[moment], first_view[moment + 1])
            turned[views] = ~turned[views]
        before = R


@compiled
def _place(
    points: Array, ideal: Array, scale: Array, inlier: Mask, starts: Indices, first_view: Indices,
    usable: Mask, camera: Indices, T_camera_board: Array, T_camera_world: Array, gross: Array,
    half_turn: bool, out: Array, turned: Mask,
) -> None:  # fmt: skip
    for moment in range(len(out)):
        views = np.array(
            [v for v in range(first_view[moment], first_view[moment + 1]) if usable[v]], dtype=np.int64
        )
        if len(views) == 0:
            continue
        best = np.inf
        T = np.eye(4)
        flips = np.zeros(len(views), dtype=np.bool_)
        for v in views:
            for k in range(2):
                if np.isnan(T_camera_board[v, k, 0, 0]):
                    continue
                trial = np.linalg.inv(T_camera_world[camera[v]]) @ T_camera_board[v, k]
                total = 0.0
                trial_flips = np.zeros(len(views), dtype=np.bool_)
                for j in range(len(views)):
                    w = views[j]
                    pose = T_camera_world[camera[w]] @ trial
                    limit = gross[camera[w]]
                    cost = _misfit(points, ideal, scale, inlier, starts[w], starts[w + 1], pose, 1.0, limit)
                    if half_turn:
                        other = _misfit(
                            points, ideal, scale, inlier, starts[w], starts[w + 1], pose, -1.0, limit
                        )
                        trial_flips[j] = other < cost
                        cost = min(cost, other)
                    total += cost
                if total < best:
                    best = total
                    T[:], flips[:] = trial, trial_flips
        turned[views] = flips
        size = 0
        for v in views:
            size += starts[v + 1] - starts[v]
        p, q, A = np.empty((size, 2)), np.empty((size, 2)), np.empty((size, 2, 2))
        weights = np.zeros(size)
        bounds = np.zeros(len(views) + 1, dtype=np.int64)
        for j in range(len(views)):
            v = views[j]
            start = bounds[j]
            bounds[j + 1] = start + starts[v + 1] - starts[v]
            sign = -1.0 if flips[j] else 1.0
            for i in range(starts[v + 1] - starts[v]):
                row = starts[v] + i
                p[start + i], q[start + i], A[start + i] = sign * points[row], ideal[row], scale[row]
                weights[start + i] = 1.0 if inlier[row] else 0.0
        _refine(p, q, A, weights, bounds, T_camera_world[camera[views]], T)
        out[moment] = T


@compiled
def _misfit(
    points: Array, ideal: Array, scale: Array, inlier: Mask,
    start: int, stop: int, T: Array, sign: float, limit: float,
) -> float:  # fmt: skip
    """Sum of the squared errors of a view's inliers, none counted above the limit."""
    total = 0.0
    for i in range(start, stop):
        if not inlier[i]:
            continue
        x, y = sign * points[i, 0], sign * points[i, 1]
        z = T[2, 0] * x + T[2, 1] * y + T[2, 3]
        if z <= 0.0:
            total += limit
            continue
        u = (T[0, 0] * x + T[0, 1] * y + T[0, 3]) / z - ideal[i, 0]
        v = (T[1, 0] * x + T[1, 1] * y + T[1, 3]) / z - ideal[i, 1]
        square = (scale[i, 0, 0] * u + scale[i, 0, 1] * v) ** 2 + (
            scale[i, 1, 0] * u + scale[i, 1, 1] * v
        ) ** 2
        total += min(square, limit)
    return total


@compiled
def _refine(
    p: Array, q: Array, A: Array, inlier: Array, bounds: Indices, T_camera_world: Array, T: Array
) -> None:
    """The board's pose in the world, of least robust error in all views, in place."""
    weights = inlier.copy()
    sigma = 0.0
    for _ in range(_ROUNDS):
        H, g = np.empty((6, 6)), np.empty(6)
        total = _sum(p, q, A, weights, bounds, T_camera_world, T, H, g)
        damping = 1e-6
        for _ in range(_STEPS):
            M = H.copy()
            for k in range(6):
                M[k, k] *= 1.0 + damping
            step = -g
            if not solve(M, step):
                return
            trial = T.copy()
            for i in range(3):
                trial[i, 3] += T[i, 0] * step[0] + T[i, 1] * step[1] + T[i, 2] * step[2]
            R = trial[:3, :3].copy()
            turn(R, step[3], step[4], step[5])
            trial[:3, :3] = R
            newH, newg = np.empty((6, 6)), np.empty(6)
            lower = _sum(p, q, A, weights, bounds, T_camera_world, trial, newH, newg)
            if not lower <= total:
                damping = max(damping, 1e-4) * 10.0
                continue
            gain = total - lower
            T[:], H, g, total = trial, newH, newg, lower
            damping *= 0.1
            if gain <= 1e-8 * total:
                break
        squares = np.empty(len(p))
        for j in range(len(T_camera_world)):
            rows = slice(bounds[j], bounds[j + 1])
            pose = T_camera_world[j] @ T
            R, t = pose[:3, :3].copy(), pose[:3, 3].copy()
            squares[rows] = squared_errors(p[rows], q[rows], A[rows], R, t)
        previous = sigma
        sigma = max(np.sqrt(np.median(squares[inlier > 0.0])) / RAYLEIGH_MEDIAN, _SMALLEST_SIGMA_PX)
        for i in range(len(p)):
            ratio = squares[i] / (TUKEY * sigma) ** 2
            weights[i] = (1.0 - ratio) ** 2 if ratio < 1.0 and inlier[i] > 0.0 else 0.0
        if abs(sigma - previous) <= 1e-3 * sigma:
            break


@compiled
def _sum(
    p: Array, q: Array, A: Array, weights: Array, bounds: Indices, T_camera_world: Array, T: Array,
    H: Array, g: Array,
) -> float:  # fmt: skip
    """Normal equations of all views; a step in the board's frame is the same for every camera."""
    H[:] = 0.0
    g[:] = 0.0
    total = 0.0
    partH, partg = np.empty((6, 6)), np.empty(6)
    for j in range(len(T_camera_world)):
        rows = slice(bounds[j], bounds[j + 1])
        pose = T_camera_world[j] @ T
        R, t = pose[:3, :3].copy(), pose[:3, 3].copy()
        total += normal_equations(p[rows], q[rows], A[rows], weights[rows], R, t, partH, partg)
        H += partH
        g += partg
    return total
