"""A hand fitted through a recording: one shape, a pose per frame, every frame with what is to be said of it.

Every frame is first fitted on its own; where that went wrong, it is tried again from its neighbours. The
poses of consecutive frames are then solved together (:mod:`handloom.fitting.motion`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from handloom.errors import FitError
from handloom.fitting.equations import Observations, Terms
from handloom.fitting.frames import FitOptions, FrameEvidence, observations, terms_of
from handloom.fitting.motion import (
    Acceleration,
    States,
    pose_covariance,
    single_covariance,
    smooth_motion,
)
from handloom.fitting.observed import evidence_count, frames_of, root_mean_square, stretches
from handloom.fitting.shared_shape import check_length, shared_shape
from handloom.fitting.solver import couples_fingers, elimination, fit_each
from handloom.fitting.start import start_poses
from handloom.hand import HandModel
from handloom.hand.articulation import ANGLES, POSE, articulation, keypoints_of
from handloom.hand.kernel import points_with_jacobian
from handloom.hand.kinematics import rigid
from handloom.session.fitted_hand import FitFlag

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

FEWEST_POINTS = 6
"""Keypoints of a frame, counted once per view, below which nothing is said of it."""


@dataclass(frozen=True, eq=False)
class SequenceOptions:
    """How a recording is fitted.

    Attributes:
        frame: how the evidence of a frame is weighed.
        noise: standard deviation of a 2D keypoint as a share of the hand's extent in the picture, added in
            quadrature to ``frame.sigma_px``; detectors read a picture of fixed size, so their error grows
            with the hand's.
        common: share of that error (as a variance) that all views have in common: what a detector gets wrong
        about a pose it gets wrong from every side, and more views do not average it away.
    bias_m: standard deviation per axis of what a detector gets wrong about a pose in space, metres, added to
        the covariance of 3D keypoints, which knows of independent errors only.
    turn, place, bend: standard deviations of the accelerations of the hand's rotation (rad/s²), of its
            place (m/s²) and of its joint angles (rad/s²).
        knee: accelerations beyond so many standard deviations count linearly.
        longest_gap_s: gaps up to this long are bridged.
        hand_length_m: from the wrist to the tip of the middle finger, where it was measured.
        shape_frames: the shape is found from so many frames, evenly spread.
        shape_worth: independent frames that these are worth: errors of a detector repeat.
        window, margin: frames solved together, and how many of them on either side are solved again with
            the next.
        iterations: of a window, at most.
    """

    frame: FitOptions = field(default_factory=FitOptions)
    noise: float = 0.03
    common: float = 0.5
    bias_m: float = 0.003
    turn: float = 15.0
    place: float = 3.0
    bend: float = 25.0
    knee: float = 6.0
    longest_gap_s: float = 0.25
    hand_length_m: float | None = None
    shape_frames: int = 200
    shape_worth: float = 5.0
    window: int = 256
    margin: int = 24
    iterations: int = 25
    tolerance: float = 1e-4
    far: float = 4.0
    """Root mean square residual, in standard deviations, from which a frame is called far from its
    observations."""
    flagged_excess: float = np.deg2rad(5.0)
    """Angles further beyond a limit are flagged, radians."""


@dataclass(frozen=True, eq=False)
class SequenceFit:
    """A hand through T frames; NaN in frames of which nothing is known.

    Attributes:
        shape: (B,) standard deviations.
        angles: (T, 15, 3) radians.
        T_world_wrist: (T, 4, 4).
        keypoint_error_m: (T,) root mean square distance to the 3D keypoints.
        reprojection_px: (T,) root mean square distance to the 2D keypoints.
        sigma: (T, 21) standard deviation of each keypoint, metres.
        limit_excess: (T,) the furthest that an angle is beyond its limits, radians.
        flags: (T,) :class:`~handloom.session.FitFlag`.
        views_used: (T,) number of views with 2D keypoints used.
    """

    shape: Array
    angles: Array
    T_world_wrist: Array
    keypoint_error_m: Array
    reprojection_px: Array
    sigma: Array
    limit_excess: Array
    flags: NDArray[np.uint8]
    views_used: NDArray[np.uint8]


def fit_sequence(
    model: HandModel,
    evidence: FrameEvidence,
    options: SequenceOptions | None = None,
    *,
    fps: float = 30.0,
    shape: Array | None = None,
) -> SequenceFit:
    """Fit one hand through consecutive frames.

    Args:
        model: the hand.
        evidence: of T frames; lengths in metres.
        options: how it is weighed.
        fps: frames a second.
        shape: (B,) where it is known; found from the frames without.

    Raises:
        FitError: if no frame shows enough of the hand, or as :func:`~handloom.fitting.fit_frames` does.
    """
    options = options or SequenceOptions()
    seen = weighed(evidence, options)
    terms = terms_of(model, options.frame)
    if shape is None:
        shape = fit_shape(model, evidence, options)
    known = evidence_count(seen) >= FEWEST_POINTS
    T = len(known)
    fit = _Fit(model, seen, terms, np.asarray(shape, dtype=np.float64), options, fps)
    states, restarted = fit.single_frames(known)
    settled = np.zeros(T, dtype=bool)
    covariance = np.full((T, POSE, POSE), np.nan)
    longest = round(options.longest_gap_s * fps)
    for start, stop in stretches(known & np.isfinite(states.t).all(axis=1), longest):
        fit.bridge(states, start, stop)
        fit.solve(states, settled, covariance, start, stop)
    return fit.result(evidence, states, covariance, known, settled, restarted)


def fit_shape(model: HandModel, evidence: FrameEvidence, options: SequenceOptions | None = None) -> Array:
    """The (B,) shape that explains all frames best.

    Args:
        model, evidence, options: as in :func:`fit_sequence`; the frames need not follow each other.

    Raises:
        FitError: as :func:`fit_sequence`.
    """
    options = options or SequenceOptions()
    if options.hand_length_m is not None:
        check_length(options.hand_length_m)
    seen = weighed(evidence, options)
    terms = terms_of(model, options.frame)
    count = evidence_count(seen)
    if not (count >= FEWEST_POINTS).any():
        raise FitError(
            f"None of {len(count)} frames shows enough of the hand to fit it.",
            "Track a recording in which a hand is seen.",
        )
    # The frames seen by most are the ones that tell size from distance.
    best = np.flatnonzero(count >= max(FEWEST_POINTS, int(0.8 * np.percentile(count, 90))))
    chosen = best[np.linspace(0, len(best) - 1, min(options.shape_frames, len(best))).round().astype(int)]
    seen = frames_of(seen, chosen)
    fit = _Fit(model, seen, terms, np.zeros(model.shape_count), options, 30.0)
    states, _ = fit.single_frames(np.ones(len(chosen), dtype=bool))
    usable = np.flatnonzero(np.isfinite(states.t).all(axis=1) & np.isfinite(states.angles).all(axis=1))
    return shared_shape(
        model,
        frames_of(seen, usable),
        terms,
        States(*(array[usable] for array in states)),
        worth=options.shape_worth,
        length_m=options.hand_length_m,
    )


def weighed(evidence: FrameEvidence, options: SequenceOptions) -> Observations:
    """The evidence as the kernels read it, 2D keypoints weighed by the size of the hand in the picture."""
    if evidence.keypoints3d is not None and evidence.covariance is not None:
        evidence = replace(evidence, covariance=evidence.covariance + options.bias_m**2 * np.eye(3))
    seen = observations(evidence, options.frame)
    if evidence.keypoints2d is None:
        return seen
    xy = np.asarray(evidence.keypoints2d, dtype=np.float64)
    present = np.asarray(np.isfinite(xy).all(axis=-1))
    high = np.where(present[..., None], xy, -np.inf).max(axis=2)
    low = np.where(present[..., None], xy, np.inf).min(axis=2)
    extent = np.where(present.any(axis=2), (high - low).max(axis=-1), 0.0)
    widened = np.hypot(options.frame.sigma_px, options.noise * extent) / options.frame.sigma_px
    views = np.maximum((seen.ray_precision > 0.0).any(axis=(2, 3)).sum(axis=0), 1)
    widened *= np.sqrt(1.0 + options.common * (views - 1.0))
    return seen._replace(ray_precision=seen.ray_precision / widened[..., None, None])


class _Fit:
    """One hand, its evidence, and the steps of its fit."""

    def __init__(
        self,
        model: HandModel,
        seen: Observations,
        terms: Terms,
        shape: Array,
        options: SequenceOptions,
        fps: float,
    ) -> None:
        self.model, self.seen, self.terms, self.shape, self.options = model, seen, terms, shape, options
        self.hand, self.keypoints = articulation(model), keypoints_of(model)
        sigma = np.repeat([options.turn, options.place, options.bend], [3, 3, ANGLES]) / fps**2
        self.acceleration = Acceleration(1.0 / sigma, options.knee)
        self.order = elimination(POSE, coupled=couples_fingers(self.keypoints, terms))

    def single_frames(self, known: Mask) -> tuple[States, Mask]:
        """Every known frame on its own, NaN elsewhere; and which of them had to be begun anew."""
        T = len(known)
        shapes = np.tile(self.shape, (T, 1))
        angles, R, t = start_poses(self.model, self.seen, self.terms, shapes)
        angles[~known], R[~known], t[~known] = np.nan, np.nan, np.nan
        states = States(angles, R, t, shapes)
        costs = self._each(self.seen, states)
        restarted = np.zeros(T, dtype=bool)
        per_point = costs / np.maximum(evidence_count(self.seen), 1)
        if not np.isfinite(per_point).any():
            return states, restarted
        usual = np.nanmedian(per_point)
        # Forwards, then backwards: a good frame helps out the bad ones after it, one by one.
        for direction in (1, -1):
            for n in range(T)[::direction]:
                source = n - direction
                if not (0 <= source < T and known[n]) or per_point[n] < 2.0 * usual + 0.5:
                    continue
                if not np.isfinite(states.t[source, 0]):
                    continue
                trial = states.part(source, source + 1)
                cost = self._each(frames_of(self.seen, slice(n, n + 1)), trial)[0]
                if not cost >= 0.9 * costs[n]:
                    for array, new in zip(states, trial, strict=True):
                        array[n] = new[0]
                    per_point[n] *= cost / costs[n] if np.isfinite(costs[n]) else 1.0
                    costs[n], restarted[n] = cost, True
        return states, restarted

    def _each(self, seen: Observations, states: States) -> Array:
        N = len(states.t)
        costs, taken, ended = np.empty(N), np.empty(N, dtype=np.int64), np.empty(N, dtype=bool)
        frame = self.options.frame
        fit_each(
            self.hand, self.keypoints, seen, self.terms, *states, *self.order, frame.iterations, 1e-3,
            costs, taken, ended,
        )  # fmt: skip
        return costs

    def bridge(self, states: States, start: int, stop: int) -> None:
        """Fill frames without a pose from those around, for the solver to begin at."""
        missing = np.flatnonzero(~np.isfinite(states.t[start:stop, 0])) + start
        if not len(missing):
            return
        given = np.setdiff1d(np.arange(start, stop), missing)
        states.R[missing] = Slerp(given, Rotation.from_matrix(states.R[given]))(missing).as_matrix()
        for array in (states.angles, states.t):
            for column in array.T:
                column[missing] = np.interp(missing, given, column[given])

    def solve(self, states: States, settled: Mask, covariance: Array, start: int, stop: int) -> None:
        """Solve a stretch of frames window by window, in place."""
        own = self.options.window
        for first in range(start, stop, own):
            low, high = max(start, first - self.options.margin), min(stop, first + own + self.options.margin)
            keep = slice(first, min(first + own, stop))
            inside = slice(keep.start - low, keep.stop - low)
            seen = frames_of(self.seen, slice(low, high))
            problem = (self.hand, self.keypoints, seen, self.terms)
            found, rest = smooth_motion(
                *problem, states.part(low, high), self.acceleration, self.options.iterations,
                self.options.tolerance,
            )  # fmt: skip
            joint = pose_covariance(*problem, found, self.acceleration)
            # What a detector gets wrong it gets wrong in the next frame, too: frames that were seen are no
            # surer than their own observations make them.
            alone = single_covariance(*problem, found)
            seen_here = (evidence_count(seen) >= FEWEST_POINTS)[:, None, None]
            covariance[keep] = np.where(seen_here, alone, joint)[inside]
            settled[keep] = rest
            for array, new in zip(states, found, strict=True):
                array[keep] = new[inside]

    def result(
        self,
        evidence: FrameEvidence,
        states: States,
        covariance: Array,
        known: Mask,
        settled: Mask,
        restarted: Mask,
    ) -> SequenceFit:
        """Residuals, uncertainty and flags of the poses found."""
        T = len(known)
        fitted = np.isfinite(covariance[:, 0, 0])
        angles = np.where(fitted[:, None], states.angles, np.nan).reshape(T, 15, 3)
        T_world_wrist = np.where(fitted[:, None, None], rigid(states.R, states.t), np.nan)
        points, J = points_with_jacobian(
            self.model, self.keypoints, np.nan_to_num(angles), states.shapes, np.nan_to_num(T_world_wrist)
        )
        points = np.where(fitted[:, None, None], points, np.nan)
        J = J[..., :POSE]
        spread = np.einsum("tkip,tpq,tkiq->tk", J, np.where(fitted[:, None, None], covariance, 0.0), J) / 3.0
        flat = states.angles
        beyond = np.maximum(self.hand.lowest - flat, flat - self.hand.highest).max(axis=1)
        beyond = np.where(fitted, np.maximum(beyond, 0.0), np.nan)
        chi2, in_space, in_pictures = self._residuals(evidence, points)
        flags = np.zeros(T, dtype=np.uint8)
        for flag, where in (
            (FitFlag.UNSEEN, ~fitted),
            (FitFlag.FILLED, fitted & ~known),
            (FitFlag.NOT_CONVERGED, fitted & ~settled),
            (FitFlag.RESIDUAL, fitted & (chi2 > self.options.far**2)),
            (FitFlag.LIMITS, fitted & (np.nan_to_num(beyond) > self.options.flagged_excess)),
            (FitFlag.RESTARTED, fitted & restarted),
        ):
            flags[where] |= int(flag)
        views = (self.seen.ray_precision[..., 0] > 0.0).any(axis=2).sum(axis=0)
        return SequenceFit(
            shape=self.shape.copy(),
            angles=angles,
            T_world_wrist=T_world_wrist,
            keypoint_error_m=in_space,
            reprojection_px=in_pictures,
            sigma=np.where(fitted[:, None], np.sqrt(np.maximum(spread, 0.0)), np.nan),
            limit_excess=beyond,
            flags=flags,
            views_used=np.where(fitted & known, views, 0).astype(np.uint8),
        )

    def _residuals(self, evidence: FrameEvidence, points: Array) -> tuple[Array, Array, Array]:
        """Mean squared whitened residual, distance in space and in the pictures, (T,) each."""
        whitened: list[Array] = []
        in_space = in_pictures = np.full(len(points), np.nan)
        if evidence.keypoints3d is not None:
            off = points - evidence.keypoints3d
            in_space = root_mean_square(np.square(off).sum(axis=-1).T)
            squared = np.einsum("tki,tkij,tkj->tk", off, self.seen.point_precision, off) / 3.0
            whitened.append(np.where(self.seen.point_precision[..., 0, 0] > 0.0, squared, np.nan).T)
        if evidence.keypoints2d is not None and evidence.rig is not None:
            off = evidence.rig.project(points) - evidence.keypoints2d
            squared = np.square(off).sum(axis=-1)
            C, T, K = squared.shape
            used = self.seen.ray_precision[..., 0] > 0.0
            kept = np.where(used, squared, np.nan).transpose(0, 2, 1).reshape(C * K, T)
            in_pictures = root_mean_square(kept)
            focal = np.array([camera.K[0, 0] for camera in evidence.rig])[:, None, None]
            precision = self.seen.ray_precision[..., 0] / focal
            weighed = np.where(used, 0.5 * squared * precision**2, np.nan)
            whitened.append(weighed.transpose(0, 2, 1).reshape(C * K, T))
        return root_mean_square(np.concatenate(whitened)) ** 2, in_space, in_pictures
