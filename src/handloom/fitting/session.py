"""The hands of a tracked session, fitted and written beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import CameraRig
from handloom.errors import FitError
from handloom.fitting.frames import FrameEvidence
from handloom.fitting.sequence import SequenceFit, SequenceOptions, fit_sequence, fit_shape
from handloom.fitting.shared_shape import check_length, flat_length
from handloom.hand import HandModel, load_open_hand
from handloom.keypoints import Track
from handloom.progress import SILENT, Progress
from handloom.session import FittedHand, Session, write_hands
from handloom.session.layout import HANDS, ROW_GROUP_FRAMES
from handloom.skeleton import HAND

Array = NDArray[np.float64]

OPEN = "open"

_BLOCK = 2 * ROW_GROUP_FRAMES
"""Frames whose evidence is in memory at a time."""

_FEWEST_LENGTHS = 5  # frames whose palm tells the scale of a rig without one


@dataclass(frozen=True)
class _Scale:
    """Units of the rig per metre, and where that is from."""

    value: float
    source: str


def fit_session(
    session: Session,
    hand: str | Path = OPEN,
    options: SequenceOptions | None = None,
    *,
    progress: Progress = SILENT,
) -> dict[Track, FittedHand]:
    """Fit every hand of a session and write ``hands.npz`` into its folder.

    A rig without metres is brought to the size of the hand: the mean hand's, or ``options.hand_length_m``.
    The result is in the rig's unit again.

    Args:
        session: of ``handloom track``.
        hand: ``"open"``, or a file or folder of MANO.
        options: how the evidence is weighed.
        progress: told of every frame.

    Returns:
        The hands, as ``session.hands()`` gives them.

    Raises:
        FitError: if the session holds no hand, or none that can be fitted, or the hand's length is absurd.
            The session is left as it was.
        ModelError: if the file is no hand model.
        SessionError: if the session is damaged or cannot be written.
    """
    options = options or SequenceOptions()
    if options.hand_length_m is not None:
        check_length(options.hand_length_m)
    tracks = [track for track in session.tracks if track.target == "hand"]
    if not tracks:
        raise FitError(
            f"The session in {session.folder} holds no hands.", "Track with --target hands or both."
        )
    models = {side: _load(hand, side) for side in sorted({track.side for track in tracks})}
    fitted = {}
    with progress.task("Hands", len(session) * len(tracks)) as task:
        for track in tracks:
            try:
                fitted[track] = _fit_track(session, track, models[track.side], options, task.advance)
            except FitError as error:
                progress.note(f"{track.name} is left out: {error.problem}")
    if not fitted:
        raise FitError(
            f"No hand of the session in {session.folder} is seen well enough to be fitted.",
            "Look at its report: the cameras may see too little of the hands.",
        )
    write_hands(session.folder / HANDS, list(fitted.values()), session.frames, session.times_s, session.unit)
    return fitted


def _load(hand: str | Path, side: str) -> HandModel:
    if str(hand) == OPEN:
        return load_open_hand(side)
    from handloom.hand.mano import load_mano

    return load_mano(hand, side)


def _fit_track(
    session: Session,
    track: Track,
    model: HandModel,
    options: SequenceOptions,
    advance: Callable[[int], None],
) -> FittedHand:
    T, fps = len(session), _frame_rate(session)
    positions = session.positions(track)
    scale = _scale(session, model, positions, options.hand_length_m)
    rig = _metric(session.rig, scale.value)
    sample = _sample(positions, 2 * options.shape_frames)
    if not len(sample):
        raise FitError(
            f"{track.name} was never seen by two views at a time.", "Let two cameras see the hand."
        )
    shape = fit_shape(model, _sampled(session, track, rig, sample), options)
    parts: list[tuple[SequenceFit, slice]] = []
    for start in range(0, T, _BLOCK):
        stop = min(start + _BLOCK, T)
        low, high = max(0, start - options.margin), min(T, stop + options.margin)
        evidence = _evidence(session, track, rig, low, high)
        fit = fit_sequence(model, evidence, options, fps=fps, shape=shape)
        parts.append((fit, slice(start - low, stop - low)))
        advance(stop - start)

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(fit, name)[inside] for fit, inside in parts])

    T_world_wrist = joined("T_world_wrist")
    T_world_wrist[:, :3, 3] *= scale.value
    return FittedHand(
        track=track,
        model=model,
        shape=shape,
        angles=joined("angles"),
        T_world_wrist=T_world_wrist,
        keypoint_error=joined("keypoint_error_m") * scale.value,
        reprojection_px=joined("reprojection_px"),
        sigma=joined("sigma") * scale.value,
        limit_excess=joined("limit_excess"),
        flags=joined("flags"),
        views_used=joined("views_used"),
        scale=scale.value,
        notes={"scale_from": scale.source, "fps": fps, "options": _plain(options)},
    )


def _evidence(session: Session, track: Track, rig: CameraRig, start: int, stop: int) -> FrameEvidence:
    """What the views saw: where points in space rest on some of it, only that."""
    seen = session.keypoints2d(track, start, stop)
    doubted = ~np.asarray(seen.used.any(axis=(0, 2)))
    relied = seen.used | doubted[None, :, None]
    xy = np.where((relied & (seen.confidence > 0.0))[..., None], seen.xy, np.nan)
    return FrameEvidence(keypoints2d=xy, confidence=seen.confidence, rig=rig)


def _sampled(session: Session, track: Track, rig: CameraRig, sample: NDArray[np.int64]) -> FrameEvidence:
    """The evidence of some frames, read block by block."""
    xy, confidence = [], []
    for start in range(0, len(session), _BLOCK):
        inside = sample[(sample >= start) & (sample < start + _BLOCK)] - start
        if len(inside):
            part = _evidence(session, track, rig, start, min(start + _BLOCK, len(session)))
            assert part.keypoints2d is not None
            assert part.confidence is not None
            xy.append(part.keypoints2d[:, inside])
            confidence.append(part.confidence[:, inside])
    return FrameEvidence(
        keypoints2d=np.concatenate(xy, axis=1), confidence=np.concatenate(confidence, axis=1), rig=rig
    )


def _sample(positions: Array, count: int) -> NDArray[np.int64]:
    """Frames with 3D keypoints, evenly spread."""
    seen = np.flatnonzero(np.isfinite(positions).all(axis=-1).sum(axis=1) >= len(HAND) // 2)
    return seen[np.linspace(0, len(seen) - 1, min(count, len(seen))).round().astype(int)]


def _scale(session: Session, model: HandModel, positions: Array, length_m: float | None) -> _Scale:
    if session.unit == "m":
        return _Scale(1.0, "rig")
    wrist, knuckle = HAND.indices(["wrist", "middle_mcp"])
    palm = np.linalg.norm(positions[:, knuckle] - positions[:, wrist], axis=1)
    palm = palm[np.isfinite(palm)]
    if len(palm) < _FEWEST_LENGTHS:
        raise FitError(
            f"The rig's unit is unknown and only {len(palm)} frames show the palm.",
            "Track with --unit and the length of the rig's unit.",
        )
    mean = model.rest_keypoints[knuckle] - model.rest_keypoints[wrist]
    of_mean, source = float(np.linalg.norm(mean)), "mean hand"
    if length_m is not None:
        of_mean, source = of_mean * length_m / flat_length(model)[0], "hand length"
    return _Scale(float(np.median(palm)) / of_mean, source)


def _metric(rig: CameraRig, scale: float) -> CameraRig:
    """The rig with its lengths divided by the scale."""
    if scale == 1.0:
        return rig
    cameras = []
    for camera in rig:
        T = camera.T_camera_world.copy()
        T[:3, 3] /= scale
        cameras.append(replace(camera, T_camera_world=T))
    return replace(rig, cameras=tuple(cameras))


def _frame_rate(session: Session) -> float:
    steps = np.diff(session.times_s) / np.diff(session.frames)
    return float(1.0 / np.median(steps)) if len(steps) else 30.0


def _plain(options: SequenceOptions) -> dict[str, Any]:
    kept = {name: value for name, value in vars(options).items() if name != "frame"}
    frame = {name: value for name, value in vars(options.frame).items() if name != "prior"}
    prior = options.frame.prior
    frame["prior"] = "recorded" if prior is None else str(prior.metadata.get("source", "given"))
    return {**kept, "frame": frame}
