"""Where a fit begins: at inverse kinematics of points in space, at the best of several tries without."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from handloom.fitting.equations import Observations, Terms
from handloom.fitting.solver import couples_fingers, elimination, fit_each
from handloom.hand import HandModel
from handloom.hand.articulation import ANGLES, POSE, articulation, keypoints_of
from handloom.hand.inverse import invert
from handloom.reconstruction.triangulation import triangulate_dlt

Array = NDArray[np.float64]

SWEEPS = 3
_FEWEST = 4  # keypoints in space that inverse kinematics needs to be worth more than a guess
_TRY_ITERATIONS = 12


def start_poses(
    model: HandModel, seen: Observations, terms: Terms, shapes: Array
) -> tuple[Array, Array, Array]:
    """States to begin a fit at.

    Frames with 3D keypoints, or with enough views to triangulate some, begin at their inverse kinematics.
    Where a single view saw the hand, the mean pose is tried from all sides at the distance its size in the
    picture suggests, and the try that fits best after a few iterations is taken.

    Args:
        model, seen, terms: the problem.
        shapes: (N, B).

    Returns:
        (N, 45) angles, (N, 3, 3) and (N, 3) rotation and place; NaN where nothing was seen.
    """
    N = len(seen.points)
    hand, keypoints = articulation(model), keypoints_of(model)
    known = seen.point_precision.trace(axis1=-2, axis2=-1) > 0.0
    xyz = np.where(known[..., None], seen.points, np.nan)
    observed = seen.ray_precision[..., 0] > 0.0
    if len(seen.view_R) >= 2:
        P = np.concatenate([seen.view_R, seen.view_t[..., None]], axis=-1)
        rays = np.where(observed[..., None], seen.rays, np.nan)
        met = triangulate_dlt(P, rays, np.where(observed, seen.ray_precision[..., 0], 0.0), threads=1)
        xyz = np.where(known[..., None], xyz, met)
    angles, R, t = np.empty((N, ANGLES)), np.empty((N, 3, 3)), np.empty((N, 3))
    invert(hand, keypoints, np.ascontiguousarray(xyz), shapes, angles, R, t, SWEEPS)
    np.clip(angles, hand.lowest, hand.highest, out=angles)
    few = np.isfinite(xyz).all(axis=-1).sum(axis=1) < _FEWEST
    for n in np.flatnonzero(few & (observed.sum(axis=2) >= _FEWEST).any(axis=0)):
        angles[n], R[n], t[n] = _best_try(model, seen, terms, shapes[n], int(n))
    return angles, R, t


def _best_try(
    model: HandModel, seen: Observations, terms: Terms, shape: Array, n: int
) -> tuple[Array, Array, Array]:
    hand, keypoints = articulation(model), keypoints_of(model)
    mean = terms.pose_mean[0] if len(terms.pose_mean) else np.zeros(ANGLES)
    mean = np.clip(mean, hand.lowest, hand.highest)
    rest = model.pose(mean.reshape(15, 3), shape).keypoints
    c = int((seen.ray_precision[:, n, :, 0] > 0.0).sum(axis=1).argmax())
    use = seen.ray_precision[c, n, :, 0] > 0.0
    rays = seen.rays[c, n, use]
    tries = Rotation.create_group("O").as_matrix()
    spread = np.sqrt(np.square(rays - rays.mean(axis=0)).sum(axis=1).mean())
    count = len(tries)
    R, t = np.empty((count, 3, 3)), np.empty((count, 3))
    for k, turn in enumerate(tries):
        turned = rest[use] @ turn.T
        centre = turned.mean(axis=0)
        size = np.sqrt(np.square((turned - centre)[:, :2]).sum(axis=1).mean())
        place = np.append(rays.mean(axis=0), 1.0) * size / max(spread, 1e-6) - centre
        R[k] = seen.view_R[c].T @ turn
        t[k] = seen.view_R[c].T @ (place - seen.view_t[c])
    repeated = Observations(
        points=np.repeat(seen.points[n : n + 1], count, axis=0),
        point_precision=np.repeat(seen.point_precision[n : n + 1], count, axis=0),
        view_R=seen.view_R,
        view_t=seen.view_t,
        rays=np.repeat(seen.rays[:, n : n + 1], count, axis=1),
        ray_precision=np.repeat(seen.ray_precision[:, n : n + 1], count, axis=1),
        expected_angles=np.repeat(seen.expected_angles[n : n + 1], count, axis=0),
        expected_R=np.repeat(seen.expected_R[n : n + 1], count, axis=0),
        expected_t=np.repeat(seen.expected_t[n : n + 1], count, axis=0),
        expected_precision=np.repeat(seen.expected_precision[n : n + 1], count, axis=0),
    )
    angles, shapes = np.tile(mean, (count, 1)), np.tile(shape, (count, 1))
    costs, taken, ended = np.empty(count), np.empty(count, dtype=np.int64), np.empty(count, dtype=bool)
    order, first = elimination(POSE, coupled=couples_fingers(keypoints, terms))
    fit_each(
        hand, keypoints, repeated, terms, angles, R, t, shapes, order, first, _TRY_ITERATIONS, 1e-2,
        costs, taken, ended,
    )  # fmt: skip
    best = int(np.nanargmin(costs))
    return angles[best], R[best], t[best]
