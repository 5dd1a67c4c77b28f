"""A session of what was seen live, written while it is seen and completed at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import CameraRig
from handloom.hand import HandModel
from handloom.keypoints import Keypoints3D, Track
from handloom.live.hands import HandNow
from handloom.live.pictures import Instant
from handloom.session import (
    FitFlag,
    FittedHand,
    Observations,
    Session,
    SessionWriter,
    Window,
    claim_folder,
    describe_run,
    write_hands,
)
from handloom.session.layout import HANDS
from handloom.skeleton import HAND

Array = NDArray[np.float64]

_BLOCK = 96
"""Frames in memory at a time, their poses apart."""


@dataclass
class _Poses:
    """The poses of one track, by frame, and the shape they belong to."""

    model: HandModel
    shape: Array
    frames: list[int] = field(default_factory=list)
    hands: list[tuple[Array, Array, int, int, float]] = field(default_factory=list)


class Keeper:
    """Writes a session of live hands.

    Points in space are those of the causal filter. The fitted hands go to ``hands.npz``: poses that were
    fitted before the hand's shape was found are left out there, as they belong to another hand.

    Args:
        folder: of the session.
        rig: one camera per view.
        overwrite: replace a session that is there.

    Raises:
        SessionError: if the folder holds something else or cannot be written.
    """

    def __init__(self, folder: str | Path, rig: CameraRig, *, overwrite: bool = False) -> None:
        self._folder, self._rig = Path(folder), rig
        claim_folder(self._folder, overwrite=overwrite)
        self._writer = SessionWriter(self._folder, rig)
        self._pending: list[tuple[Instant, Sequence[HandNow]]] = []
        self._times: list[float] = []
        self._poses: dict[Track, _Poses] = {}

    def add(self, instant: Instant, hands: Sequence[HandNow]) -> None:
        """Keep one frame.

        Raises:
            SessionError: if the disk refuses.
        """
        frame = len(self._times)
        # Two moments of one clock tick would be no timeline.
        time_s = max(instant.time_s, self._times[-1] + 1e-6) if self._times else instant.time_s
        self._times.append(time_s)
        self._pending.append((instant, hands))
        for hand in hands:
            if hand.fit is None or hand.posed is None:
                continue
            poses = self._poses.get(hand.track)
            if poses is None or not np.array_equal(poses.shape, hand.shape):
                poses = self._poses[hand.track] = _Poses(hand.model, hand.shape)
            flags = (not hand.fit.converged) * FitFlag.NOT_CONVERGED | hand.fit.restarted * FitFlag.RESTARTED
            off = np.linalg.norm(self._rig.project(hand.posed.keypoints) - hand.xy, axis=-1)[hand.used]
            residual = float(np.sqrt(np.nanmean(off**2))) if len(off) else np.nan
            views = int(hand.used.any(axis=1).sum())
            poses.frames.append(frame)
            poses.hands.append((hand.fit.angles, hand.fit.T_world_wrist, int(flags), views, residual))
        if len(self._pending) == _BLOCK:
            self._flush()

    def finish(self, command: Sequence[str], inputs: dict[str, Any], options: dict[str, Any]) -> Session:
        """Complete the session.

        Raises:
            SessionError: if the disk refuses.
        """
        self._flush()
        self._writer.finish(describe_run(command, inputs=inputs, options=options))
        hands = [self._fitted(track, poses) for track, poses in self._poses.items()]
        if hands:
            frames = np.arange(len(self._times))
            write_hands(self._folder / HANDS, hands, frames, np.array(self._times), self._rig.unit)
        return Session.open(self._folder)

    def abort(self) -> None:
        """Leave nothing half-written; a session that was finished stays."""
        self._writer.abort()
        if self._folder.is_dir() and not any(self._folder.iterdir()):
            self._folder.rmdir()

    def _flush(self) -> None:
        if not self._pending:
            return
        T, C, start = len(self._pending), len(self._rig), len(self._times) - len(self._pending)
        sources = np.array(
            [[np.nan if f is None else f.index for f in moment.frames] for moment, _ in self._pending]
        ).T.reshape(C, T)
        tracks = sorted({hand.track for _, hands in self._pending for hand in hands}, key=lambda t: t.name)
        observations, points = {}, {}
        for track in tracks:
            xy = np.full((C, T, len(HAND), 2), np.nan)
            confidence, used = np.zeros((C, T, len(HAND))), np.zeros((C, T, len(HAND)), dtype=bool)
            found = _nowhere(T, self._rig.unit)
            for t, (_, hands) in enumerate(self._pending):
                for hand in (hand for hand in hands if hand.track == track):
                    xy[:, t], confidence[:, t], used[:, t] = hand.xy, hand.confidence, hand.used
                    if hand.points is not None:
                        found.xyz[t], found.covariance[t] = hand.points.xyz[0], hand.points.covariance[0]
                        found.views_used[t] = hand.points.views_used[0]
                        found.reprojection_px[t] = hand.points.reprojection_px[0]
            observations[track] = Observations.of(HAND, xy, confidence, used)
            points[track] = found
        frames = np.arange(start, start + T)
        self._writer.append(Window(frames, np.array(self._times[start:]), sources, observations, points))
        self._pending.clear()

    def _fitted(self, track: Track, poses: _Poses) -> FittedHand:
        T = len(self._times)
        angles, T_world_wrist = np.full((T, 15, 3), np.nan), np.full((T, 4, 4), np.nan)
        flags, views = np.full(T, int(FitFlag.UNSEEN), dtype=np.uint8), np.zeros(T, dtype=np.uint8)
        residual, beyond = np.full(T, np.nan), np.full(T, np.nan)
        for frame, (bent, placed, flag, count, off) in zip(poses.frames, poses.hands, strict=True):
            angles[frame], T_world_wrist[frame], flags[frame] = bent, placed, flag
            views[frame], residual[frame] = count, off
            low, high = poses.model.limits[..., 0], poses.model.limits[..., 1]
            beyond[frame] = max(float(np.maximum(low - bent, bent - high).max()), 0.0)
        return FittedHand(
            track=track,
            model=poses.model,
            shape=poses.shape,
            angles=angles,
            T_world_wrist=T_world_wrist,
            keypoint_error=np.full(T, np.nan),
            reprojection_px=residual,
            sigma=np.full((T, len(HAND)), np.nan),
            limit_excess=beyond,
            flags=flags,
            views_used=views,
            notes={"live": True},
        )


def _nowhere(T: int, unit: str) -> Keypoints3D:
    J = len(HAND)
    return Keypoints3D(
        HAND,
        np.full((T, J, 3), np.nan),
        np.full((T, J, 3, 3), np.nan),
        np.zeros((T, J), dtype=np.int64),
        np.full((T, J), np.nan),
        unit,
    )
