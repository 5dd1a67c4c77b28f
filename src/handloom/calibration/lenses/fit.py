"""Least squares of one lens and the poses of the board before it, robust against gross errors.

The poses are eliminated view by view (Schur complement), so that a step costs as much as its Jacobian. What
is left per view, its information on the lens, also tells what the fit would be without that view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.lenses import kernel
from handloom.calibration.lenses.models import PARAMETERS, Belief, LensModel
from handloom.calibration.lenses.views import BoardViews
from handloom.cameras.camera import LensModel as CameraModel
from handloom.hand.kinematics import rotation_from_vector

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_STEPS = 40  # of the robust descent
_FINAL_STEPS = 12
_SETTLED = 1e-6  # relative decrease of the cost
_ROUGHLY_SETTLED = 1e-3
_STEADY = 0.01  # relative change of the scale
_CUTOFF = 4.0  # standard deviations at which a corner is set aside: 1 in 3000 of good ones
_SOFT = 3.0  # standard deviations at which the redescending loss bends
_REJECTIONS = 4
_OUTVOTING = 7  # corners a view, below which a pose that fits most of them exactly proves nothing
_PATIENT = 6.0  # times the scale of the residuals
_LEAST_SIGMA_PX = 1e-4
_TO_SIGMA = 1.4826 / 1.177  # median length of a two-dimensional normal error to its standard deviation


@dataclass(frozen=True, eq=False)
class Poses:
    """Poses of the board in its camera's frame, about the board's middle.

    Attributes:
        R: (V, 3, 3).
        t: (V, 3).
    """

    R: Array
    t: Array

    def moved(self, step: Array) -> Poses:
        """Turned and shifted by (V, 6) small motions."""
        return Poses(rotation_from_vector(step[:, :3]) @ self.R, self.t + step[:, 3:])

    def where(self, better: Mask, other: Poses) -> Poses:
        """These, but the other's where that is better."""
        return Poses(
            np.where(better[:, None, None], other.R, self.R), np.where(better[:, None], other.t, self.t)
        )


@dataclass(frozen=True, eq=False)
class LensFit:
    """A lens and the board's poses that explain views best.

    Attributes:
        model: the lens model.
        lens: (12,) parameters.
        belief: what was believed of them before.
        poses: of the board in every view.
        residuals: (V, M, 2) seen minus projected, pixels.
        used: (V, M) corners that were not set aside.
        sigma_px: standard deviation of a used corner, per axis, freedom taken into account.
        cost: robust cost in pixels squared per corner, to compare fits of the same model by.
        information: (V, P, P) what each view says of the free parameters, poses eliminated, per pixel².
        pull: (V, P) the direction in which each view would have them.
    """

    model: LensModel
    lens: Array
    belief: Belief
    poses: Poses
    residuals: Array
    used: Mask
    sigma_px: float
    cost: float
    information: Array
    pull: Array

    @property
    def covariance(self) -> Array:
        """(12, 12) of the lens parameters; 0 where they were held."""
        free = self.belief.free
        held_against = np.diag(1.0 / self.belief.std[free] ** 2)
        total = self.information.sum(axis=0) / self.sigma_px**2 + held_against
        covariance = np.zeros((len(self.lens), len(self.lens)))
        covariance[np.ix_(free, free)] = np.linalg.inv(total)
        return covariance


def fit_lens(
    views: BoardViews, model: LensModel, belief: Belief, lens: Array, poses: Poses, trusted: Mask
) -> LensFit:
    """Fit a lens and poses to views, from starting values.

    A redescending loss whose scale follows the data finds the corners that are wrong; the fit to the others
    is plain least squares.

    Args:
        views: what was seen.
        model: the lens model.
        belief: prior on its parameters.
        lens: (12,) starting values.
        poses: starting values.
        trusted: (V, M) corners to begin with.
    """
    lens, poses, _ = _descend(views, model, belief, lens, poses, trusted, patience=_PATIENT)
    free = len(belief.free)
    if views.valid.sum() < _OUTVOTING * len(views):
        used = views.valid
        lens, poses, _ = _descend(views, model, belief, lens, poses, used, 1.0)
        residuals = residuals_of(views, model.camera_model, lens, poses)
        cost = float((_lengths(residuals)[used] ** 2).mean())
    else:
        lens, poses, sigma = _descend(views, model, belief, lens, poses, views.valid)
        error = _lengths(residuals_of(views, model.camera_model, lens, poses))
        cost = float((np.minimum(error[views.valid], _CUTOFF * sigma) ** 2).mean())
        used = views.valid & (error < _CUTOFF * sigma)
        for _ in range(_REJECTIONS):
            lens, poses, _ = _descend(views, model, belief, lens, poses, used, sigma)
            residuals = residuals_of(views, model.camera_model, lens, poses)
            error = _lengths(residuals)
            sigma = _sigma(error, used, free)
            before, used = used, views.valid & (error < _CUTOFF * sigma)
            if (used == before).all():
                break
    return _summary(views, model, belief, lens, poses, used, cost)


def _summary(
    views: BoardViews, model: LensModel, belief: Belief, lens: Array, poses: Poses, used: Mask, cost: float
) -> LensFit:
    residuals = residuals_of(views, model.camera_model, lens, poses)
    sigma = _sigma(_lengths(residuals), used, len(belief.free))
    equations = _equations(views, model.camera_model, belief.free, lens, poses, used.astype(np.float64))
    information, pull, _ = equations.reduced()
    return LensFit(model, lens, belief, poses, residuals, used, sigma, cost, information, pull)


def refit(views: BoardViews, fit: LensFit, belief: Belief) -> LensFit:
    """The fit to the same corners under another belief."""
    lens, poses, _ = _descend(views, fit.model, belief, fit.lens, fit.poses, fit.used, fit.sigma_px)
    return _summary(views, fit.model, belief, lens, poses, fit.used, fit.cost)


def residuals_of(views: BoardViews, camera_model: CameraModel, lens: Array, poses: Poses) -> Array:
    """(V, M, 2) seen minus projected; infinite behind the camera."""
    pixels = kernel.project(
        _by_view(lens, len(views)), camera_model == "fisheye", poses.R, poses.t, views.points
    )
    return np.where(np.isfinite(pixels), views.pixels - pixels, np.inf)


def refine_poses(
    views: BoardViews, camera_model: CameraModel, lens: Array, poses: Poses, weights: Array, steps: int = 10
) -> tuple[Poses, Array]:
    """Poses alone, each view by itself, for fixed lenses.

    Args:
        views: what was seen.
        camera_model: family of the lens.
        lens: (12,) or (V, 12), one a view.
        poses: starting values.
        weights: (V, M) of the squared residuals.
        steps: at most so many.

    Returns:
        the poses, and (V,) their weighted costs in pixels squared.
    """
    R, t = poses.R.copy(), poses.t.copy()
    weights = np.asarray(weights, dtype=np.float64)
    lens = np.broadcast_to(lens, (len(views), lens.shape[-1]))
    damping = np.full(len(views), 1e-4)
    cost = _cost_per_view(views, camera_model, lens, poses, weights)
    going = np.arange(len(views))
    for _ in range(steps):
        some, of, weight = views.take(going), lens[going], weights[going]
        start = Poses(R[going], t[going])
        equations = _equations(some, camera_model, np.arange(0), of, start, weight)
        step = np.linalg.solve(_damped(equations.A, damping[going]), equations.a[..., None])[..., 0]
        tried = start.moved(_limited(step))
        before, after = cost[going], _cost_per_view(some, camera_model, of, tried, weight)
        better = after < before
        kept = going[better]
        R[kept], t[kept], cost[kept] = tried.R[better], tried.t[better], after[better]
        damping[going] *= np.where(better, 0.1, 10.0)
        going = going[np.abs(before - after) > _SETTLED * before]
        if not len(going):
            break
    return Poses(R, t), cost


@dataclass(frozen=True, eq=False)
class _Equations:
    """Normal equations by view: A, a of the pose, C, c of the lens, B between them."""

    A: Array
    B: Array
    C: Array
    a: Array
    c: Array

    def reduced(self, damping: float = 0.0) -> tuple[Array, Array, Array]:
        """(V, P, P) and (V, P) with the poses eliminated, and (V, 6, P + 1) what gives the poses back."""
        right = np.concatenate([self.B, self.a[..., None]], axis=-1)
        solved = np.linalg.solve(_damped(self.A, np.full(len(self.A), damping)), right)
        BT = np.swapaxes(self.B, -1, -2)
        schur = BT @ solved
        return self.C - schur[..., :-1], self.c - schur[..., -1], solved


def _equations(
    views: BoardViews,
    camera_model: CameraModel,
    free: NDArray[np.intp],
    lens: Array,
    poses: Poses,
    weights: Array,
) -> _Equations:
    N, g = kernel.normal_equations(
        _by_view(lens, len(views)),
        camera_model == "fisheye",
        free,
        poses.R,
        poses.t,
        views.points,
        views.pixels,
        weights,
    )
    return _Equations(N[:, :6, :6], N[:, :6, 6:], N[:, 6:, 6:], g[:, :6], g[:, 6:])


def _by_view(lens: Array, views: int) -> Array:
    """(V, 12) parameters, one set a view; contiguous, so that one kernel is compiled."""
    return np.ascontiguousarray(np.broadcast_to(lens, (views, PARAMETERS)))


def _descend(
    views: BoardViews,
    model: LensModel,
    belief: Belief,
    lens: Array,
    poses: Poses,
    mask: Mask,
    sigma: float | None = None,
    patience: float = 1.0,
) -> tuple[Array, Poses, float]:
    """Levenberg-Marquardt of the corners of a mask.

    Without a sigma, Geman and McClure's loss with a scale that follows the residuals, to a rough end.
    With more patience, corners far off are still listened to: a poor start is not made the truth by setting
    aside what contradicts it.
    """
    soft = sigma is None
    settled = _ROUGHLY_SETTLED if soft else _SETTLED
    free = belief.free
    certainty = 1.0 / belief.std[free] ** 2
    damping = 1e-3
    error = _lengths(residuals_of(views, model.camera_model, lens, poses))
    if sigma is None:
        sigma = patience * _scale(error, mask)
    for _ in range(_STEPS if soft else _FINAL_STEPS):
        loss = _loss(error, mask, sigma, soft) + ((lens - belief.mean)[free] ** 2 * certainty).sum()
        weights = _weights(error, mask, sigma, soft) / sigma**2
        equations = _equations(views, model.camera_model, free, lens, poses, weights)
        improved = False
        while damping < 1e8:
            information, pull, solved = equations.reduced(damping)
            S = information.sum(axis=0) + np.diag(certainty)
            S += damping * np.diag(np.diag(S))
            p = pull.sum(axis=0) + certainty * (belief.mean - lens)[free]
            step = _solve_scaled(S, p)
            tried = lens.copy()
            tried[free] += step
            moves = solved[..., -1] - solved[..., :-1] @ step
            tried_poses = poses.moved(_limited(moves))
            tried_error = _lengths(residuals_of(views, model.camera_model, tried, tried_poses))
            tried_loss = (
                _loss(tried_error, mask, sigma, soft) + ((tried - belief.mean)[free] ** 2 * certainty).sum()
            )
            if tried_loss <= loss:
                improved = True
                break
            damping *= 8.0
        if not improved:
            break
        lens, poses, error = tried, tried_poses, tried_error
        damping = max(damping / 10.0, 1e-9)
        scale = patience * _scale(error, mask) if soft else sigma
        done = loss - tried_loss <= settled * loss and abs(scale - sigma) <= _STEADY * sigma
        sigma = scale
        if done:
            break
    return lens, poses, sigma


def _solve_scaled(S: Array, p: Array) -> Array:
    """Solution of S x = p for symmetric S whose rows are of very different size."""
    size = np.sqrt(np.maximum(np.diag(S), 1e-300))
    return np.asarray(np.linalg.solve(S / size / size[:, None], p / size) / size)


def _damped(A: Array, damping: Array) -> Array:
    """(V, 6, 6) with the diagonal raised, so that views without enough corners have a solution, too."""
    diagonal = np.diagonal(A, axis1=-2, axis2=-1)
    least = 1e-12 * diagonal.max(axis=-1, initial=1e-12, keepdims=True)
    extra = damping[:, None] * diagonal + np.maximum(least, 1e-12)
    return np.asarray(A + extra[..., None] * np.eye(A.shape[-1]))


def _limited(step: NDArray[np.floating[Any]]) -> Array:
    """Motions whose turn is at most half a radian."""
    turn = np.linalg.norm(step[:, :3], axis=-1, keepdims=True)
    return np.asarray(step) * np.minimum(1.0, 0.5 / np.maximum(turn, 1e-300))


def _cost_per_view(
    views: BoardViews, camera_model: CameraModel, lens: Array, poses: Poses, weights: Array
) -> Array:
    error = _lengths(residuals_of(views, camera_model, lens, poses))
    return np.asarray((weights * error**2).sum(axis=1))


def _loss(error: Array, mask: Mask, sigma: float, soft: bool) -> float:
    squares = (error[mask] / sigma) ** 2
    return float((squares / (1.0 + squares / _SOFT**2)).sum() if soft else squares.sum())


def _weights(error: Array, mask: Mask, sigma: float, soft: bool) -> Array:
    if not soft:
        return mask.astype(np.float64)
    return mask / (1.0 + (error / (_SOFT * sigma)) ** 2) ** 2


def _scale(error: Array, mask: Mask) -> float:
    return max(float(np.median(error[mask])) * _TO_SIGMA, _LEAST_SIGMA_PX) if mask.any() else 1.0


def _sigma(error: Array, used: Mask, parameters: int) -> float:
    """Standard deviation per axis; the poses and the lens have used up some of the freedom."""
    corners = used.sum(axis=1)
    freedom = max(2 * int(corners.sum()) - 6 * int((corners > 0).sum()) - parameters, 1)
    return max(float(np.sqrt((error[used] ** 2).sum() / freedom)), _LEAST_SIGMA_PX)


def _lengths(vectors: Array) -> Array:
    return np.asarray(np.minimum(np.hypot(vectors[..., 0], vectors[..., 1]), 1e6))
