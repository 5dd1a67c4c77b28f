"""Where the corners of a board are at any time, between the moments at which it was placed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_LONGEST_STEP_S = 0.25  # over longer gaps the board's motion is not taken to be even
_LEAST_POSES = 8


@dataclass(frozen=True, eq=False)
class BoardPath:
    """The known poses of a board in order of time.

    Attributes:
        times_s: (K,) strictly rising.
        boards: (K, 4, 4).
    """

    times_s: Array
    boards: Array

    @classmethod
    def of(cls, times_s: Array, T_world_board: Array) -> BoardPath | None:
        """The path through all poses that are known; None if there are too few, or no times."""
        known = np.flatnonzero(np.isfinite(T_world_board).all(axis=(1, 2)) & np.isfinite(times_s))
        known = known[np.argsort(times_s[known], kind="stable")]
        known = known[np.append(True, np.diff(times_s[known]) > 0)] if len(known) else known
        return cls(times_s[known], T_world_board[known]) if len(known) >= _LEAST_POSES else None

    @property
    def step_s(self) -> float:
        """Time from one pose to the next, median."""
        return float(np.median(np.diff(self.times_s)))

    def at(self, times_s: Array, local: Array) -> tuple[Array, Array]:
        """Points of the board and their velocities, by cubic interpolation.

        Args:
            times_s: (n,) when.
            local: (n, 3) which points, in the board's frame.

        Returns:
            (n, 3) in the world, and (n, 3) per second; NaN in gaps, at the ends and beyond them.
        """
        after = np.searchsorted(self.times_s, times_s, side="right")
        inside = (after >= 2) & (after <= len(self.times_s) - 2)
        after = np.clip(after, 2, len(self.times_s) - 2)
        knots = [after + offset for offset in (-2, -1, 0, 1)]
        t = [self.times_s[k] for k in knots]
        points = [(self.boards[k, :3, :3] @ local[:, :, None])[..., 0] + self.boards[k, :3, 3] for k in knots]
        inside &= (t[3] - t[2] <= _LONGEST_STEP_S) & (t[1] - t[0] <= _LONGEST_STEP_S)
        span = t[2] - t[1]
        inside &= span <= _LONGEST_STEP_S
        u = ((times_s - t[1]) / span)[:, None]
        slopes = [
            (points[2] - points[0]) * (span / (t[2] - t[0]))[:, None],
            (points[3] - points[1]) * (span / (t[3] - t[1]))[:, None],
        ]
        way = points[2] - points[1]
        a, b = slopes[0] + slopes[1] - 2 * way, 3 * way - 2 * slopes[0] - slopes[1]
        place = points[1] + u * (slopes[0] + u * (b + u * a))
        velocity = (slopes[0] + u * (2 * b + 3 * u * a)) / span[:, None]
        outside = ~inside[:, None]
        return np.where(outside, np.nan, place), np.where(outside, np.nan, velocity)
