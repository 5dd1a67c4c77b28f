"""Distances between neighbouring corners in space: what they are, against what they should be."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from handloom.calibration.calibration import Calibration
from handloom.keypoints import Array
from handloom.reconstruction.triangulation import triangulate
from handloom.view.calibration_report.evidence import board_scale
from handloom.view.measures import rms_present

_MOMENTS_AT_ONCE = 128
_MOMENTS_OF_A_PAIR = 150
_LEAST_SIGMA_PX = 0.02


@dataclass(frozen=True, eq=False)
class Squares:
    """Sides of the board's squares, measured by triangulation; in the rig's unit.

    Attributes:
        truth: the side of a square; of a rig of unknown scale the mean of what was measured.
        lengths: (K,) every side at every moment that two cameras saw both ends of.
        by_pair: (C, C) root mean square error where only two cameras of the sightings measure.
    """

    truth: float
    lengths: Array
    by_pair: Array

    @property
    def mean(self) -> float:
        """Mean side."""
        return float(self.lengths.mean())

    @property
    def deviation(self) -> float:
        """Standard deviation of the sides."""
        return float(self.lengths.std())

    @property
    def rms_error(self) -> float:
        """Root mean square difference from the truth."""
        return float(np.sqrt(np.mean((self.lengths - self.truth) ** 2)))


def measured_squares(calibration: Calibration) -> Squares | None:
    """Triangulate the corners that were used, and measure; None where no two cameras saw neighbours."""
    sightings = calibration.sightings
    numbers = [i for i, name in enumerate(sightings.cameras) if name in calibration.rig.names]
    rows = np.flatnonzero(calibration.used & np.isin(sightings.camera, numbers))
    ideal = np.full((len(sightings), 2), np.nan)
    for number in numbers:
        own = rows[sightings.camera[rows] == number]
        ideal[own] = calibration.rig[sightings.cameras[number]].undistort(sightings.pixels[own])
    several = np.flatnonzero((sightings.counts[:, numbers] > 0).sum(axis=1) > 1)
    parts = [
        _sides(calibration, numbers, ideal, several[start : start + _MOMENTS_AT_ONCE])
        for start in range(0, len(several), _MOMENTS_AT_ONCE)
    ]
    lengths = np.concatenate([*parts, np.empty(0)])
    if not len(lengths):
        return None
    truth = float(lengths.mean())
    if calibration.rig.unit != "unknown":
        truth = sightings.board.square_m * board_scale(calibration)
    by_pair = np.full((len(sightings.cameras),) * 2, np.nan)
    for a, b in combinations(numbers, 2):
        shared = np.flatnonzero((sightings.counts[:, [a, b]] > 0).all(axis=1))
        some = shared[np.linspace(0, len(shared) - 1, min(len(shared), _MOMENTS_OF_A_PAIR)).astype(int)]
        by_pair[a, b] = by_pair[b, a] = rms_present(_sides(calibration, [a, b], ideal, some) - truth)
    return Squares(truth, lengths, by_pair)


def _sides(calibration: Calibration, numbers: list[int], ideal: Array, moments: np.ndarray) -> Array:
    """(K,) sides at some moments, as some cameras see them.

    Args:
        numbers: of the cameras, in the sightings.
        ideal: (N, 2) undistorted image positions of the sightings; NaN for rows not to use.
        moments: rising numbers of moments.
    """
    sightings = calibration.sightings
    place = np.full(len(sightings.cameras), -1)
    place[numbers] = np.arange(len(numbers))
    rows = np.flatnonzero(np.isin(sightings.moment, moments) & (place[sightings.camera] >= 0))
    xy = np.full((len(numbers), len(moments), len(sightings.board.points), 2), np.nan)
    when = np.searchsorted(moments, sightings.moment[rows])
    xy[place[sightings.camera[rows]], when, sightings.corner[rows]] = ideal[rows]
    cameras = [calibration.rig[sightings.cameras[number]] for number in numbers]
    noise = max(_LEAST_SIGMA_PX, np.nan_to_num(calibration.rms_px) / np.sqrt(2.0))
    points = triangulate(
        xy,
        np.stack([camera.T_camera_world for camera in cameras]),
        np.array([noise / camera.K[0, 0] for camera in cameras]),
    ).points
    first, second = sightings.board.pairs.T
    sides = np.linalg.norm(points[:, first] - points[:, second], axis=-1).ravel()
    return np.asarray(sides[np.isfinite(sides)])
