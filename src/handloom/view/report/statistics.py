"""Everything the report says in numbers, gathered in one pass over the session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import CameraRig
from handloom.errors import SessionError
from handloom.keypoints import Array, Keypoints3D, Track
from handloom.session import Observations, Session
from handloom.skeleton import SKELETONS
from handloom.view.measures import (
    accelerations,
    extents_px,
    mean_present,
    residuals_px,
    rigid_bones,
    rms_present,
)
from handloom.view.report.streams import Curve, Distribution, Moments

WINDOW_FRAMES = 512
CURVE_POINTS = 1000
STRIP_POINTS = 240

_PRESENT = 0.5  # share of the joints that makes a hand or body seen in a frame

Truth = Mapping[Track, Array]


@dataclass
class ViewStatistics:
    """One track as one view sees it.

    Attributes:
        name: of the view.
        frames_seen: frames in which at least half of the joints were detected.
        observed: joints detected in all frames; ``used`` those behind the 3D points.
        residuals: reprojection error of every observation, used or not, in pixels.
        extents: size of the track in the picture, diagonal in pixels.
    """

    name: str
    frames_seen: int = 0
    observed: int = 0
    used: int = 0

    def __post_init__(self) -> None:
        self.residuals = Distribution()
        self.extents = Distribution()

    @property
    def used_share(self) -> float:
        """Share of the observations that went into 3D."""
        return self.used / self.observed if self.observed else float("nan")


class TrackStatistics:
    """One track through the recording; ``add`` takes its windows in order.

    Attributes:
        frames_tracked: frames in which at least half of the joints have a position.
        joints_placed: positions in all frames; ``joints_filled`` those that no observation supports.
        views: per view.
        residuals: reprojection error of all views, in pixels.
        jitter: length of the second difference per frame², in the session's unit.
        residual_curve: (C, K) mean reprojection error by view.
        jitter_curve: (1, K) mean second difference.
        bone_curve: (G, K) length of each finger or limb.
        seen_strip, used_strip: (C, K) share of the joints detected, and used.
        placed_strip, supported_strip: (1, K) share of the joints with a position, and with one that
            observations support.
        path: (3, K) mean position of all joints.
        scores: (T,) how badly a frame fits: root mean square residual of its worst view, in pixels.
        errors: distance from the truth, in the session's unit; ``error_curve`` (1, K) over time.
    """

    def __init__(self, track: Track, rig: CameraRig, length: int) -> None:
        self.track = track
        self.skeleton = SKELETONS[track.target]
        self.length = length
        self.bone_groups = rigid_bones(self.skeleton)
        self.frames_tracked = self.joints_placed = self.joints_filled = 0
        self.views = [ViewStatistics(name) for name in rig.names]
        self.residuals, self.jitter, self.errors = Distribution(), Distribution(), Distribution()
        self.bones = Moments(len(self.skeleton.bones))
        self.residual_curve = Curve(length, CURVE_POINTS, len(rig))
        self.jitter_curve = Curve(length, CURVE_POINTS)
        self.error_curve = Curve(length, CURVE_POINTS)
        self.bone_curve = Curve(length, CURVE_POINTS, len(self.bone_groups))
        self.seen_strip = Curve(length, STRIP_POINTS, len(rig))
        self.used_strip = Curve(length, STRIP_POINTS, len(rig))
        self.placed_strip = Curve(length, STRIP_POINTS)
        self.supported_strip = Curve(length, STRIP_POINTS)
        self.path = Curve(length, STRIP_POINTS, 3)
        self.joint_errors = Moments(len(self.skeleton))
        self.scores = np.full(length, np.nan, dtype=np.float32)
        self._rig = rig
        self._tail: tuple[Array, NDArray[np.int64]] | None = None

    @property
    def coverage(self) -> float:
        """Share of the frames that are tracked."""
        return self.frames_tracked / self.length if self.length else 0.0

    @property
    def filled_share(self) -> float:
        """Share of the positions that no observation supports."""
        return self.joints_filled / self.joints_placed if self.joints_placed else 0.0

    @property
    def bone_variation(self) -> float:
        """Standard deviation of a bone's length relative to its mean, on average over fingers or limbs."""
        rigid = [index for group in self.bone_groups.values() for index in group]
        return float(mean_present(self.bones.deviation[rigid] / self.bones.mean[rigid]))

    @property
    def size_px(self) -> float:
        """Typical size of the track in the pictures: median diagonal, on average over the views."""
        return float(mean_present(np.array([view.extents.quantile(0.5) for view in self.views])))

    def add(
        self,
        start: int,
        frames: NDArray[np.int64],
        seen: Observations,
        points: Keypoints3D,
        truth: Array | None = None,
    ) -> None:
        """Take the frames from position ``start`` on."""
        self._add_views(start, seen, points)
        present = np.isfinite(points.xyz).all(axis=-1)
        supported = present & (points.views_used > 0)
        self.frames_tracked += int((present.mean(axis=1) >= _PRESENT).sum())
        self.joints_placed += int(present.sum())
        self.joints_filled += int((present & ~supported).sum())
        self.placed_strip.add(start, present.mean(axis=1))
        self.supported_strip.add(start, supported.mean(axis=1))
        self.path.add(start, mean_present(points.xyz, axis=1).T)
        lengths = points.bone_lengths()
        self.bones.add(lengths)
        groups = [lengths[:, index].sum(axis=1) for index in self.bone_groups.values()]
        self.bone_curve.add(start, np.stack(groups))
        self._add_jitter(start, frames, points.xyz)
        if truth is not None:
            errors = np.linalg.norm(points.xyz - truth, axis=-1)
            self.errors.add(errors)
            self.joint_errors.add(errors)
            self.error_curve.add(start, mean_present(errors, axis=1))

    def _add_views(self, start: int, seen: Observations, points: Keypoints3D) -> None:
        observed = np.asarray(np.isfinite(seen.xy).all(axis=-1))
        residuals = residuals_px(self._rig, seen.xy, points.xyz)
        self.residuals.add(residuals)
        self.residual_curve.add(start, mean_present(residuals, axis=-1))
        self.seen_strip.add(start, observed.mean(axis=-1))
        self.used_strip.add(start, seen.used.mean(axis=-1))
        by_view = rms_present(residuals, axis=-1)
        known = np.isfinite(by_view).any(axis=0)
        worst = np.where(np.isfinite(by_view), by_view, 0.0).max(axis=0)
        self.scores[start : start + len(worst)] = np.where(known, worst, np.nan)
        for c, view in enumerate(self.views):
            view.frames_seen += int((observed[c].mean(axis=-1) >= _PRESENT).sum())
            view.observed += int(observed[c].sum())
            view.used += int(seen.used[c].sum())
            view.residuals.add(residuals[c])
            view.extents.add(extents_px(seen.xy[c]))

    def _add_jitter(self, start: int, frames: NDArray[np.int64], xyz: Array) -> None:
        if self._tail is not None:
            xyz = np.concatenate([self._tail[0], xyz])
            frames = np.concatenate([self._tail[1], frames])
            start -= len(self._tail[1])
        second = accelerations(xyz, frames)
        self.jitter.add(second)
        self.jitter_curve.add(start + 1, mean_present(second, axis=1)[None])
        self._tail = xyz[-2:], frames[-2:]


@dataclass
class Statistics:
    """The whole session.

    Attributes:
        tracks: those that hold at least one position or observation.
        missing_pictures: (C,) share of the timeline for which a view has no picture.
    """

    tracks: list[TrackStatistics]
    missing_pictures: Array

    @classmethod
    def of(cls, session: Session, truth: Truth | None = None) -> Statistics:
        """Gather from a session, a window of frames in memory at a time.

        Args:
            truth: (T, J, 3) true positions on the session's timeline and in its unit, by track.

        Raises:
            SessionError: if a truth has another shape than its track.
        """
        truth = truth or {}
        tracks = {track: TrackStatistics(track, session.rig, len(session)) for track in session.tracks}
        for track in tracks:
            expected = (len(session), len(SKELETONS[track.target]), 3)
            if track in truth and truth[track].shape != expected:
                raise SessionError(
                    f"The truth of {track.name} has shape {truth[track].shape}, not {expected}.",
                    "Give one position per frame of the session's timeline and joint.",
                )
        start = 0
        for window in session.windows(size=WINDOW_FRAMES):
            for track, gathered in tracks.items():
                cut = truth[track][start : start + len(window)] if track in truth else None
                gathered.add(start, window.frames, window.observations[track], window.points[track], cut)
            start += len(window)
        missing = np.isnan(session.source_frames).mean(axis=1) if len(session) else np.zeros(len(session.rig))
        return cls(list(tracks.values()), missing)
