"""A hand from one picture: pose, shape, and where it is, as far as one picture can tell.

One picture shows directions, not distances: a hand 5 % larger and 5 % farther away looks the same. The fit
therefore carries what is known of the hand's size, and its covariance what is not: with the size measured the
place is metric, with the population's mean and spread it is that much less certain along the line of sight.

The 2D keypoints are fitted together with a guess of the joints in space that has neither place nor size: the
landmark network's own, a lifting network's, or the mean of several (algorithms.md §14). Place and size of
that guess are eliminated from the problem, so that they never speak about the hand's distance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import Camera, CameraRig
from handloom.cameras.facing import facing
from handloom.errors import FitError
from handloom.fitting.equations import Observations, Terms, normal_equations
from handloom.fitting.frames import FitOptions, FrameEvidence, observations, terms_of
from handloom.fitting.hand_size import HandSize, length_and_slope
from handloom.fitting.picture_evidence import PictureEvidence, checked_sigma, merged_guess
from handloom.fitting.shared_shape import LENGTHS_M
from handloom.fitting.solver import advance
from handloom.fitting.start import start_poses
from handloom.hand import HandModel
from handloom.hand.articulation import ANGLES, POSE, articulation, keypoints_of
from handloom.hand.inverse import inverse_kinematics
from handloom.hand.kernel import points_with_jacobian
from handloom.hand.kinematics import rigid
from handloom.skeleton import HAND

Array = NDArray[np.float64]

NEARNESS_M = (0.05, 20.0)
"""Distances at which hands are looked for; what lies beyond is a sign of wrong intrinsics."""

_COMMON = 0.035  # keypoints err together: by so much of itself a hand is seen too large or too small
_ROUNDS = 60


@dataclass(frozen=True, eq=False)
class PictureFit:
    """A hand fitted to one picture, in the axes of its camera (+X right, +Y down, +Z forward).

    Attributes:
        side: ``"left"`` or ``"right"``.
        angles: (15, 3) radians.
        T_camera_wrist: (4, 4).
        shape: (B,) standard deviations.
        keypoints: (21, 3) metres.
        keypoint_covariance: (21, 3, 3) m², the ambiguity of size and of focal length included.
        covariance: (51 + B, 51 + B) of rotation, place, angles and shape.
        distance_m: from the camera to the wrist's keypoint.
        distance_sigma_m: its standard deviation.
        length_m: the hand's length as fitted.
        reprojection_px: root mean square distance to the 2D keypoints.
        gap_m: root mean square distance to the guess of the joints in space; NaN without.
        limit_excess: the furthest that an angle is beyond its limits, radians.
        cost: ½χ².
        converged: whether the fit came to rest.
    """

    side: str
    angles: Array
    T_camera_wrist: Array
    shape: Array
    keypoints: Array
    keypoint_covariance: Array
    covariance: Array
    distance_m: float
    distance_sigma_m: float
    length_m: float
    reprojection_px: float
    gap_m: float
    limit_excess: float
    cost: float
    converged: bool


def fit_picture(
    model: HandModel,
    camera: Camera,
    evidence: PictureEvidence,
    size: HandSize | None = None,
    options: FitOptions | None = None,
    *,
    focal_spread: float = 0.0,
) -> PictureFit:
    """Fit one hand to one picture.

    Args:
        model: of the side that was seen.
        camera: its lens; where it stands does not matter.
        evidence: what was seen.
        size: what is known of the hand's size; the population's without.
        options: how evidence and priors are weighed; ``sigma_px`` is the evidence's.
        focal_spread: relative standard deviation of the focal length where it is assumed: it goes into the
            depth, which is proportional to it.

    Raises:
        FitError: if fewer than six keypoints were seen, they all lie on one spot, arrays have other shapes,
            or the only hand that fits is at a distance at which none is.
    """
    lens = replace(camera, T_camera_world=np.eye(4))
    sigma_px = checked_sigma(evidence)
    problem = _Problem(model, lens, evidence, size or HandSize(), options or FitOptions(), sigma_px)
    best = min((problem.solved(state) for state in problem.starts()), key=lambda end: end.cost)
    return problem.result(best, focal_spread)


@dataclass(frozen=True, eq=False)
class _State:
    angles: Array
    R: Array
    t: Array
    shape: Array
    cost: float = np.inf
    converged: bool = False


class _Problem:
    """Residuals of one hand in one picture: those of the frame solver, the guess in space, the size."""

    def __init__(
        self,
        model: HandModel,
        lens: Camera,
        evidence: PictureEvidence,
        size: HandSize,
        options: FitOptions,
        sigma_px: float,
    ) -> None:
        self.model, self.lens, self.evidence, self.size = model, lens, evidence, size
        confidence = None if evidence.confidence is None else evidence.confidence[None, None]
        flat = FrameEvidence(
            keypoints2d=evidence.xy[None, None], confidence=confidence, rig=CameraRig((lens,))
        )
        options = replace(options, sigma_px=sigma_px)
        self.seen: Observations = observations(flat, options)
        self.terms: Terms = terms_of(model, options)
        self.hand, self.points = articulation(model), keypoints_of(model)
        self.mean_length, self.slope = length_and_slope(model)
        use = self.seen.ray_precision[0, 0, :, 0] > 0.0
        middle = np.append(self.seen.rays[0, 0, use].mean(axis=0), 1.0)
        self.use, self.to_camera = use, facing(middle)
        merged = merged_guess(evidence.guesses_for(model.side))
        self.guess: Array | None = None if merged is None else merged.xyz
        self.sigma = 1.0 if merged is None else merged.sigma_m
        self.projector, self.known = self._projector()

    @property
    def columns(self) -> int:
        return POSE + self.model.shape_count

    def starts(self) -> list[_State]:
        shape = np.zeros(self.model.shape_count)
        if self.size.length_m is not None:
            shape = self.slope * (self.size.length_m - self.mean_length) / (self.slope @ self.slope)
        if self.guess is None:
            angles, R, t = start_poses(self.model, self.seen, self.terms, shape[None])
            return [_State(angles[0], R[0], t[0], shape)]
        turned = self.guess @ self.to_camera.T
        palm = np.linalg.norm(turned[_MIDDLE] - turned[_WRIST])
        here = self.model.pose(np.zeros((15, 3)), shape).keypoints
        turned = turned * np.linalg.norm(here[_MIDDLE] - here[_WRIST]) / max(float(palm), 1e-9)
        angles, T = inverse_kinematics(self.model, turned, shape)
        angles = self.model.clamp(angles)
        R = T[:3, :3]
        relative = self.model.pose(angles, shape, rigid(R, np.zeros(3))).keypoints
        return [_State(angles.reshape(ANGLES), R, self._placed(relative), shape)]

    def solved(self, state: _State) -> _State:
        """Levenberg–Marquardt from a start."""
        H, g, cost = self.normal_equations(state)
        damping, converged = 1e-3, False
        for _ in range(_ROUNDS):
            D = np.diag(H)
            step = np.asarray(np.linalg.solve(H + np.diag(damping * D + 1e-9 + 1e-3 * damping), -g))
            moved = self.moved(state, step)
            trial_H, trial_g, trial = self.normal_equations(moved)
            # A hand without extent contradicts no guess of free size: as the other side it would vanish.
            if trial < cost and LENGTHS_M[0] <= self.mean_length + self.slope @ moved.shape <= LENGTHS_M[1]:
                fall = cost - trial
                state, H, g, cost = moved, trial_H, trial_g, trial
                damping = max(0.2 * damping, 1e-9)
                if fall < 1e-4 * max(1.0, cost):
                    converged = True
                    break
            else:
                damping *= 6.0
                if damping > 1e9:
                    converged = True
                    break
        return replace(state, cost=cost, converged=converged)

    def moved(self, state: _State, step: Array) -> _State:
        angles, R, t, shape = np.empty(ANGLES), np.empty((3, 3)), np.empty(3), np.empty(len(state.shape))
        advance(state.angles, state.R, state.t, state.shape, step, angles, R, t, shape)
        return _State(angles, R, t, shape)

    def normal_equations(self, state: _State) -> tuple[Array, Array, float]:
        P = self.columns
        H, g, cost = np.empty((1, P, P)), np.empty((1, P)), np.empty(1)
        normal_equations(
            self.hand, self.points, self.seen, self.terms,
            state.angles[None], np.ascontiguousarray(state.R)[None], state.t[None], state.shape[None],
            H, g, cost,
        )  # fmt: skip
        full = np.tril(H[0]) + np.tril(H[0], -1).T
        gradient, total = g[0], float(cost[0])
        if self.projector is not None:
            points, J = self.keypoints(state)
            residual = self.projector @ points[self.known].ravel()
            J = self.projector @ J[self.known].reshape(-1, P)
            full += J.T @ J
            gradient += J.T @ residual
            total += 0.5 * float(residual @ residual)
        if self.size.length_m is not None:
            off = (self.mean_length + self.slope @ state.shape - self.size.length_m) / self.size.sigma_m
            row = self.slope / self.size.sigma_m
            full[POSE:, POSE:] += np.outer(row, row)
            gradient[POSE:] += off * row
            total += 0.5 * float(off) ** 2
        return full, gradient, total

    def keypoints(self, state: _State) -> tuple[Array, Array]:
        """(21, 3) keypoints and (21, 3, P) their derivatives."""
        T = rigid(state.R, state.t)
        return points_with_jacobian(self.model, self.points, state.angles.reshape(15, 3), state.shape, T)

    def result(self, state: _State, focal_spread: float) -> PictureFit:
        points, J = self.keypoints(state)
        nearest, farthest = NEARNESS_M
        depth = float(points[:, 2].mean())
        if not (np.isfinite(depth) and nearest <= depth <= farthest):
            raise FitError(
                f"The hand that fits best would be {depth:.3g} m away.",
                "Check the intrinsics or the field of view: they must belong to this picture.",
            )
        H, _, _ = self.normal_equations(state)
        covariance: Array = np.asarray(np.linalg.inv(H + 1e-9 * np.eye(len(H))))
        of_points = J @ covariance @ np.swapaxes(J, -1, -2)
        # A wrong focal length or extent moves the hand along the axis, in proportion to its depth.
        stretch = float(np.hypot(focal_spread, _COMMON))
        of_points[:, 2, 2] += np.square(stretch * points[:, 2])
        covariance[5, 5] += (stretch * state.t[2]) ** 2
        wrist = points[_WRIST]
        distance = float(np.linalg.norm(wrist))
        along = wrist / distance
        beyond = np.maximum(self.hand.lowest - state.angles, state.angles - self.hand.highest).max()
        off = np.linalg.norm(self.lens.project(points) - self.evidence.xy, axis=-1)[self.use]
        gap = np.nan
        if self.guess is not None:
            gap = relative_gap(points[self.known], (self.guess @ self.to_camera.T)[self.known])
        return PictureFit(
            side=self.model.side,
            angles=state.angles.reshape(15, 3),
            T_camera_wrist=rigid(state.R, state.t),
            shape=state.shape,
            keypoints=points,
            keypoint_covariance=of_points,
            covariance=covariance,
            distance_m=distance,
            distance_sigma_m=float(np.sqrt(along @ of_points[_WRIST] @ along)),
            length_m=float(self.mean_length + self.slope @ state.shape),
            reprojection_px=float(np.sqrt(np.mean(off**2))),
            gap_m=gap,
            limit_excess=max(float(beyond), 0.0),
            cost=state.cost,
            converged=state.converged,
        )

    def _placed(self, relative: Array) -> Array:
        """(3,) where a hand must be for its lines of sight to meet the rays: linear in the place."""
        u, X = self.seen.rays[0, 0, self.use], relative[self.use]
        A = np.zeros((len(u), 2, 3))
        A[:, 0, 0] = A[:, 1, 1] = 1.0
        A[:, :, 2] = -u
        b = u * X[:, 2:] - X[:, :2]
        t = np.linalg.lstsq(A.reshape(-1, 3), b.ravel(), rcond=None)[0]
        if t[2] + X[:, 2].min() > NEARNESS_M[0]:
            return t
        # A guess that contradicts its picture: the distance at which its width is right.
        spread = np.sqrt(np.square(u - u.mean(axis=0)).sum(axis=1).mean())
        width = np.sqrt(np.square(X[:, :2] - X[:, :2].mean(axis=0)).sum(axis=1).mean())
        centre = np.append(u.mean(axis=0), 1.0) * max(width / max(spread, 1e-9), 2 * NEARNESS_M[0])
        return np.asarray(centre - X.mean(axis=0))

    def _projector(self) -> tuple[Array | None, NDArray[np.bool_]]:
        """What is left of keypoints in space without the place and the size of the guess, whitened.

        The least ‖X − s q − t‖ over s and t is ‖P X‖, with P onto what q and equal moves leave over.
        """
        if self.guess is None:
            return None, np.zeros(len(HAND), dtype=bool)
        known = np.asarray(np.isfinite(self.guess).all(axis=-1))
        q = self.guess[known] @ self.to_camera.T
        count = len(q)
        nuisance = np.concatenate([np.tile(np.eye(3), (count, 1)), q.reshape(-1, 1)], axis=1)
        basis = np.linalg.qr(nuisance)[0]
        P = np.eye(3 * count) - basis @ basis.T
        return P / self.sigma, known


_WRIST, _MIDDLE = HAND.indices(["wrist", "middle_mcp"])


def relative_gap(points: Array, guess: Array) -> float:
    """Root mean square distance of (n, 3) points to a guess moved and scaled, not turned, onto them."""
    X, q = points - points.mean(axis=0), guess - guess.mean(axis=0)
    scale = float((X * q).sum() / max(float((q * q).sum()), 1e-12))
    return float(np.sqrt(np.square(X - scale * q).sum(axis=1).mean()))
