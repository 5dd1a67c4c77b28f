"""Filters that know the past only: the trajectory problem on a short window, and the One-Euro filter."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from handloom.reconstruction.reconstruct import Reconstructor, Sightings, Solution
from handloom.reconstruction.trajectory import Evidence, smooth

Array = NDArray[np.float64]

WINDOW = 8
"""Frames of the causal window; the problem forgets within about five."""

ITERATIONS = 2
"""Linear solves a frame: the window was solved one frame ago."""

LEARN_EVERY = 5
"""Frames between two samples of the bone lengths."""

RELEARN = 1.5
"""Growth of the frame count after which the bone lengths are estimated anew."""

CALM = 0.15
"""Accelerations expected, relative to the offline model: without the future the past must calm the noise."""


class CausalReconstructor:
    """Turns each frame's sightings of one track into 3D keypoints at once.

    Solves the same problem as the offline smoother on the last few frames and gives out the newest, so the
    bone lengths and joint relations hold here as well.

    Args:
        inner: triangulates the frames and learns the bone lengths on the way.
    """

    def __init__(self, inner: Reconstructor) -> None:
        self._inner = inner
        self._rays: deque[Array] = deque(maxlen=WINDOW)
        self._sigma: deque[Array] = deque(maxlen=WINDOW)
        self._points: Array = np.empty((0, len(inner.skeleton), 3))
        self._frames = 0
        self._model = inner.motion_model()
        self._next_estimate = 1.0

    def update(self, sightings: Sightings) -> Solution:
        """3D keypoints of one new frame.

        Args:
            sightings: of a single frame, T = 1.

        Returns:
            (1, J) keypoints; NaN where fewer than two views see a joint. A frame without any ends the window.
        """
        rays, sigma, raw = self._inner.triangulate(sightings)
        self._learn(sightings)
        known = np.asarray(np.isfinite(raw.points).all(axis=-1))
        points = raw.points
        if known.any():
            self._rays.append(rays)
            self._sigma.append(np.where(raw.inliers & known, sigma, np.nan))
            # What is not seen now takes part without evidence: its bones and its past carry it along.
            last = self._points[-1:] if len(self._points) else np.nanmean(points, axis=1, keepdims=True)
            filled = np.where(known[..., None], points, last)
            self._points = np.concatenate([self._points[-(WINDOW - 1) :], filled])
            points = np.where(known[..., None], self._filtered(), np.nan)
        else:
            self._rays.clear()
            self._sigma.clear()
            self._points = self._points[:0]
        return self._inner.solution(points, sightings, raw)

    def solve(self, sightings: Sightings) -> Solution:
        """The same for several frames that follow each other."""
        parts = [self.update(sightings.frames(t, t + 1)) for t in range(sightings.xy.shape[1])]
        return Solution.concatenated(parts)

    def _learn(self, sightings: Sightings) -> None:
        if self._frames % LEARN_EVERY == 0:
            self._inner.learn(sightings)
        self._frames += 1
        if self._frames >= self._next_estimate:
            model = self._inner.motion_model()
            self._model = replace(model, acceleration=CALM * model.acceleration)
            self._next_estimate = max(self._frames * RELEARN, LEARN_EVERY)

    def _filtered(self) -> Array:
        if len(self._points) < 3:
            return self._points[-1:]
        evidence = Evidence.of(
            self._inner.rig,
            np.concatenate(self._rays, axis=1),
            np.concatenate(self._sigma, axis=1),
            np.ones(1, dtype=bool),
        )
        self._points = smooth(self._points, evidence, self._model, iterations=ITERATIONS)
        return self._points[-1:]


class OneEuroFilter:
    """The One-Euro filter (Casiez, Roussel & Vogel 2012) on arrays of any shape.

    Args:
        cutoff_hz: cutoff of a signal at rest; lower is smoother.
        speed_gain: how much the cutoff rises with speed (per unit of the signal a second); higher lags less.
        derivative_cutoff_hz: cutoff of the speed itself.
    """

    def __init__(
        self, cutoff_hz: float = 2.0, speed_gain: float = 20.0, derivative_cutoff_hz: float = 1.0
    ) -> None:
        self._cutoff = cutoff_hz
        self._gain = speed_gain
        self._derivative_cutoff = derivative_cutoff_hz
        self._time_s = 0.0
        self._raw: Array | None = None
        self._value: Array = np.empty(0)
        self._speed: Array = np.empty(0)

    def update(self, values: Array, time_s: float) -> Array:
        """Filter the values of one instant; a value that is NaN stays so and starts afresh on its return."""
        values = np.array(values, dtype=np.float64)
        if self._raw is None:
            self._value, self._speed = values.copy(), np.zeros_like(values)
        else:
            period = time_s - self._time_s
            if period <= 0:
                raise ValueError(f"time must increase, got {time_s} after {self._time_s}")
            slope = np.nan_to_num((values - self._raw) / period)
            self._speed += _gain(np.float64(self._derivative_cutoff), period) * (slope - self._speed)
            cutoff = self._cutoff + self._gain * np.abs(self._speed)
            moved = self._value + _gain(cutoff, period) * (values - self._value)
            self._value = np.where(np.isfinite(self._value), moved, values)
        self._raw, self._time_s = values, time_s
        return self._value.copy()


def _gain(cutoff_hz: Array | np.float64, period_s: float) -> Array:
    return np.asarray(1 / (1 + 1 / (2 * np.pi * cutoff_hz * period_s)))
