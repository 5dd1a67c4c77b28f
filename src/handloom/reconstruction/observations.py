"""Observations of many frames as plain arrays: what a run keeps between detection and reconstruction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.keypoints import Track
from handloom.reconstruction.reconstruct import Sightings
from handloom.reconstruction.tracker import Observation
from handloom.skeleton import Skeleton

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

LEAST_NOISE_PX = 2.5
"""Blur and sensor noise: no keypoint is surer than this, however small the region it was read in."""


@dataclass(frozen=True, eq=False)
class ObservationTable:
    """N observations of one kind of thing, in order of frame.

    Attributes:
        frame, target, view: (N,) where each belongs.
        xy: (N, J, 2) pixels.
        confidence: (N, J) in [0, 1].
        right: (N,) probability of a right one.
        region_px: (N,) side of the region it was read in.
    """

    frame: Indices
    target: Indices
    view: Indices
    xy: Array
    confidence: Array
    right: Array
    region_px: Array

    @classmethod
    def of(cls, frames: Iterable[tuple[int, Sequence[Observation]]], skeleton: Skeleton) -> ObservationTable:
        """Pack the observations of several frames."""
        rows = [(frame, o) for frame, observations in frames for o in observations]
        joints = len(skeleton)
        readings = [o.reading for _, o in rows]
        return cls(
            frame=np.array([frame for frame, _ in rows], dtype=np.int64),
            target=np.array([o.target for _, o in rows], dtype=np.int64),
            view=np.array([o.view for _, o in rows], dtype=np.int64),
            xy=np.array([r.xy for r in readings]).reshape(-1, joints, 2),
            confidence=np.array([r.confidence for r in readings]).reshape(-1, joints),
            right=np.array([r.right for r in readings], dtype=np.float64),
            region_px=np.array([r.region.size for r in readings], dtype=np.float64),
        )

    def to_arrays(self, prefix: str) -> dict[str, NDArray]:
        """The columns by name, for the journal."""
        return {f"{prefix}.{name}": column for name, column in vars(self).items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray], prefix: str) -> ObservationTable:
        """The table that :meth:`to_arrays` gave."""
        return cls(**{name: arrays[f"{prefix}.{name}"] for name in cls.__dataclass_fields__})

    @classmethod
    def concatenated(cls, tables: Sequence[ObservationTable]) -> ObservationTable:
        """Several tables in a row."""
        names = cls.__dataclass_fields__
        return cls(**{name: np.concatenate([getattr(table, name) for table in tables]) for name in names})

    def frames(self, start: int, stop: int) -> ObservationTable:
        """The rows of frames ``start`` to ``stop``."""
        cut = slice(*np.searchsorted(self.frame, [start, stop]))
        return ObservationTable(**{name: column[cut] for name, column in vars(self).items()})

    def sightings(self, targets: Sequence[int], start: int, stop: int, views: int, noise: float) -> Sightings:
        """Dense arrays of the targets that are one track, for frames ``start`` to ``stop``.

        Args:
            targets: ids that belong to the track, the one to prefer first.
            start, stop: range of frames.
            views: C.
            noise: standard deviation of a keypoint in region sides.
        """
        joints = self.xy.shape[1]
        xy = np.full((views, stop - start, joints, 2), np.nan)
        confidence = np.zeros((views, stop - start, joints))
        sigma = np.full((views, stop - start), np.nan)
        for target in reversed(targets):
            rows = np.flatnonzero((self.target == target) & (self.frame >= start) & (self.frame < stop))
            where = (self.view[rows], self.frame[rows] - start)
            xy[where] = self.xy[rows]
            confidence[where] = self.confidence[rows]
            sigma[where] = np.hypot(noise * self.region_px[rows], LEAST_NOISE_PX)
        return Sightings(xy, confidence, sigma)


Assignment = Mapping[Track, Sequence[int]]
"""For every track the ids of the targets it is made of, the most seen one first."""
