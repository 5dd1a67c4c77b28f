"""Fit a hand to single frames: whatever was measured is used, every frame on its own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import CameraRig
from handloom.errors import FitError
from handloom.fitting.equations import Observations, Terms, normal_equations
from handloom.fitting.prior import PosePrior, recorded_prior
from handloom.fitting.solver import couples_fingers, elimination, fit_each
from handloom.fitting.start import start_poses
from handloom.hand import HandModel
from handloom.hand.articulation import ANGLES, POSE, articulation, keypoints_of
from handloom.hand.kernel import points_with_jacobian
from handloom.hand.kinematics import rigid

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ExpectedState:
    """A state the hand is expected in, such as the one predicted from the frames before.

    Attributes:
        angles: (N, 15, 3) radians.
        T_world_wrist: (N, 4, 4).
        sigma: (N, 51) or (51,) standard deviations of rotation (radians, in the world's axes), place and
            angles; infinite where nothing is expected.
    """

    angles: Array
    T_world_wrist: Array
    sigma: Array


@dataclass(frozen=True, eq=False)
class FrameEvidence:
    """What was measured of a hand in N frames. What is given is used.

    Attributes:
        keypoints3d: (N, 21, 3) in the world, metres, NaN where missing.
        covariance: (N, 21, 3, 3) of these, m²; without, each axis has ``FitOptions.sigma_m``.
        keypoints2d: (C, N, 21, 2) pixels of the recorded pictures, NaN where missing.
        confidence: (C, N, 21) in [0, 1]; a standard deviation grows with its inverse square root.
        rig: the C cameras of the 2D keypoints.
        expected: a state expected before anything is seen.
    """

    keypoints3d: Array | None = None
    covariance: Array | None = None
    keypoints2d: Array | None = None
    confidence: Array | None = None
    rig: CameraRig | None = None
    expected: ExpectedState | None = None


@dataclass(frozen=True, eq=False)
class FitOptions:
    """How the evidence is weighed.

    Attributes:
        prior: over poses; :func:`recorded_prior` without.
        sigma_m: standard deviation of a 3D keypoint per axis where no covariance is given, metres.
        sigma_px: of a 2D keypoint of full confidence per axis, pixels.
        knee: residuals beyond so many standard deviations count linearly.
        limit_sigma: standard deviation of an angle beyond its limit, radians; 0 ignores the limits.
        shape_sigma: spread of the shape coefficients around the mean hand, where they are sought.
        iterations: at most.
        tolerance: a fall of ½χ² that no longer matters.
    """

    prior: PosePrior | None = None
    sigma_m: float = 0.003
    sigma_px: float = 3.0
    knee: float = 4.0
    limit_sigma: float = np.deg2rad(1.0)
    shape_sigma: float = 1.0
    iterations: int = 50
    tolerance: float = 1e-4


@dataclass(frozen=True, eq=False)
class HandFit:
    """Fitted hands.

    Attributes:
        angles: (N, 15, 3) radians; NaN in frames in which nothing was seen.
        T_world_wrist: (N, 4, 4).
        shape: (N, B) standard deviations.
        cost: (N,) ½χ² over all residuals.
        keypoint_error_m: (N,) root mean square distance to the 3D keypoints; NaN without.
        reprojection_px: (N,) root mean square distance to the 2D keypoints; NaN without.
        limit_excess: (N,) the furthest that an angle is beyond its limits, radians.
        converged: (N,) whether the fit came to rest.
        covariance: (N, 51, 51) of rotation, place and angles, the shape taken as it is fitted; None where
            it was not asked for.
    """

    angles: Array
    T_world_wrist: Array
    shape: Array
    cost: Array
    keypoint_error_m: Array
    reprojection_px: Array
    limit_excess: Array
    converged: NDArray[np.bool_]
    covariance: Array | None = field(default=None)


def fit_frames(
    model: HandModel,
    evidence: FrameEvidence,
    options: FitOptions | None = None,
    *,
    shape: Array | None = None,
    initial: tuple[Array, Array] | None = None,
    with_covariance: bool = False,
) -> HandFit:
    """Fit every frame on its own.

    Args:
        model: the hand.
        evidence: what was measured.
        options: how it is weighed.
        shape: (B,) or (N, B) where the shape is known; sought in every frame without.
        initial: (N, 15, 3) angles and (N, 4, 4) places to begin at; found from the evidence without.
        with_covariance: whether ``HandFit.covariance`` is wanted.

    Raises:
        FitError: if nothing was measured, arrays do not fit each other, or 2D keypoints come without cameras.
    """
    options = options or FitOptions()
    seen = observations(evidence, options)
    N, B = seen.points.shape[0], model.shape_count
    given = None if shape is None else np.asarray(shape, dtype=np.float64)
    shapes = np.zeros((N, B)) if given is None else np.ascontiguousarray(np.broadcast_to(given, (N, B)))
    shapes = shapes.copy()
    terms = terms_of(model, options)
    hand, keypoints = articulation(model), keypoints_of(model)
    columns = POSE + (B if shape is None else 0)
    order, first = elimination(columns, coupled=couples_fingers(keypoints, terms))
    if initial is None:
        angles, R, t = start_poses(model, seen, terms, shapes)
    else:
        angles = np.array(initial[0], dtype=np.float64).reshape(N, ANGLES)
        R, t = np.array(initial[1][:, :3, :3], dtype=np.float64), np.array(initial[1][:, :3, 3])
    costs, taken, ended = np.empty(N), np.empty(N, dtype=np.int64), np.empty(N, dtype=bool)
    fit_each(
        hand, keypoints, seen, terms, angles, R, t, shapes, order, first,
        options.iterations, options.tolerance, costs, taken, ended,
    )  # fmt: skip
    beyond = np.maximum(hand.lowest - angles, angles - hand.highest).max(axis=1)
    T = rigid(R, t)
    fit = HandFit(
        angles=angles.reshape(N, 15, 3),
        T_world_wrist=T,
        shape=shapes,
        cost=costs,
        keypoint_error_m=np.full(N, np.nan),
        reprojection_px=np.full(N, np.nan),
        limit_excess=np.maximum(beyond, 0.0),
        converged=ended,
    )
    fit = _with_errors(model, evidence, fit)
    if not with_covariance:
        return fit
    H, g = np.empty((N, POSE, POSE)), np.empty((N, POSE))
    normal_equations(hand, keypoints, seen, terms, angles, R, t, shapes, H, g, np.empty(N))
    return replace(fit, covariance=_inverse(H))


def keypoint_covariance(model: HandModel, fit: HandFit) -> Array:
    """(N, 21, 3, 3) covariance of the fitted keypoints, m².

    Raises:
        ValueError: if the fit was made without its covariance.
    """
    if fit.covariance is None:
        raise ValueError("the fit has no covariance: fit_frames(..., with_covariance=True)")
    _, J = points_with_jacobian(model, keypoints_of(model), fit.angles, fit.shape, fit.T_world_wrist)
    J = J[..., :POSE]
    return J @ fit.covariance[:, None] @ np.swapaxes(J, -1, -2)


def observations(evidence: FrameEvidence, options: FitOptions) -> Observations:
    """The evidence as the kernels read it: whitened, undistorted, zero precision where missing.

    Raises:
        FitError: see :func:`fit_frames`.
    """
    points, flat = evidence.keypoints3d, evidence.keypoints2d
    if points is None and flat is None:
        raise FitError(
            "There is nothing to fit the hand to.", "Give 3D keypoints, or 2D keypoints with a rig."
        )
    if flat is not None and evidence.rig is None:
        raise FitError("2D keypoints were given without their cameras.", "Give the rig they were seen by.")
    N = len(points) if points is not None else np.asarray(flat).shape[1]
    for name, array, shape in (
        ("keypoints3d", points, (N, 21, 3)),
        ("covariance", evidence.covariance, (N, 21, 3, 3)),
        ("keypoints2d", flat, (len(evidence.rig or ()), N, 21, 2)),
        ("confidence", evidence.confidence, (len(evidence.rig or ()), N, 21)),
    ):
        if array is not None and np.shape(array) != shape:
            raise FitError(
                f"{name} has shape {np.shape(array)}, expected {shape}.", "Give one entry per frame."
            )
    xyz, precision = _points(points, evidence.covariance, N, options.sigma_m)
    rig = evidence.rig
    C = 0 if flat is None or rig is None else len(rig)
    view_R, view_t = np.zeros((C, 3, 3)), np.zeros((C, 3))
    rays, ray_precision = np.zeros((C, N, 21, 2)), np.zeros((C, N, 21, 2))
    if flat is not None and rig is not None:
        for c, camera in enumerate(rig):
            view_R[c], view_t[c] = camera.T_camera_world[:3, :3], camera.T_camera_world[:3, 3]
            ideal = camera.undistort(flat[c])
            trust = np.ones((N, 21)) if evidence.confidence is None else np.nan_to_num(evidence.confidence[c])
            use = np.isfinite(ideal).all(axis=-1) & (trust > 0.0)
            rays[c] = np.where(use[..., None], ideal, 0.0)
            focal = np.array([camera.K[0, 0], camera.K[1, 1]])
            sigma = options.sigma_px / np.sqrt(np.where(use, trust, 1.0))
            ray_precision[c] = np.where(use[..., None], focal / sigma[..., None], 0.0)
    return Observations(xyz, precision, view_R, view_t, rays, ray_precision, *_expected(evidence.expected, N))


def terms_of(model: HandModel, options: FitOptions) -> Terms:
    """What is known of hands, as the kernels read it."""
    prior = options.prior or recorded_prior()
    B = model.shape_count
    return Terms(
        point_knee=float(options.knee),
        view_knee=float(options.knee),
        limit_sigma=float(options.limit_sigma),
        pose_mean=np.ascontiguousarray(prior.mean),
        pose_precision=np.ascontiguousarray(prior.precision),
        pose_offset=np.ascontiguousarray(prior.offset),
        shape_mean=np.zeros(B),
        shape_precision=np.full(B, options.shape_sigma**-2),
    )


def _points(points: Array | None, covariance: Array | None, N: int, sigma: float) -> tuple[Array, Array]:
    xyz, precision = np.zeros((N, 21, 3)), np.zeros((N, 21, 3, 3))
    if points is None:
        return xyz, precision
    use = np.isfinite(points).all(axis=-1)
    if covariance is None:
        precision[use] = np.eye(3) / sigma**2
    else:
        use &= np.isfinite(covariance).all(axis=(-1, -2)) & (np.linalg.det(np.nan_to_num(covariance)) > 0.0)
        precision[use] = np.linalg.inv(covariance[use])
    xyz[use] = points[use]
    return xyz, precision


def _expected(state: ExpectedState | None, N: int) -> tuple[Array, Array, Array, Array]:
    if state is None:
        return np.zeros((0, ANGLES)), np.zeros((0, 3, 3)), np.zeros((0, 3)), np.zeros((0, POSE))
    T = np.asarray(state.T_world_wrist, dtype=np.float64)
    return (
        np.array(state.angles, dtype=np.float64).reshape(N, ANGLES),
        np.ascontiguousarray(T[:, :3, :3]),
        np.ascontiguousarray(T[:, :3, 3]),
        np.ascontiguousarray(np.broadcast_to(np.asarray(state.sigma, dtype=np.float64) ** -2.0, (N, POSE))),
    )


def _with_errors(model: HandModel, evidence: FrameEvidence, fit: HandFit) -> HandFit:
    keypoints, _ = points_with_jacobian(model, keypoints_of(model), fit.angles, fit.shape, fit.T_world_wrist)
    found = fit
    if evidence.keypoints3d is not None:
        squared = np.square(keypoints - evidence.keypoints3d).sum(axis=-1)
        found = replace(found, keypoint_error_m=_root_mean(squared, (1,)))
    if evidence.keypoints2d is not None and evidence.rig is not None:
        squared = np.square(evidence.rig.project(keypoints) - evidence.keypoints2d).sum(axis=-1)
        found = replace(found, reprojection_px=_root_mean(squared, (0, 2)))
    return found


def _root_mean(squared: Array, axes: tuple[int, ...]) -> Array:
    known = np.isfinite(squared)
    count = known.sum(axis=axes)
    total = np.where(known, squared, 0.0).sum(axis=axes)
    return np.where(count > 0, np.sqrt(total / np.maximum(count, 1)), np.nan)


def _inverse(H: Array) -> Array:
    """Inverses of symmetric matrices of which the lower triangles are given; NaN where singular."""
    whole = np.tril(H) + np.swapaxes(np.tril(H, -1), -1, -2)
    result = np.full_like(whole, np.nan)
    for n, matrix in enumerate(whole):
        if np.isfinite(matrix).all():
            # What nothing speaks about has, in effect, no upper bound.
            result[n] = np.linalg.inv(matrix + 1e-9 * np.eye(len(matrix)))
    return result
