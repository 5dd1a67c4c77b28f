"""The stages of bundle adjustment and its Levenberg–Marquardt loop, on plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from handloom.calibration.adjustment import kernel
from handloom.hand.kinematics import rotation_from_vector

Array = NDArray[np.float64]

_MEDIAN_LENGTH = 1.1774  # median length of a vector of two unit normal numbers
_CAUCHY = 2.0  # scale of the loss, in standard deviations
_OUTLIER = 4.0  # standard deviations beyond which an observation is set aside: 1 good one in 3000
_SMALLEST_SIGMA_PX = 1e-3  # sightings without noise would otherwise divide by zero
_ROBUST_STAGES, _TRIM_STAGES = 8, 6
_LEAST_GAIN = 1e-8  # relative decrease of the cost below which the last stage has come to rest
_LEAST_ROBUST_GAIN = 1e-5  # the same for the stages that only prepare it


@dataclass(frozen=True, eq=False)
class Problem:
    """What was seen, and what is held; see :mod:`handloom.calibration.adjustment.kernel` for the layout.

    Attributes:
        camera: (N,), block: (N,) numbers, sorted by block, then camera.
        local: (N, 3) points in the frame of their block.
        pixels: (N, 2).
        sigma: (N,) relative standard deviations.
        late: (N,) rows from the middle of the picture in picture heights; None without timing.
        skew: (C,), fisheye: (C,) what is fixed of every lens.
        columns: (C, 20) unknown of every parameter; unknowns: how many there are.
        prior_mean, prior_std: (C, 12) or None.
        robust: whether there may be outliers.
        turning: whether blocks are boards, which turn, or points.
        times_s: (B,) times of the blocks; None without timing.
        longest_step_s: between neighbours from which a block's motion is taken.
        free_blocks: (B,) which blocks move; all if None.
    """

    camera: NDArray[np.int32]
    block: NDArray[np.int32]
    local: Array
    pixels: Array
    sigma: Array
    late: Array | None
    skew: Array
    fisheye: NDArray[np.bool_]
    columns: NDArray[np.int64]
    unknowns: int
    prior_mean: Array | None
    prior_std: Array | None
    robust: bool
    turning: bool = True
    times_s: Array | None = None
    longest_step_s: float = np.inf
    free_blocks: NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class State:
    """The unknowns: poses (C, 4, 4), intrinsics (C, 12), offsets and readout (C,), blocks (B, 4, 4)."""

    poses: Array
    intrinsics: Array
    offsets_s: Array
    readout_s: Array
    blocks: Array


@dataclass(frozen=True, eq=False)
class Report:
    """How it ended: residuals (N, 2), used (N,), noise per axis, standard deviations (C, 20), and whether it
    came to rest."""

    residuals: Array
    used: NDArray[np.bool_]
    sigma_px: float
    deviations: Array
    converged: bool
    iterations: int


class _Adjustment:
    """One adjustment under way."""

    def __init__(self, problem: Problem, state: State, max_iterations: int) -> None:
        self.problem = problem
        self.state = state
        self.left = max_iterations
        self.converged = False
        self.used = np.ones(len(problem.camera), dtype=bool)
        change = (np.diff(problem.block, prepend=-1) != 0) | (np.diff(problem.camera, prepend=-1) != 0)
        self.group_of = np.cumsum(change) - 1
        starts = np.flatnonzero(change)
        self.run_camera = problem.camera[starts]
        blocks = len(state.blocks)
        self.run_starts = np.searchsorted(problem.block[starts], np.arange(blocks + 1)).astype(np.int64)
        self.motion = np.zeros((len(problem.camera), 2))
        self.late = np.zeros(len(problem.camera)) if problem.late is None else problem.late

    def update_motion(self) -> None:
        """Pixels a second of every observation, from the neighbouring poses of its board."""
        times = self.problem.times_s
        if times is None:
            return
        number = np.arange(len(times))
        before, after = np.maximum(number - 1, 0), np.minimum(number + 1, len(times) - 1)
        with np.errstate(invalid="ignore"):
            before = np.where(times - times[before] <= self.problem.longest_step_s, before, number)
            after = np.where(times[after] - times <= self.problem.longest_step_s, after, number)
        span = (times[after] - times[before])[self.problem.block]
        path = self._project(self.state, after) - self._project(self.state, before)
        with np.errstate(invalid="ignore", divide="ignore"):
            motion = path / span[:, None]
        self.motion = np.where(np.isfinite(motion), motion, 0.0)

    def _project(self, state: State, blocks: NDArray[np.int64] | None = None) -> Array:
        p = self.problem
        poses = state.blocks if blocks is None else state.blocks[blocks]
        return kernel.project(
            p.camera, p.block, p.local, state.poses, state.intrinsics, p.skew, p.fisheye, poses
        )

    def residuals(self, state: State) -> Array:
        """(N, 2) seen minus projected, pixels; NaN behind a camera."""
        camera = self.problem.camera
        delay = state.offsets_s[camera] + state.readout_s[camera] * self.late
        return self.problem.pixels - self._project(state) - self.motion * delay[:, None]

    def noise(self, residuals: Array) -> tuple[float, Array]:
        """Robust standard deviation per axis of all observations and of every camera's."""
        length = np.hypot(*residuals.T) / self.problem.sigma
        scale = np.sqrt(2 * len(length) / self._freedom(len(length))) / _MEDIAN_LENGTH
        everywhere = max(scale * float(np.nanmedian(length)), _SMALLEST_SIGMA_PX)
        own = np.full(len(self.state.poses), everywhere)
        for c in np.unique(self.problem.camera):
            lengths = length[self.problem.camera == c]
            if np.isfinite(lengths).any():
                own[c] = max(scale * float(np.nanmedian(lengths)), _SMALLEST_SIGMA_PX)
        return everywhere, own

    def _freedom(self, observations: int, blocks: int | None = None) -> int:
        """Numbers seen less numbers estimated, at least one."""
        size = 6 if self.problem.turning else 3
        blocks = len(self.state.blocks) if blocks is None else blocks
        return max(2 * observations - self.problem.unknowns - size * blocks, 1)

    def descend(self, sigma: float, cauchy: bool) -> float:
        """Levenberg–Marquardt to rest at one loss; the cost reached."""
        damping, growth = 1e-4, 2.0
        least = _LEAST_ROBUST_GAIN if cauchy else _LEAST_GAIN
        residuals = self.residuals(self.state)
        cost = self._cost(residuals, self.state, sigma, cauchy)
        self.converged = False
        while self.left > 0 and not self.converged:
            system = self._linearise(residuals, sigma, cauchy)
            while self.left > 0:
                self.left -= 1
                trial = self._step(system, damping)
                if trial is not None:
                    trial_residuals = self.residuals(trial)
                    trial_cost = self._cost(trial_residuals, trial, sigma, cauchy)
                    if trial_cost <= cost:
                        self.converged = cost - trial_cost <= least * cost
                        self.state, residuals, cost = trial, trial_residuals, trial_cost
                        damping, growth = max(damping / 10.0, 1e-12), 2.0
                        break
                damping, growth = damping * growth, growth * 2.0
                if damping > 1e10:
                    self.converged = True
                    break
        return cost

    def _cost(self, residuals: Array, state: State, sigma: float, cauchy: bool) -> float:
        squares = (residuals**2).sum(axis=-1)[self.used] / (sigma * self.problem.sigma[self.used]) ** 2
        if np.isnan(squares).any():
            return np.inf
        total = (_CAUCHY**2 * np.log1p(squares / _CAUCHY**2)).sum() if cauchy else squares.sum()
        return float(total) + float((self._prior(state)[0] ** 2).sum())

    def _prior(self, state: State) -> tuple[Array, Array]:
        """(C, 12) distances from the prior in its standard deviations, and their reciprocals."""
        p = self.problem
        if p.prior_mean is None or p.prior_std is None:
            nothing = np.zeros_like(state.intrinsics)
            return nothing, nothing
        free = p.columns[:, kernel.INTRINSICS] >= 0
        weight = np.where(free, 1.0 / p.prior_std, 0.0)
        with np.errstate(invalid="ignore"):
            distance = np.where(weight > 0, (p.prior_mean - state.intrinsics) * weight, 0.0)
        return distance, weight

    def _linearise(self, residuals: Array, sigma: float, cauchy: bool) -> tuple[Array, ...]:
        p, state = self.problem, self.state
        weights = self.used / (sigma * p.sigma) ** 2
        if cauchy:
            weights = weights / (1.0 + (residuals**2).sum(axis=-1) * weights / _CAUCHY**2)
        weights = np.where(np.isfinite(weights) & np.isfinite(residuals).all(axis=-1), weights, 0.0)
        U, g, W, V, h = kernel.linearise(
            p.camera, p.block, p.local, np.nan_to_num(residuals), weights, self.motion, self.late,
            self.group_of, state.poses, state.intrinsics, p.skew, p.fisheye, state.blocks, p.columns,
            p.unknowns, len(self.run_camera), p.turning,
        )  # fmt: skip
        distance, weight = self._prior(state)
        columns = p.columns[:, kernel.INTRINSICS]
        held = columns < 0
        np.add.at(U, (columns[~held], columns[~held]), weight[~held] ** 2)
        np.add.at(g, columns[~held], (weight * distance)[~held])
        if p.free_blocks is not None:
            fixed = ~p.free_blocks
            W[fixed[p.block[np.flatnonzero(np.diff(self.group_of, prepend=-1))]]] = 0.0
            V[fixed], h[fixed] = np.eye(V.shape[1]), 0.0
        return U, g, W, V, h

    def _step(self, system: tuple[Array, ...], damping: float) -> State | None:
        U, g, W, V, h = system
        columns = self.problem.columns
        S, s, inverses = kernel.eliminate(U, g, W, V, h, damping, self.run_starts, self.run_camera, columns)
        try:
            step = _solve(S, s)
        except np.linalg.LinAlgError:
            return None
        steps = kernel.substitute(step, W, h, inverses, self.run_starts, self.run_camera, columns)
        return self._moved(step, steps)

    def _moved(self, step: Array, steps: Array) -> State:
        state, columns = self.state, self.problem.columns
        by_camera = np.where(columns >= 0, np.append(step, 0.0)[columns], 0.0)
        turn = rotation_from_vector(by_camera[:, :3])
        poses = state.poses.copy()
        poses[:, :3, :3] = turn @ state.poses[:, :3, :3]
        poses[:, :3, 3] = (turn @ state.poses[:, :3, 3, None])[..., 0] + by_camera[:, 3:6]
        blocks = state.blocks.copy()
        if self.problem.turning:
            blocks[:, :3, :3] = state.blocks[:, :3, :3] @ rotation_from_vector(steps[:, :3])
        blocks[:, :3, 3] += steps[:, -3:]
        return State(
            poses,
            state.intrinsics + by_camera[:, kernel.INTRINSICS],
            state.offsets_s + by_camera[:, kernel.OFFSET],
            state.readout_s + by_camera[:, kernel.READOUT],
            blocks,
        )

    def report(self, max_iterations: int) -> Report:
        residuals = self.residuals(self.state)
        seen = self.used & np.isfinite(residuals).all(axis=-1)
        freedom = self._freedom(int(seen.sum()), len(np.unique(self.problem.block[seen])))
        squares = (residuals[seen] ** 2).sum(axis=-1) / self.problem.sigma[seen] ** 2
        sigma = float(np.sqrt(squares.sum() / freedom))
        covariance = self._covariance(residuals, max(sigma, _SMALLEST_SIGMA_PX))
        columns = self.problem.columns
        variances = np.append(np.diag(covariance), 0.0)
        deviations = np.sqrt(np.where(columns >= 0, variances[columns], 0.0))
        return Report(
            residuals,
            seen,
            sigma,
            deviations,
            self.converged,
            max_iterations - self.left,
        )

    def _covariance(self, residuals: Array, sigma: float) -> Array:
        """(K, K) inverse of the reduced system; NaN where the observations do not determine an unknown."""
        system = self._linearise(residuals, sigma, cauchy=False)
        U, g, W, V, h = system
        columns = self.problem.columns
        S, _, _ = kernel.eliminate(U, g, W, V, h, 0.0, self.run_starts, self.run_camera, columns)
        if not len(S):
            return S
        scale = 1.0 / np.sqrt(np.maximum(np.diag(U), 1e-300))
        values, vectors = np.linalg.eigh(scale[:, None] * S * scale)
        lost = values <= 1e-11
        inverse = (vectors / np.where(lost, np.inf, values)) @ vectors.T
        undetermined = (vectors[:, lost] ** 2).sum(axis=1) > 1e-6
        inverse[undetermined, :] = inverse[:, undetermined] = np.nan
        return np.asarray(scale[:, None] * inverse * scale)


def solve(problem: Problem, state: State, max_iterations: int) -> tuple[State, Report]:
    """Adjust a starting state to what was seen; see :mod:`handloom.calibration.adjustment.bundle`."""
    adjustment = _Adjustment(problem, state, max_iterations)
    with threadpool_limits(1):
        adjustment.update_motion()
        residuals = adjustment.residuals(adjustment.state)
        adjustment.used = np.asarray(np.isfinite(residuals).all(axis=-1))
        if problem.robust:
            _reject_outliers(adjustment)
        else:
            adjustment.descend(adjustment.noise(residuals)[0], cauchy=False)
        return adjustment.state, adjustment.report(max_iterations)


def _reject_outliers(adjustment: _Adjustment) -> None:
    """A Cauchy loss until its scale rests, then least squares within four standard deviations."""
    last = np.inf
    for _ in range(_ROBUST_STAGES):
        residuals = adjustment.residuals(adjustment.state)
        adjustment.used = np.asarray(np.isfinite(residuals).all(axis=-1))
        sigma, _own = adjustment.noise(residuals)
        if sigma > 0.98 * last:
            break
        last = sigma
        adjustment.descend(sigma, cauchy=True)
        adjustment.update_motion()
    for _ in range(_TRIM_STAGES):
        residuals = adjustment.residuals(adjustment.state)
        sigma, own = adjustment.noise(residuals)
        length = np.hypot(*residuals.T) / adjustment.problem.sigma
        used = length <= _OUTLIER * np.maximum(own, sigma)[adjustment.problem.camera]
        same = bool((used == adjustment.used).all())
        if same and adjustment.converged:
            break
        adjustment.used = used
        adjustment.descend(sigma, cauchy=False)
        adjustment.update_motion()


def _solve(S: Array, s: Array) -> Array:
    if not len(s):
        return s
    scale = 1.0 / np.sqrt(np.maximum(np.diag(S), 1e-300))
    factor = scipy.linalg.cho_factor(scale[:, None] * S * scale, check_finite=False)
    step = scale * scipy.linalg.cho_solve(factor, scale * s, check_finite=False)
    if not np.isfinite(step).all():
        raise np.linalg.LinAlgError("the step is not finite")
    return np.asarray(step)
