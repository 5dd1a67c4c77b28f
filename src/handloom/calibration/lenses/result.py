"""What all pictures of a camera say once its lens is known: the board's poses, residuals, outliers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.calibration import LensChoice, Uncertainty
from handloom.calibration.lenses.fit import Poses, refine_poses, residuals_of
from handloom.calibration.lenses.models import (
    from_camera,
)
from handloom.calibration.lenses.start import poses_before
from handloom.calibration.lenses.views import BoardViews
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera
from handloom.hand.kinematics import rigid

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_CORNERS = 6  # four give a pose, but contradict nothing
_CUTOFF = 4.0  # standard deviations at which a corner is an outlier


@dataclass(frozen=True, eq=False)
class LensResult:
    """What the pictures of one camera say of its lens.

    Attributes:
        camera: the camera, its pose the identity.
        choice: the model it got, and how well others would have predicted unseen views.
        T_camera_board: (T, 4, 4) pose of the board at every moment; NaN where the camera did not see enough
            of it.
        rows: (n,) the camera's rows of the sightings.
        residuals: (n, 2) seen minus projected, pixels, of those rows; NaN where there is no pose.
        used: (n,) rows that were not set aside as outliers.
        sigma_px: standard deviation of a corner that was used, per axis.
        uncertainty: standard deviations of the lens; those of the pose are 0.
        selected: (m,) moments that the lens was computed from.
    """

    camera: Camera
    choice: LensChoice
    T_camera_board: Array
    rows: NDArray[np.int64]
    residuals: Array
    used: Mask
    sigma_px: float
    uncertainty: Uncertainty
    selected: NDArray[np.int32]

    @property
    def rms_px(self) -> float:
        """Root mean square length of the residuals that were used, pixels."""
        squares = np.sum(self.residuals[self.used] ** 2, axis=-1)
        return float(np.sqrt(squares.mean())) if len(squares) else float("nan")


def explain_given(sightings: Sightings, camera: int, given: Camera) -> LensResult:
    """Poses and residuals of all pictures of a camera, by number, through a lens that is taken as given."""
    own = replace(given, name=sightings.cameras[camera], T_camera_world=np.eye(4))
    views = BoardViews.of(sightings, [camera])
    lens = from_camera(own)
    poses, trusted = poses_before(own, lens, views)
    error = np.linalg.norm(residuals_of(views, own.model, lens, poses), axis=-1)[trusted]
    return explain(
        sightings,
        own,
        views,
        poses,
        trusted,
        sigma_px=float(np.sqrt((error**2).mean() / 2)) if len(error) else float("nan"),
        choice=LensChoice("given"),
        uncertainty=Uncertainty(*(np.zeros(n) for n in (2, 2, len(own.distortion), 3, 3))),
        selected=np.zeros(0, dtype=np.int32),
    )


def explain(
    sightings: Sightings,
    own: Camera,
    views: BoardViews,
    poses: Poses,
    trusted: Mask,
    *,
    sigma_px: float,
    choice: LensChoice,
    uncertainty: Uncertainty,
    selected: NDArray[np.int32],
) -> LensResult:
    """Poses and residuals of all pictures of a camera for a lens that is known by now."""
    lens = from_camera(own)
    used = trusted
    for _ in range(2):
        enough = used.sum(axis=1, keepdims=True) >= LEAST_CORNERS
        poses, _cost = refine_poses(views, own.model, lens, poses, np.where(enough, used, trusted))
        residuals = residuals_of(views, own.model, lens, poses)
        used = views.valid & (np.linalg.norm(residuals, axis=-1) < _CUTOFF * sigma_px)

    T = np.full((len(sightings.times_s), 4, 4), np.nan)
    T[views.moment] = rigid(poses.R, poses.t - poses.R @ views.middle)
    rows = np.flatnonzero(sightings.camera == sightings.cameras.index(own.name))
    place = np.searchsorted(rows, views.rows[views.valid])
    all_residuals, all_used = np.full((len(rows), 2), np.nan), np.zeros(len(rows), dtype=bool)
    found = residuals[views.valid]
    all_residuals[place] = np.where(np.isfinite(found), found, np.nan)
    all_used[place] = used[views.valid]
    return LensResult(own, choice, T, rows, all_residuals, all_used, sigma_px, uncertainty, selected)
