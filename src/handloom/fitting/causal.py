"""The hand frame by frame as it comes: each fit begins at what the frames before predict, within a budget."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from handloom.fitting.equations import Observations
from handloom.fitting.frames import ExpectedState, FrameEvidence, terms_of
from handloom.fitting.motion import States
from handloom.fitting.observed import evidence_count
from handloom.fitting.sequence import FEWEST_POINTS, SequenceOptions, weighed
from handloom.fitting.solver import couples_fingers, elimination, fit_each
from handloom.fitting.start import start_poses
from handloom.hand import HandModel
from handloom.hand.articulation import ANGLES, POSE, articulation, keypoints_of
from handloom.hand.kinematics import rigid

Array = NDArray[np.float64]

_LOST = 4.0
"""A cost so many times the usual one calls for a fit begun anew."""


@dataclass(frozen=True, eq=False)
class CausalOptions:
    """How live hands are fitted.

    Attributes:
        weights: as for a whole recording; of a live one, windows and gaps have no meaning.
        iterations: budget of a frame; it is used up only where the hand moves unexpectedly.
        memory: share of the velocity kept from frame to frame: what is predicted brakes.
        doubt: what is predicted may be off by so many times the accelerations of a recording's fit: the
            velocity it rests on is itself measured.
        learning: share of the newest movement in the velocity.
        longest_gap_s: unseen for longer, a hand is begun anew.
    """

    weights: SequenceOptions = field(default_factory=SequenceOptions)
    iterations: int = 6
    memory: float = 0.9
    doubt: float = 3.0
    learning: float = 0.5
    longest_gap_s: float = 0.25


@dataclass(frozen=True, eq=False)
class LiveHand:
    """One frame of a live hand.

    Attributes:
        angles: (15, 3) radians.
        T_world_wrist: (4, 4).
        cost: ½χ².
        converged: whether the budget was enough.
        restarted: whether it was begun anew.
    """

    angles: Array
    T_world_wrist: Array
    cost: float
    converged: bool
    restarted: bool


class CausalFit:
    """Fits one hand, of known shape, to one frame after the other.

    Args:
        model: the hand.
        shape: (B,), such as :func:`~handloom.fitting.sequence.fit_shape` finds from the first second; the
            mean hand without.
        fps: frames a second.
        options: how evidence and motion are weighed.
    """

    def __init__(
        self,
        model: HandModel,
        shape: Array | None = None,
        *,
        fps: float = 30.0,
        options: CausalOptions | None = None,
    ) -> None:
        self.options = options or CausalOptions()
        self.shape = np.zeros(model.shape_count) if shape is None else np.asarray(shape, dtype=np.float64)
        self._model, self._fps = model, fps
        self._hand, self._keypoints = articulation(model), keypoints_of(model)
        weights = self.options.weights
        self._terms = terms_of(model, weights.frame)
        self._order = elimination(POSE, coupled=couples_fingers(self._keypoints, self._terms))
        self._sigma = np.repeat([weights.turn, weights.place, weights.bend], [3, 3, ANGLES]) / fps**2
        self._sigma *= self.options.doubt
        self._usual: float | None = None
        self.reset()

    def reset(self) -> None:
        """Forget the frames before."""
        self._state: States | None = None
        self._velocity = np.zeros(POSE)
        self._unseen = 0

    def update(self, evidence: FrameEvidence, periods: int = 1) -> LiveHand | None:
        """Fit the next frame.

        Args:
            evidence: of one frame (N = 1), metres; an expected state in it is replaced.
            periods: of the frame rate since the frame before; more than one where pictures were skipped.

        Returns:
            The hand, or None if too little of it is seen.

        Raises:
            FitError: as :func:`~handloom.fitting.fit_frames`.
        """
        seen = weighed(evidence, self.options.weights)
        points = int(evidence_count(seen)[0])
        if points < FEWEST_POINTS:
            self._unseen += periods
            if self._unseen > self.options.longest_gap_s * self._fps:
                self.reset()
            return None
        frames, self._unseen = self._unseen + periods, 0
        before = self._state
        found, cost, converged = None, np.inf, False
        if before is not None:
            found = self._predicted(before, frames)
            expected = ExpectedState(
                found.angles.reshape(1, 15, 3).copy(), rigid(found.R, found.t), self._sigma * frames**2
            )
            told = FrameEvidence(
                evidence.keypoints3d,
                evidence.covariance,
                evidence.keypoints2d,
                evidence.confidence,
                evidence.rig,
                expected,
            )
            cost, converged = self._fit(weighed(told, self.options.weights), found)
        restarted = False
        if found is None or (self._usual is not None and cost / points > _LOST * self._usual + 1.0):
            shapes = self.shape[None].copy()
            anew = States(*start_poses(self._model, seen, self._terms, shapes), shapes)
            fresh, rest = self._fit(seen, anew)
            if fresh < cost:
                found, cost, converged, restarted = anew, fresh, rest, before is not None
        if found is None or not np.isfinite(cost):
            return None
        share = cost / points
        self._usual = share if self._usual is None else 0.95 * self._usual + 0.05 * share
        self._remember(before, found, frames, restarted)
        return LiveHand(
            found.angles[0].reshape(15, 3).copy(), rigid(found.R, found.t)[0], cost, converged, restarted
        )

    def _predicted(self, state: States, frames: int) -> States:
        move = self._velocity * frames
        return States(
            state.angles + move[6:],
            Rotation.from_rotvec(move[:3]).as_matrix() @ state.R,
            state.t + move[3:6],
            self.shape[None].copy(),
        )

    def _remember(self, before: States | None, now: States, frames: int, restarted: bool) -> None:
        if before is None or restarted:
            self._velocity = np.zeros(POSE)
        else:
            turn = Rotation.from_matrix(now.R[0] @ before.R[0].T).as_rotvec()
            moved = np.concatenate([turn, now.t[0] - before.t[0], now.angles[0] - before.angles[0]])
            learning = self.options.learning
            self._velocity = (
                1.0 - learning
            ) * self._velocity + learning * self.options.memory * moved / frames
        self._state = now

    def _fit(self, seen: Observations, states: States) -> tuple[float, bool]:
        costs, taken, ended = np.empty(1), np.empty(1, dtype=np.int64), np.empty(1, dtype=bool)
        fit_each(
            self._hand, self._keypoints, seen, self._terms, *states, *self._order,
            self.options.iterations, 1e-3, costs, taken, ended,
        )  # fmt: skip
        return float(costs[0]), bool(ended[0])
