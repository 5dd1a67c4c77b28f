"""A stretch of a session in memory: what the writer takes and the reader gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.keypoints import Array, Keypoints2D, Keypoints3D, Track
from handloom.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class Observations(Keypoints2D):
    """Keypoints of one track in all views, and which of them its 3D points rest on.

    Attributes:
        skeleton: the joints, in storage order.
        xy: (C, T, J, 2) pixels; NaN where missing.
        confidence: (C, T, J) in [0, 1]; 0 where missing.
        used: (C, T, J) whether the observation went into the 3D point; False where missing.
    """

    used: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        skeleton: Skeleton,
        xy: ArrayLike,
        confidence: ArrayLike | None = None,
        used: ArrayLike | None = None,
    ) -> Observations:
        """Build from anything array-like; by default every point present counts 1 and is used.

        Raises:
            ValueError: if a shape does not fit the skeleton or a confidence lies outside [0, 1].
        """
        points = Keypoints2D.of(skeleton, xy, confidence)
        seen = np.asarray(np.isfinite(points.xy).all(axis=-1))
        mask: NDArray[np.bool_] = seen if used is None else np.asarray(used, dtype=bool)
        if mask.shape != seen.shape:
            raise ValueError(f"used must be {seen.shape}, got shape {mask.shape}")
        return cls(skeleton, points.xy, points.confidence, np.logical_and(mask, seen))


@dataclass(frozen=True, eq=False)
class Window:
    """Consecutive frames of the timeline with everything known of them.

    Attributes:
        frames: (T,) frame numbers of the common timeline, strictly increasing.
        times_s: (T,) seconds.
        source_frames: (C, T) frame number in each view's own video; NaN where the view has no picture.
        observations: 2D keypoints by track, (C, T, J, 2).
        points: 3D keypoints by track, (T, J, 3).

    Raises:
        ValueError: if the shapes do not agree or the frames do not increase.
    """

    frames: NDArray[np.int64]
    times_s: Array
    source_frames: Array
    observations: Mapping[Track, Observations] = field(default_factory=dict)
    points: Mapping[Track, Keypoints3D] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "frames", np.asarray(self.frames, dtype=np.int64))
        object.__setattr__(self, "times_s", np.asarray(self.times_s, dtype=np.float64))
        object.__setattr__(self, "source_frames", np.asarray(self.source_frames, dtype=np.float64))
        count = len(self.frames)
        views = len(self.source_frames)
        if (np.diff(self.frames) <= 0).any():
            raise ValueError("frames must strictly increase")
        if self.times_s.shape != (count,) or self.source_frames.shape != (views, count):
            raise ValueError(
                f"{count} frames need times_s ({count},) and source_frames (C, {count}), "
                f"got {self.times_s.shape} and {self.source_frames.shape}"
            )
        for track, seen in self.observations.items():
            if seen.xy.shape[:-2] != (views, count):
                raise ValueError(f"2D of {track.name} must be ({views}, {count}, J, 2), got {seen.xy.shape}")
        for track, points in self.points.items():
            if points.xyz.shape[:-2] != (count,):
                raise ValueError(f"3D of {track.name} must be ({count}, J, 3), got {points.xyz.shape}")

    def __len__(self) -> int:
        return len(self.frames)

    def part(self, start: int, stop: int) -> Window:
        """Frames ``start`` to ``stop``, counted from the start of this window, as views of its arrays."""
        cut = slice(start, stop)
        return Window(
            self.frames[cut],
            self.times_s[cut],
            self.source_frames[:, cut],
            {
                track: Observations(o.skeleton, o.xy[:, cut], o.confidence[:, cut], o.used[:, cut])
                for track, o in self.observations.items()
            },
            {
                track: Keypoints3D(
                    p.skeleton,
                    p.xyz[cut],
                    p.covariance[cut],
                    p.views_used[cut],
                    p.reprojection_px[cut],
                    p.unit,
                )
                for track, p in self.points.items()
            },
        )
