"""Starting values of a lens and of the poses before it, from homographies.

Zhang's equations (2000, section 3.1) are linear in the focal length and break down where the board faces the
camera or the lens bends it. A search over focal lengths asks the same question of the whole picture: with
which one do rigid poses explain the homographies?
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.lenses.fit import Poses, refine_poses, residuals_of
from handloom.calibration.lenses.homography import (
    fit_homographies,
    poses_from_homographies,
    reversed_poses,
    robust_homographies,
)
from handloom.calibration.lenses.models import FOCAL, Belief, ideal_coordinates
from handloom.calibration.lenses.views import BoardViews
from handloom.cameras import Camera
from handloom.cameras.camera import LensModel as CameraModel

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_FOCALS = 14
_REACH = 2.2  # standard deviations of the logarithm to either side of the typical focal length
_UNLIKELY = 0.02  # by which share the cost grows a standard deviation away: enough where all fit equally
_MOST_VIEWS = 24
_FIRST_STEPS = 2
_RIVAL = 10.0  # times the cost of the other pose, above which a pose is not pursued


def starting_lens(views: BoardViews, camera_model: CameraModel, belief: Belief, trusted: Mask) -> Array:
    """(12,) lens without distortion whose focal length explains the views best.

    Args:
        views: what was seen.
        camera_model: an ideal pinhole, or an equidistant fisheye.
        belief: prior; a focal length that it holds is taken as it is.
        trusted: (V, M) corners to rely on.
    """
    if not belief.std[FOCAL]:
        return belief.mean.copy()
    some = np.unique(np.linspace(0, len(views) - 1, _MOST_VIEWS).astype(int))
    views, trusted = views.take(some), trusted[some]
    reach = _REACH * belief.std[FOCAL]
    candidates, costs = [], []
    for offset in np.linspace(-reach, reach, _FOCALS):
        lens = belief.mean.copy()
        lens[FOCAL] += offset
        poses = starting_poses(views, camera_model, lens, trusted)
        error = np.linalg.norm(residuals_of(views, camera_model, lens, poses), axis=-1)
        candidates.append(lens)
        unlikely = 1.0 + _UNLIKELY * (offset / belief.std[FOCAL]) ** 2
        costs.append(unlikely * float(np.minimum(error[trusted], 1e3).mean()))
    return candidates[int(np.argmin(costs))]


def starting_poses(views: BoardViews, camera_model: CameraModel, lens: Array, trusted: Mask) -> Poses:
    """Poses that follow from homographies for a lens without distortion."""
    ideal, inside = ideal_coordinates(views.pixels, lens, camera_model)
    H = fit_homographies(views.points, ideal, np.where(trusted & inside, 1.0, 1e-9 * views.valid))
    return Poses(*poses_from_homographies(H))


def poses_before(camera: Camera, lens: Array, views: BoardViews) -> tuple[Poses, Mask]:
    """Poses of the board before a camera whose lens is known, and (V, M) the corners that they rest on."""
    ideal = camera.undistort(views.pixels)
    inside = views.valid & np.isfinite(ideal).all(axis=-1)
    ideal = np.where(inside[..., None], ideal, 0.0)
    H, trusted = robust_homographies(views.points, ideal, inside)
    return righted(views, camera.model, lens, Poses(*poses_from_homographies(H)), trusted), trusted


def righted(views: BoardViews, camera_model: CameraModel, lens: Array, poses: Poses, trusted: Mask) -> Poses:
    """The better of each view's two possible poses, refined: a small board's depth can be turned round."""
    weights = trusted.astype(np.float64)
    poses, cost = refine_poses(views, camera_model, lens, poses, weights)
    other = Poses(reversed_poses(poses.R, poses.t), poses.t)
    other, other_cost = refine_poses(views, camera_model, lens, other, weights, _FIRST_STEPS)
    rival = np.flatnonzero(other_cost < _RIVAL * cost)
    if not len(rival):
        return poses
    close = Poses(other.R[rival], other.t[rival])
    close, close_cost = refine_poses(views.take(rival), camera_model, lens, close, weights[rival])
    better = close_cost < cost[rival]
    R, t = poses.R.copy(), poses.t.copy()
    R[rival[better]], t[rival[better]] = close.R[better], close.t[better]
    return Poses(R, t)
