"""Keypoints that every camera followed alone, on one clock: all that a calibration without a board has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.cameras import Camera
from handloom.keypoints import Track
from handloom.skeleton import SKELETONS, Skeleton

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

NOISE = 0.010
"""Expected standard deviation of a keypoint as a fraction of the size of what it belongs to."""

LEAST_CONFIDENCE = 0.3
"""Keypoints below are left out."""

REACH = 4.0
"""Frames to both sides over which a track is smoothed where its value between two pictures is wanted."""

INVENTED = {"body": frozenset(SKELETONS["body"].joints[:11])}
"""Joints that networks also place where they cannot be seen: the face of somebody who turns away."""


@dataclass(frozen=True, eq=False)
class KeypointTracks:
    """What C cameras saw of the joints of S hands and bodies through T frames of one clock.

    Attributes:
        cameras: names of the C cameras.
        subjects: the S hands and bodies, whose joints follow each other along J.
        times_s: (T,) seconds, evenly spaced.
        xy: (C, T, J, 2) pixels; NaN where missing.
        confidence: (C, T, J) in [0, 1]; 0 where missing.
    """

    cameras: tuple[str, ...]
    subjects: tuple[Track, ...]
    times_s: Array
    xy: Array
    confidence: Array

    @classmethod
    def of(
        cls,
        xy: ArrayLike,
        subjects: Sequence[Track],
        *,
        fps: float = 30.0,
        confidence: ArrayLike | None = None,
        cameras: Sequence[str] | None = None,
    ) -> KeypointTracks:
        """Build from arrays.

        Args:
            xy: (C, T, J, 2) pixels, NaN where missing; J joints of all subjects in a row.
            subjects: what the joints belong to.
            fps: frames a second of the common clock.
            confidence: (C, T, J); 1 where a keypoint is present if None.
            cameras: their names; ``cam0``, ``cam1``, … if None.

        Raises:
            ValueError: if shapes do not fit.
        """
        points = np.array(xy, dtype=np.float64)
        joints = sum(len(SKELETONS[subject.target]) for subject in subjects)
        if points.ndim != 4 or points.shape[2:] != (joints, 2):
            raise ValueError(f"xy must be (C, T, {joints}, 2) for these subjects, got {points.shape}")
        names = tuple(cameras) if cameras is not None else tuple(f"cam{c}" for c in range(len(points)))
        present = np.isfinite(points).all(axis=-1)
        weight = (
            present.astype(np.float64) if confidence is None else np.asarray(confidence, dtype=np.float64)
        )
        if weight.shape != present.shape or len(names) != len(points):
            raise ValueError(f"confidence {weight.shape} or {len(names)} names do not fit xy {points.shape}")
        points[~present] = np.nan
        return cls(
            names, tuple(subjects), np.arange(points.shape[1]) / fps, points, np.where(present, weight, 0.0)
        )

    @property
    def fps(self) -> float:
        """Frames a second."""
        return 1.0 / float(np.median(np.diff(self.times_s))) if len(self.times_s) > 1 else 30.0

    @cached_property
    def spans(self) -> tuple[tuple[Skeleton, slice], ...]:
        """Skeleton and joints of every subject."""
        spans, start = [], 0
        for subject in self.subjects:
            skeleton = SKELETONS[subject.target]
            spans.append((skeleton, slice(start, start + len(skeleton))))
            start += len(skeleton)
        return tuple(spans)

    @cached_property
    def swaps(self) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]:
        """(joints in rising order, counterparts) that a network may take for each other."""
        swaps = []
        for subject, (skeleton, span) in zip(self.subjects, self.spans, strict=True):
            joints = np.arange(span.start, span.stop)
            mirrored = span.start + np.array(skeleton.mirror)
            if (mirrored != joints).any():
                swaps.append((joints, mirrored))
            if subject.side == "left":
                for other, (_, place) in zip(self.subjects, self.spans, strict=True):
                    if other == replace(subject, side="right"):
                        both = np.r_[joints, np.arange(place.start, place.stop)]
                        order = np.argsort(both)
                        swaps.append((both[order], np.roll(both, len(joints))[order]))
        return tuple(swaps)

    @cached_property
    def trustworthy(self) -> Mask:
        """(J,) joints that are seen, not invented."""
        return np.concatenate(
            [
                np.array([joint not in INVENTED.get(skeleton.name, ()) for joint in skeleton.joints])
                for skeleton, _ in self.spans
            ]
        )

    @cached_property
    def sound(self) -> Mask:
        """(C, T, J) keypoints that take part."""
        return (self.confidence >= LEAST_CONFIDENCE) & np.isfinite(self.xy[..., 0]) & self.trustworthy

    def sigma_px(self, relative: float = NOISE) -> Array:
        """(C, T, J) expected standard deviation of every keypoint, pixels, before the data are asked.

        A network works on a picture of fixed size: its error grows with the size at which it sees something.
        """
        sigma = np.full(self.xy.shape[:3], np.nan)
        with np.errstate(invalid="ignore"):
            for _, span in self.spans:
                part = self.xy[:, :, span]
                seen = np.isfinite(part)
                low = np.where(seen, part, np.inf).min(axis=2)
                high = np.where(seen, part, -np.inf).max(axis=2)
                size = np.where(np.isfinite(high - low), high - low, np.nan).max(axis=-1)
                # One size per camera: that of a single frame depends on the gesture, too.
                usual = np.full(len(size), np.nan)
                for c, sizes in enumerate(size):
                    if np.isfinite(sizes).any():
                        usual[c] = np.nanmedian(sizes)
                sigma[:, :, span] = relative * usual[:, None, None]
        return np.maximum(sigma, 0.05) / np.clip(self.confidence, 0.1, 1.0)

    def rays(self, cameras: Sequence[Camera]) -> Array:
        """(C, T, J, 2) normalised image coordinates of what takes part; NaN elsewhere."""
        rays = np.stack([camera.undistort(xy) for camera, xy in zip(cameras, self.xy, strict=True)])
        return np.where(self.sound[..., None], rays, np.nan)

    def shifted(self, frames: Sequence[int]) -> KeypointTracks:
        """The same with the clock of every camera set on by whole frames, on a clock that covers them all."""
        first = min(frames)
        length = max(frames) - first + len(self.times_s)
        times = self.times_s[0] + (first + np.arange(length)) / self.fps
        xy = np.full((len(frames), length, *self.xy.shape[2:]), np.nan)
        confidence = np.zeros(xy.shape[:-1])
        for c, lag in enumerate(frames):
            place = slice(lag - first, lag - first + len(self.times_s))
            xy[c, place], confidence[c, place] = self.xy[c], self.confidence[c]
        return replace(self, times_s=times, xy=xy, confidence=confidence)

    def delayed(self, offsets_s: ArrayLike) -> KeypointTracks:
        """The same with the clock of every camera set right.

        Args:
            offsets_s: (C,) time on the common clock at which a camera's clock shows 0.

        All cameras are smoothed, also the one whose clock is right: noise would otherwise depend on where
        between two pictures a value is taken.
        """
        at = np.arange(len(self.times_s), dtype=np.float64)
        lags = np.asarray(offsets_s, dtype=np.float64) * self.fps
        xy = np.stack([smoothed(track, at - lag)[0] for track, lag in zip(self.xy, lags, strict=True)])
        picked = np.clip(np.rint(at - lags[:, None]).astype(int), 0, len(at) - 1)
        confidence = np.stack([own[rows] for own, rows in zip(self.confidence, picked, strict=True)])
        return replace(self, xy=xy, confidence=np.where(np.isfinite(xy[..., 0]), confidence, 0.0))

    def of_frames(self, frames: ArrayLike) -> KeypointTracks:
        """Some of the frames; the clock is then no longer even."""
        rows = np.asarray(frames)
        return replace(
            self, times_s=self.times_s[rows], xy=self.xy[:, rows], confidence=self.confidence[:, rows]
        )


def smoothed(track: Array, at: Array) -> tuple[Array, Array]:
    """Value and slope of a track between its samples: local quadratic regression (Cleveland 1979).

    Args:
        track: (T, J, D) samples at 0, 1, 2, …; NaN where missing.
        at: (U,) places asked for.

    Returns:
        (U, J, D) values and slopes per sample; NaN where there is too little on either side.
    """
    nearest = np.rint(at).astype(int)
    reach = int(np.ceil(REACH))
    moments = np.zeros((len(at), track.shape[1], 5))
    sums = np.zeros((len(at), track.shape[1], 3, track.shape[2]))
    before = np.zeros((len(at), track.shape[1]), dtype=int)
    after = np.zeros_like(before)
    for k in range(-reach, reach + 1):
        index = nearest + k
        inside = (index >= 0) & (index < len(track))
        value = track[np.clip(index, 0, len(track) - 1)]
        there = inside[:, None] & np.isfinite(value).all(axis=-1)
        u = index - at
        weight = np.where(there, (np.clip(1.0 - (u / REACH) ** 2, 0.0, 1.0) ** 2)[:, None], 0.0)
        value = np.where(there[..., None], value, 0.0)
        powers = u[:, None] ** np.arange(5)
        moments += weight[..., None] * powers[:, None]
        sums += (weight[..., None] * powers[:, None, :3])[..., None] * value[:, :, None]
        counted = there & (weight > 0)
        before += counted & (u <= 0.5)[:, None]
        after += counted & (u >= -0.5)[:, None]
    normal = np.stack([moments[..., i : i + 3] for i in range(3)], axis=-2)
    enough = (before >= 2) & (after >= 2) & (before + after >= 5)
    normal = np.where(enough[..., None, None], normal, np.eye(3))
    solution = np.linalg.solve(normal, sums)
    solution[~enough] = np.nan
    return np.asarray(solution[..., 0, :]), np.asarray(solution[..., 1, :])
