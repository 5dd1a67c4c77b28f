"""The most probable motion given all observations: one sparse least-squares problem per stretch of frames.

Unknown are all joints in all frames. The terms (:mod:`handloom.reconstruction.trajectory_kernels`) are the
distances to the observed rays, second differences in time, bone lengths and the bending of fingers. Because
the past and the future enter alike, the result lags behind nothing; on a window that ends at the present
frame the same problem is a causal filter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, solveh_banded
from threadpoolctl import ThreadpoolController

from handloom.cameras import CameraRig
from handloom.reconstruction import trajectory_kernels as kernels

Array = NDArray[np.float64]

ACCELERATION_KNEE = 10.0
"""Second differences beyond so many σ count linearly: a real jerk is not flattened."""

CONVERGED = 2e-4
"""Relative decrease of the cost at which the iteration ends."""


@dataclass(frozen=True, eq=False)
class MotionModel:
    """What is known of a motion before it is seen.

    Attributes:
        pairs: (B, 2) joints that keep their distance.
        lengths: (B,) those distances, in world units.
        length_sigma: (B,) their standard deviations.
        acceleration: (J,) standard deviation of a second difference per axis, world units per frame².
        chains: (F, 4) joints of each finger, base to tip; (0, 4) where there are none.
        bending_ratio: bend of a finger's last joint relative to the one before.
        bending_sigma: standard deviation of that relation, radians (as a sine).
    """

    pairs: NDArray[np.int64]
    lengths: Array
    length_sigma: Array
    acceleration: Array
    chains: NDArray[np.int64]
    bending_ratio: float = 0.6
    bending_sigma: float = 0.8


@dataclass(frozen=True, eq=False)
class Evidence:
    """Observations ready for the solver.

    Attributes:
        R, t: (C, 3, 3) and (C, 3) of the cameras' T_camera_world.
        rays: (C, T, J, 2) undistorted normalised image coordinates; anything where precision is 0.
        precision: (C, T, J) 1/σ in the same units; 0 where there is no observation.
    """

    R: Array
    t: Array
    rays: Array
    precision: Array

    @classmethod
    def of(cls, rig: CameraRig, rays: Array, sigma: Array, use: NDArray[np.bool_]) -> Evidence:
        """Build from (C, T, J, 2) rays and (C, T, J) standard deviations, where ``use`` allows."""
        poses = np.stack([camera.T_camera_world for camera in rig])
        seen = use & np.isfinite(rays).all(axis=-1) & (sigma > 0)
        precision = np.zeros(sigma.shape)
        np.divide(1.0, sigma, out=precision, where=seen)
        return cls(
            np.ascontiguousarray(poses[:, :3, :3]),
            np.ascontiguousarray(poses[:, :3, 3]),
            np.ascontiguousarray(np.where(seen[..., None], rays, 0.0)),
            precision,
        )

    def frames(self, start: int, stop: int) -> Evidence:
        """The same for a range of frames."""
        rays = np.ascontiguousarray(self.rays[:, start:stop])
        return Evidence(self.R, self.t, rays, np.ascontiguousarray(self.precision[:, start:stop]))


class Workspace:
    """Memory for the normal equations, kept from one solve to the next.

    They are tens of megabytes: given back and asked for anew each time, they leave a long run's heap in
    holes.
    """

    def __init__(self) -> None:
        self._bands = np.empty((3, 0))

    def bands(self, rows: int, unknowns: int) -> list[Array]:
        """Three arrays of (rows, unknowns), in the order LAPACK wants; what they hold is arbitrary."""
        if self._bands.shape[1] < rows * unknowns:
            self._bands = np.empty((3, rows * unknowns))
        return [band[: rows * unknowns].reshape(unknowns, rows).T for band in self._bands]


def smooth(
    initial: Array,
    evidence: Evidence,
    model: MotionModel,
    *,
    iterations: int = 8,
    workspace: Workspace | None = None,
) -> Array:
    """Solve for all joints in all frames by Levenberg–Marquardt.

    Args:
        initial: (T, J, 3) starting points, finite.
        evidence: the observations of the same T frames.
        model: what is known beforehand.
        iterations: upper limit of linear solves.
        workspace: memory to use again.

    Returns:
        (T, J, 3) points.
    """
    points = np.ascontiguousarray(initial)
    bands = (workspace or Workspace()).bands(6 * points.shape[1] + 1, points.size)
    with _blas().limit(limits=1, user_api="blas"):
        return _solved(points, evidence, model, iterations, bands)


@cache
def _blas() -> ThreadpoolController:
    """Handle on the BLAS threads: on bands this narrow they spend their time waiting for each other."""
    return ThreadpoolController()


def _solved(
    points: Array, evidence: Evidence, model: MotionModel, iterations: int, bands: list[Array]
) -> Array:
    band, spare, scratch = bands
    damping = 1e-6
    gradient, cost = _normal_equations(points, evidence, model, band)
    for _ in range(iterations):
        candidate = points + _step(band, gradient, damping, scratch).reshape(points.shape)
        new_gradient, new_cost = _normal_equations(candidate, evidence, model, spare)
        if not new_cost < cost:
            damping = max(damping * 30, 1e-3)
            continue
        gain = (cost - new_cost) / max(cost, 1e-300)
        points, gradient, cost = candidate, new_gradient, new_cost
        band, spare = spare, band
        damping = max(damping / 10, 1e-9)
        if gain < CONVERGED:
            break
    return points


def _normal_equations(
    points: Array, evidence: Evidence, model: MotionModel, band: Array
) -> tuple[Array, float]:
    """Fill ``band`` with the normal matrix; returns the gradient and the cost."""
    band[:] = 0.0
    gradient = np.zeros(points.size)
    cost = kernels.add_reprojection(
        points, evidence.R, evidence.t, evidence.rays, evidence.precision, band, gradient
    )
    cost += kernels.add_acceleration(points, 1 / model.acceleration, ACCELERATION_KNEE, band, gradient)
    cost += kernels.add_lengths(points, model.pairs, model.lengths, 1 / model.length_sigma, band, gradient)
    if len(model.chains):
        precision = 1 / model.bending_sigma
        cost += kernels.add_bending(points, model.chains, model.bending_ratio, precision, band, gradient)
    return gradient, cost


def _step(band: Array, gradient: Array, damping: float, scratch: Array) -> Array:
    scratch[:] = band
    scratch[0] *= 1 + damping
    scratch[0] += 1e-12 * scratch[0].max()  # a joint that nothing fixes stays where it is
    try:
        return solveh_banded(scratch, -gradient, overwrite_ab=True, lower=True, check_finite=False)
    except LinAlgError:
        return _step(band, gradient, max(damping * 100, 1e-3), scratch)
