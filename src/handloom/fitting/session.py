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
from handloom.fitting.observed import root_mean_square
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
    rig = scaled(session.rig, scale.value)
    sample = _sample(positions, 2 * options.shape_frames)
    if not len(sample):
        raise FitError(
            f"{track.name} was never seen by two views at a time.", "Let two cameras see the hand."
        )
    shape = fit_shape(model, _sampled(session, track, scale.value, sample), options)
    parts: list[tuple[SequenceFit, slice]] = []
    for start in range(0, T, _BLOCK):
        stop = min(start + _BLOCK, T)
        low, high = max(0, start - options.margin), min(T, stop + options.margin)
        evidence = _evidence(session, track, rig, scale.value, low, high)
        fit = fit_sequence(model, evidence, options, fps=fps, shape=shape)
        parts.append((fit, slice(start - low, stop - low)))
        advance(stop - start)

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(fit, name)[inside] for fit, inside in parts])

    T_world_wrist = joined("T_world_wrist")
    T_world_wrist[:, :3, 3] *= scale.value
    fitted = FittedHand(
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
    distances, views = _observed(session, track, fitted)
    return replace(fitted, reprojection_px=distances, views_used=views)


def _evidence(
    session: Session, track: Track, rig: CameraRig, scale: float, start: int, stop: int
) -> FrameEvidence:
    """The points in space, which every view has agreed on; pictures where there are none.

    Against the 2D keypoints of all views in all frames, meshes are as near to the truth and calmer.
    """
    points = session.keypoints3d(track, start, stop)
    seen = session.keypoints2d(track, start, stop)
    in_space = np.asarray(np.isfinite(points.xyz).all(axis=-1))
    lone = ~np.asarray(in_space.any(axis=1))
    xy = np.where((lone[:, None] & (seen.confidence > 0.0))[..., None], seen.xy, np.nan)
    return FrameEvidence(points.xyz / scale, points.covariance / scale**2, xy, seen.confidence, rig)


def _observed(session: Session, track: Track, hand: FittedHand) -> tuple[Array, NDArray[np.uint8]]:
    """(T,) root mean square distance to the 2D keypoints, and number of views with any that count."""
    distances, views = [], []
    for start in range(0, len(session), _BLOCK):
        stop = min(start + _BLOCK, len(session))
        seen = session.keypoints2d(track, start, stop)
        lone = ~np.asarray(seen.used.any(axis=(0, 2)))
        used = seen.used | (lone[:, None] & (seen.confidence > 0.0))
        keypoints = hand.posed(np.arange(start, stop)).keypoints
        squared = np.square(session.rig.project(keypoints) - seen.xy).sum(axis=-1)
        kept = np.where(used, squared, np.nan).transpose(0, 2, 1).reshape(-1, stop - start)
        distances.append(root_mean_square(kept))
        views.append(np.where(hand.fitted[start:stop], used.any(axis=2).sum(axis=0), 0).astype(np.uint8))
    return np.concatenate(distances), np.concatenate(views)


def _sampled(session: Session, track: Track, scale: float, sample: NDArray[np.int64]) -> FrameEvidence:
    """The points in space of some frames, read block by block."""
    xyz, covariance = [], []
    for start in range(0, len(session), _BLOCK):
        inside = sample[(sample >= start) & (sample < start + _BLOCK)] - start
        if len(inside):
            points = session.keypoints3d(track, start, min(start + _BLOCK, len(session)))
            xyz.append(points.xyz[inside] / scale)
            covariance.append(points.covariance[inside] / scale**2)
    return FrameEvidence(np.concatenate(xyz), np.concatenate(covariance))


def _sample(positions: Array, count: int) -> NDArray[np.int64]:
    """Frames with 3D keypoints, evenly spread."""
    seen = np.flatnonzero(np.isfinite(positions).all(axis=-1).sum(axis=1) >= len(HAND) // 2)
    return seen[np.linspace(0, len(seen) - 1, min(count, len(seen))).round().astype(int)]


def _scale(session: Session, model: HandModel, positions: Array, length_m: float | None) -> _Scale:
    if session.unit == "m":
        return _Scale(1.0, "rig")
    # All bones together: where a landmark network sees a knuckle differs from hand to hand by millimetres.
    bones = np.array(HAND.bone_indices)
    lengths = np.linalg.norm(positions[:, bones[:, 1]] - positions[:, bones[:, 0]], axis=-1)
    whole = lengths[np.isfinite(lengths).all(axis=1)]
    if len(whole) < _FEWEST_LENGTHS:
        raise FitError(
            f"The rig's unit is unknown and only {len(whole)} frames show the whole hand.",
            "Track with --unit and the length of the rig's unit.",
        )
    rest = model.rest_keypoints
    of_mean = float(np.linalg.norm(rest[bones[:, 1]] - rest[bones[:, 0]], axis=-1).sum())
    source = "mean hand"
    if length_m is not None:
        of_mean, source = of_mean * length_m / flat_length(model)[0], "hand length"
    return _Scale(float(np.median(whole.sum(axis=1))) / of_mean, source)


def scaled(rig: CameraRig, scale: float) -> CameraRig:
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
