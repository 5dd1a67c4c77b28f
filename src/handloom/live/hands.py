"""Hands frame by frame: the tracker, the causal filter and the causal fit, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import CameraRig
from handloom.detection import DetectorPool
from handloom.detection.choice import HAND_DETECTORS, hand_detector
from handloom.detection.runtime import Runtime
from handloom.errors import FitError, RigError
from handloom.fitting import FrameEvidence
from handloom.fitting.causal import CausalFit, LiveHand
from handloom.fitting.hand_size import length_and_slope
from handloom.fitting.sequence import SequenceOptions, fit_shape
from handloom.fitting.shared_shape import check_length
from handloom.hand import HandModel, PosedHand, load_open_hand
from handloom.keypoints import Keypoints3D, Track
from handloom.reconstruction import (
    CausalReconstructor,
    ObservationTable,
    ReconstructionOptions,
    Reconstructor,
    Tracker,
)
from handloom.reconstruction.warmup import warm_up
from handloom.skeleton import HAND

Array = NDArray[np.float64]
Picture = NDArray[np.uint8]

_model = lru_cache(load_open_hand)


@dataclass(frozen=True)
class LiveOptions:
    """How live hands are followed.

    Attributes:
        max_hands: how many at most.
        hand_length_m: wrist to tip of the middle finger, where measured.
        runtime, lite, detector, weights: as for :class:`~handloom.tracking.TrackOptions`.
        shape_frames: after so many frames with the hand in space its shape is fitted, once.
    """

    max_hands: int = 2
    hand_length_m: float | None = None
    runtime: Runtime = "litert"
    lite: bool = False
    detector: str = "mediapipe"
    weights: str | None = None
    shape_frames: int = 30


@dataclass(frozen=True, eq=False)
class HandNow:
    """One hand in one frame.

    Attributes:
        track: whose; the same as long as it is followed.
        xy: (C, 21, 2) pixels, NaN where missing.
        confidence: (C, 21).
        used: (C, 21) what the points in space rest on.
        points: (1, 21) points in space; None with one camera.
        model, shape: of the fit.
        fit: pose and place; None where too little is seen.
        posed: the mesh in the world, (V, 3) vertices; None without a fit.
    """

    track: Track
    xy: Array
    confidence: Array
    used: NDArray[np.bool_]
    points: Keypoints3D | None
    model: HandModel
    shape: Array
    fit: LiveHand | None
    posed: PosedHand | None


class LiveHands:
    """Follows the hands before one or more cameras.

    With two cameras or more, hands are triangulated and their shape is found after a second, beside the
    running fit. One camera shows no size: the hand is the mean hand, or has the stated length, and the place
    is as good as that and the field of view.

    Args:
        rig: metric, one camera per view.
        fps: frames a second.
        options: how.

    Raises:
        RigError: if the rig is not in metres.
        FitError: for a length that no hand has.
        HandloomError: for a detector that there is not, or without its networks.
    """

    def __init__(self, rig: CameraRig, fps: float, options: LiveOptions | None = None) -> None:
        if rig.unit != "m":
            raise RigError(
                "The rig does not say how long its unit is; hands are fitted live in metres only.",
                "Say --unit with the length of one unit, such as '25 mm'.",
            )
        self.rig, self.fps, self.options = rig, fps, options or LiveOptions()
        if self.options.hand_length_m is not None:
            check_length(self.options.hand_length_m)
        how = self.options
        self._pool = DetectorPool(
            hand_detector(how.detector, how.runtime, lite=how.lite, weights=how.weights)
        )
        self._tracker = Tracker(self._pool, rig, len(rig), how.max_hands)
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="shape")
        self._followed: dict[int, _Followed] = {}
        self._shapes: dict[Track, Array] = {}
        self._warm_up()

    def step(self, images: Sequence[Picture | None], periods: int = 1) -> list[HandNow]:
        """Advance by one frame.

        Args:
            images: one (H, W, 3) RGB picture per view; None where the view has none.
            periods: of the frame rate since the frame before; more than one where pictures were skipped.
        """
        seen = self._tracker.step(images)
        table = ObservationTable.of([(0, seen)], HAND)
        alive = {target.id: target for target in self._tracker.targets}
        for gone in set(self._followed) - set(alive):
            self._leave(gone)
        hands = []
        for target in alive.values():
            if not any(o.target == target.id for o in seen):
                continue
            side = "right" if target.rightness > 0 else "left"
            followed = self._followed.get(target.id)
            if followed is not None and followed.track.side != side:
                self._leave(target.id)
                followed = None
            if followed is None:
                followed = self._followed[target.id] = self._begin(side)
            hands.append(followed.update(table, target.id, periods))
        return hands

    def close(self) -> None:
        """Let the workers end."""
        self._aside.shutdown(wait=True, cancel_futures=True)
        self._pool.close()

    def _warm_up(self) -> None:
        """Load the networks and the compiled code now, not while the first hand waits."""
        warm_up()
        self._pool.find([np.zeros((64, 64, 3), dtype=np.uint8)] * len(self.rig))
        model = _model("right")
        keypoints = model.rest_keypoints + np.array([0.0, 0.0, 0.5])
        told = FrameEvidence(keypoints[None], np.tile(1e-6 * np.eye(3), (1, len(HAND), 1, 1)))
        for _ in range(2):
            CausalFit(model).update(told)

    def _begin(self, side: str) -> _Followed:
        taken = {followed.track for followed in self._followed.values()}
        subject = next(n for n in range(len(taken) + 1) if Track(n, "hand", side) not in taken)
        track = Track(subject, "hand", side)
        return _Followed(track, self.rig, self.fps, self.options, self._aside, self._shapes.get(track))

    def _leave(self, target: int) -> None:
        followed = self._followed.pop(target)
        if followed.settled:
            self._shapes[followed.track] = followed.fit.shape


class _Followed:
    """One hand as long as it is followed."""

    def __init__(
        self,
        track: Track,
        rig: CameraRig,
        fps: float,
        options: LiveOptions,
        aside: ThreadPoolExecutor,
        shape: Array | None,
    ) -> None:
        self.track = track
        self.settled = shape is not None
        self._rig, self._fps, self._options, self._aside = rig, fps, options, aside
        self._model = _model(track.side)
        if shape is None:
            shape = _of_length(self._model, options.hand_length_m)
        self.fit = CausalFit(self._model, shape, fps=fps)
        self._inner: CausalReconstructor | None = None
        if len(rig) > 1:
            self._inner = CausalReconstructor(
                Reconstructor(rig, HAND, fps, ReconstructionOptions(smooth=False))
            )
        self._points: list[Array] = []
        self._covariances: list[Array] = []
        self._sought: Future[Array] | None = None

    def update(self, table: ObservationTable, target: int, periods: int) -> HandNow:
        sightings = table.sightings(
            [target], 0, 1, len(self._rig), HAND_DETECTORS[self._options.detector].noise
        )
        points: Keypoints3D | None = None
        used = np.asarray(np.isfinite(sightings.xy[:, 0]).all(axis=-1))
        if self._inner is None:
            evidence = FrameEvidence(keypoints2d=sightings.xy, confidence=sightings.confidence, rig=self._rig)
        else:
            solution = self._inner.update(sightings)
            points, used = solution.keypoints, solution.used[:, 0]
            evidence = FrameEvidence(points.xyz, points.covariance)
            self._find_shape(points)
        fit = self.fit.update(evidence, periods)
        posed = None
        if fit is not None:
            posed = self._model.pose(fit.angles, self.fit.shape, fit.T_world_wrist)
        return HandNow(
            self.track, sightings.xy[:, 0], sightings.confidence[:, 0], used, points,
            self._model, self.fit.shape, fit, posed,
        )  # fmt: skip

    def _find_shape(self, points: Keypoints3D) -> None:
        """Gather frames; once there are enough, seek the shape beside the running fit and take it over."""
        if self.settled:
            return
        if self._sought is None:
            if np.isfinite(points.xyz).all():
                self._points.append(points.xyz)
                self._covariances.append(points.covariance)
            if len(self._points) < self._options.shape_frames:
                return
            told = FrameEvidence(np.concatenate(self._points), np.concatenate(self._covariances))
            weights = SequenceOptions(hand_length_m=self._options.hand_length_m)
            self._sought = self._aside.submit(fit_shape, self._model, told, weights)
        elif self._sought.done():
            self.settled = True
            try:
                shape = self._sought.result()
            except FitError:
                return
            self.fit = CausalFit(self._model, shape, fps=self._fps)


def _of_length(model: HandModel, length_m: float | None) -> Array | None:
    """The likeliest (B,) shape of a hand of this length."""
    if length_m is None:
        return None
    mean, slope = length_and_slope(model)
    return np.asarray(slope * (length_m - mean) / (slope @ slope))
