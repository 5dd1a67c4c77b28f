"""Where the board is before every camera that saw it, lens given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.linking.board_pose_kernel import find_poses
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera

Array = NDArray[np.float64]

_STEP = 1e-5  # ideal coordinates; for the derivative of the lens
_LARGEST_SIGMA = 0.005  # of the picture's diagonal: what fits worse than this is not the board
_SAME = np.cos(np.deg2rad(0.5))
_TWIN = 4.0  # the second solution is kept while its errors are not this many times larger


@dataclass(frozen=True, eq=False)
class IdealCorners:
    """The corners of sightings as lenses without distortion would show them.

    Attributes:
        ideal: (N, 2) coordinates x/z, y/z; NaN where the lens model does not reach or the camera is unknown.
        scale: (N, 2, 2) pixels per ideal coordinate at each corner.
        diagonal_px: (C,) of the pictures.
    """

    ideal: Array
    scale: Array
    diagonal_px: Array


@dataclass(frozen=True, eq=False)
class BoardPoses:
    """Poses of the board in V views, each with the twin that a flat board seen from afar may have.

    The frame is the board's, moved to the middle of its points. Steps (ρ, φ) are taken in it:
    R ← R exp(φ), t ← t + R ρ.

    Attributes:
        camera: (V,) number of the camera.
        moment: (V,) number of the moment.
        starts: (V + 1,) first row of every view in the sightings.
        T_camera_middle: (V, 2, 4, 4) the likelier pose first; NaN where there is none, or no twin.
        sigma_px: (V, 2) robust standard deviation of the corners' errors, per axis.
        excess: (V, 2) by how much the squared errors add up to more than the likelier pose's, pixels².
        information: (V, 2, 6, 6) normal matrix of the pose for errors of one pixel.
        inlier: (N,) rows of the sightings that fit.
        facing: (V,) whether the board shows its front; one printed on both sides may be
            seen from behind, all others only in a mirrored picture.
        middle: (3,) of the board's points, in the board's frame.
    """

    camera: NDArray[np.int64]
    moment: NDArray[np.int64]
    starts: NDArray[np.int64]
    T_camera_middle: Array
    sigma_px: Array
    excess: Array
    information: Array
    inlier: NDArray[np.bool_]
    facing: NDArray[np.bool_]
    middle: Array

    @property
    def found(self) -> NDArray[np.bool_]:
        """(V,) whether there is a pose."""
        return np.isfinite(self.sigma_px[:, 0])

    @property
    def T_camera_board(self) -> Array:
        """(V, 2, 4, 4) the poses of the board's own frame."""
        T = self.T_camera_middle.copy()
        T[..., :3, 3] -= T[..., :3, :3] @ self.middle
        return T

    @property
    def corners(self) -> NDArray[np.int64]:
        """(V,) how many corners fit."""
        totals = np.concatenate([[0], np.cumsum(self.inlier)])
        return totals[self.starts[1:]] - totals[self.starts[:-1]]


def ideal_corners(sightings: Sightings, cameras: Sequence[Camera | None]) -> IdealCorners:
    """Corners freed of their lenses' distortion.

    Args:
        sightings: the corners.
        cameras: (C,) the cameras in the sightings' order, None where the lens is unknown; poses are ignored.
    """
    ideal = np.full((len(sightings), 2), np.nan)
    scale = np.full((len(sightings), 2, 2), np.nan)
    for number, camera in enumerate(cameras):
        rows = sightings.camera == number
        if camera is None or not rows.any():
            continue
        here = replace(camera, T_camera_world=np.eye(4))
        ideal[rows] = here.undistort(sightings.pixels[rows])
        ahead = np.concatenate([ideal[rows], np.ones((rows.sum(), 1))], axis=-1)
        for axis in range(2):
            step = np.zeros(3)
            step[axis] = _STEP
            scale[rows, :, axis] = (here.project(ahead + step) - here.project(ahead - step)) / (2 * _STEP)
    return IdealCorners(ideal, scale, np.linalg.norm(sightings.image_sizes, axis=-1))


def find_board_poses(sightings: Sightings, cameras: Sequence[Camera | None]) -> BoardPoses:
    """Robust pose of the board in every view.

    See :mod:`handloom.calibration.linking.board_pose_kernel` for the method. There is no pose where fewer
    than four corners are seen, where they lie on a line, or where half of them do not fit.

    Args:
        sightings: corners of a flat board.
        cameras: (C,) the cameras in the sightings' order, None where the lens is unknown; poses are ignored.
    """
    return poses_of(sightings, ideal_corners(sightings, cameras))


def poses_of(sightings: Sightings, corners: IdealCorners) -> BoardPoses:
    """:func:`find_board_poses` for corners that are freed of their lenses' distortion already."""
    middle = sightings.board.points.mean(axis=0)
    views = sightings.views
    count = len(views)
    camera = np.array([view.camera for view in views], dtype=np.int64)
    moment = np.array([view.moment for view in views], dtype=np.int64)
    starts = np.array([*(view.rows.start for view in views), len(sightings)], dtype=np.int64)
    R, t = np.empty((count, 2, 3, 3)), np.empty((count, 2, 3))
    sigma, excess = np.empty((count, 2)), np.empty((count, 2))
    information = np.empty((count, 2, 6, 6))
    inlier, facing = np.zeros(len(sightings), dtype=np.bool_), np.zeros(count, dtype=np.bool_)
    points = np.ascontiguousarray((sightings.object_points - middle)[:, :2])
    find_poses(points, corners.ideal, corners.scale, starts, R, t, sigma, excess, information, inlier, facing)
    T = np.zeros((count, 2, 4, 4))
    T[..., :3, :3], T[..., :3, 3], T[..., 3, 3] = R, t, 1.0
    poses = BoardPoses(camera, moment, starts, T, sigma, excess, information, inlier, facing, middle)
    good = (2 * poses.corners >= np.diff(starts)) & (poses.corners >= 4)
    good &= sigma[:, 0] <= _LARGEST_SIGMA * corners.diagonal_px[camera]
    # Near the camera both starts may end in one pose, which is no twin of itself.
    cosine = ((R[:, 0] * R[:, 1]).sum(axis=(-2, -1)) - 1.0) / 2.0
    twin = good & (sigma[:, 1] <= _TWIN * sigma[:, 0]) & (cosine < _SAME)
    keep = np.stack([good, twin], axis=-1)
    inlier &= np.repeat(good, np.diff(starts))
    for array in (T, sigma, excess, information):
        array[~keep] = np.nan
    return poses
