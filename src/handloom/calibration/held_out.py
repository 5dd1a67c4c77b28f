"""How well a calibration predicts corners that took no part in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.adjustment.bundle import BundleOptions, adjust_boards
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera

Array = NDArray[np.float64]

EVERY = 5
"""One moment of so many is held out."""

_LEAST_MOMENTS = 10
_LEAST_CORNERS = 4  # that a pose is computed from


def held_out_residuals(
    sightings: Sightings,
    cameras: Sequence[Camera | None],
    T_world_board: Array,
    options: BundleOptions,
    used: NDArray[np.bool_],
) -> Array:
    """Errors at corners of moments without which the cameras were calibrated again.

    Every fifth moment takes no part in the cameras. Its board is then placed by one half of its corners (over
    all cameras), which predicts the other half, and the other way round.

    Args:
        sightings: the corners.
        cameras: (C) the calibration of all of them, from which the one without starts.
        T_world_board: (T, 4, 4) its boards.
        options: of the adjustment.
        used: (N,) rows that are no outliers; the others are neither used nor predicted.

    Returns:
        (N, 2) seen minus predicted, pixels; NaN at rows that were not held out.
    """
    residuals = np.full((len(sightings), 2), np.nan)
    moments = np.unique(sightings.moment[used])
    held = moments[EVERY // 2 :: EVERY]
    if len(moments) < _LEAST_MOMENTS:
        return residuals
    is_held = np.isin(sightings.moment, held)
    without = adjust_boards(sightings.where(used & ~is_held), cameras, T_world_board, options)
    lenses_held = replace(
        options,
        free_intrinsics=False,
        free_poses=np.zeros(len(cameras), dtype=bool),
        prior_mean=None,
        prior_std=None,
        robust=False,
        timing=False,
    )
    for half in (0, 1):
        placing = is_held & used & (sightings.corner % 2 == half)
        enough = np.bincount(sightings.moment[placing], minlength=len(sightings.times_s)) >= _LEAST_CORNERS
        placing &= enough[sightings.moment]
        predicted = is_held & used & (sightings.corner % 2 != half) & enough[sightings.moment]
        if not (placing.any() and predicted.any()):
            continue
        placed = adjust_boards(sightings.where(placing), without.cameras, T_world_board, lenses_held)
        for c, camera in enumerate(without.cameras):
            rows = predicted & (sightings.camera == c)
            if camera is None or not rows.any():
                continue
            T = placed.T_world_board[sightings.moment[rows]]
            local = sightings.object_points[rows]
            world = (T[:, :3, :3] @ local[:, :, None])[..., 0] + T[:, :3, 3]
            residuals[rows] = sightings.pixels[rows] - camera.project(world)
    return residuals
