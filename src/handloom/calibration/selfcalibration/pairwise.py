"""Poses and clocks of all cameras from the epipolar distances of all pairs, and how well these fix them.

The points in space are not needed for this, so that there are few unknowns: a pose and a time offset for
every camera. The standard deviations are those of a robust estimate whose errors are alike within a stretch
of time and within a joint (two-way clusters: Cameron, Gelbach & Miller 2011): a network that sees every elbow
a little too low is wrong in a thousand frames in the same way, and a thousand frames do not average it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from handloom.calibration.selfcalibration.epipolar import essential, sampson
from handloom.calibration.selfcalibration.tracks import KeypointTracks, smoothed
from handloom.cameras import Camera
from handloom.hand.kinematics import rigid, rotation_from_vector

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

MATCHES = 12_000
"""So many matches are used over all pairs, evenly chosen."""

AT_REST = 0.34
"""Speed, in noise per frame, below which a track stands still: twice what smoothed noise alone shows."""

STRETCH_S = 0.5
"""Errors within so many seconds count as one."""

ROUNDS = 5
"""Times the tracks are sampled anew at better offsets."""

_STEP = 1e-5


@dataclass(frozen=True, eq=False)
class PairwiseFit:
    """Poses and offsets, with their certainty.

    Attributes:
        poses: (C, 4, 4) from the first camera's frame into every camera's.
        offsets_s: (C,) time on the first camera's clock at which a camera's clock shows 0.
        rotation_std_rad: (C, 3) standard deviations of the rotations against the first camera.
        center_std: (C, 3) of the centres, for rigs of which the scale is known, in the poses' unit.
        offsets_std_s: (C,) of the offsets; NaN where they were not asked for, infinite where nothing moves.
        spread: robust standard deviation of the distances in units of what was expected.
    """

    poses: Array
    offsets_s: Array
    rotation_std_rad: Array
    center_std: Array
    offsets_std_s: Array
    spread: float


def fit_pairs(
    tracks: KeypointTracks,
    cameras: Sequence[Camera],
    poses: Array,
    offsets_s: Array,
    *,
    timing: bool,
    moving: bool = True,
    relative_noise: Array | None = None,
) -> PairwiseFit:
    """Least redescending Sampson distance over all pairs of cameras.

    Args:
        tracks: what was seen, every camera on its own clock.
        cameras: (C) with their lenses; their poses are ignored.
        poses: (C, 4, 4) to start from, the first one the identity.
        offsets_s: (C,) to start from.
        timing: whether the offsets are estimated as well.
        moving: whether the estimate moves at all, or is only judged where it is.
        relative_noise: (C, T, J) expected noise in pixels, if it is known better than by the tracks.
    """
    fit = _Fit(tracks, cameras, timing, relative_noise)
    offsets = np.array(offsets_s, dtype=np.float64)
    poses = np.array(poses)
    for _ in range((ROUNDS if timing else 2) if moving else 0):
        fit.sample(offsets)
        x = fit.solve(poses)
        poses, shift = fit.poses(poses, x), fit.offsets(x)
        offsets = offsets + shift
        if np.abs(shift).max() * tracks.fps < 2e-3 and np.abs(x).max() < 1e-5:
            break
    fit.sample(offsets)
    return fit.judged(poses, offsets)


class _Fit:
    def __init__(
        self, tracks: KeypointTracks, cameras: Sequence[Camera], timing: bool, relative_noise: Array | None
    ) -> None:
        self.tracks, self.timing, self.count = tracks, timing, len(cameras)
        self.raw = tracks.rays(cameras)
        focal = np.array([np.sqrt(camera.K[0, 0] * camera.K[1, 1]) for camera in cameras])
        noise = tracks.sigma_px() if relative_noise is None else relative_noise
        self.sigma = noise / focal[:, None, None]
        self.pairs: list[tuple[int, int, Indices, Indices]] = []
        self.value = self.raw
        self.slope = np.zeros_like(self.raw)
        self.scale = 1.0

    def sample(self, offsets: Array) -> None:
        """Read every track where the common clock shows the times of the first."""
        at = np.arange(len(self.tracks.times_s), dtype=np.float64)
        if self.timing or np.abs(offsets).any():
            sampled = [
                smoothed(ray, at - lag * self.tracks.fps) for ray, lag in zip(self.raw, offsets, strict=True)
            ]
            self.value = np.stack([value for value, _ in sampled])
            self.slope = np.stack([slope for _, slope in sampled]) * self.tracks.fps
        shared = np.isfinite(self.value).all(axis=-1) & np.isfinite(self.sigma)
        self.pairs = []
        total = sum(int((shared[a] & shared[b]).sum()) for a, b in combinations(range(self.count), 2))
        every = max(1, -(-total // MATCHES))
        for a, b in combinations(range(self.count), 2):
            t, j = np.nonzero((shared[a] & shared[b])[::every])  # whole frames: no joint is passed over
            if len(t):
                self.pairs.append((a, b, t * every, j))

    def distances(self, poses: Array, shift: Array) -> list[Array]:
        """Signed Sampson distance of every match, by pair, with the clocks moved on by ``shift``."""
        inverse = np.linalg.inv(poses)
        out = []
        for a, b, t, j in self.pairs:
            xa = self.value[a][t, j] - self.slope[a][t, j] * shift[a]
            xb = self.value[b][t, j] - self.slope[b][t, j] * shift[b]
            out.append(
                sampson(essential(poses[b] @ inverse[a]), xa, xb, self.sigma[a][t, j], self.sigma[b][t, j])
            )
        return out

    def poses(self, poses: Array, x: Array) -> Array:
        """Poses after a step; the mean distance of the cameras from the first stays what it is."""
        step = x[: 6 * (self.count - 1)].reshape(-1, 6)
        moved = poses.copy()
        size = np.linalg.norm(poses[1:, :3, 3], axis=1).mean()
        for c, s in enumerate(step, start=1):
            R = rotation_from_vector(s[:3])
            moved[c] = rigid(R @ poses[c, :3, :3], R @ poses[c, :3, 3] + size * s[3:])
        moved[1:, :3, 3] *= size / np.linalg.norm(moved[1:, :3, 3], axis=1).mean()
        return moved

    def offsets(self, x: Array) -> Array:
        """(C,) seconds after a step."""
        return np.r_[0.0, x[6 * (self.count - 1) :]] if self.timing else np.zeros(self.count)

    def moves(self, camera: int) -> bool:
        """Whether what a camera sees moves enough to tell the time by."""
        speed = np.linalg.norm(self.slope[camera], axis=-1) / self.tracks.fps / self.sigma[camera]
        speed = speed[np.isfinite(speed)]
        return len(speed) > 0 and float(np.sqrt((speed**2).mean() / 2)) > AT_REST * self.scale

    @property
    def unknowns(self) -> int:
        return (7 if self.timing else 6) * (self.count - 1)

    def solve(self, poses: Array) -> Array:
        zero = np.zeros(self.unknowns)
        start = np.concatenate(self.distances(poses, self.offsets(zero)))
        self.scale = max(1.4826 * float(np.median(np.abs(start))), 1e-9)

        def residuals(x: Array) -> Array:
            return np.concatenate(self.distances(self.poses(poses, x), self.offsets(x))) / self.scale

        scales = np.ones(self.unknowns)
        if self.timing:
            scales[6 * (self.count - 1) :] = 0.1  # a tenth of a second is as far as a tenth of a radian
        return np.asarray(
            least_squares(residuals, zero, loss="cauchy", f_scale=2.0, x_scale=scales, max_nfev=25).x
        )

    def judged(self, poses: Array, offsets: Array) -> PairwiseFit:
        """Standard deviations at a solution, from the scatter of its clusters' gradients."""
        zero = np.zeros(self.unknowns)
        here = np.concatenate(self.distances(poses, self.offsets(zero)))
        self.scale = max(1.4826 * float(np.median(np.abs(here))), 1e-9)
        J = np.empty((len(here), self.unknowns))
        for k in range(self.unknowns):
            ahead, back = (np.where(np.arange(self.unknowns) == k, step, 0.0) for step in (_STEP, -_STEP))
            sides = [
                np.concatenate(self.distances(self.poses(poses, x), self.offsets(x))) for x in (ahead, back)
            ]
            J[:, k] = (sides[0] - sides[1]) / (2 * _STEP)
        weight = 1.0 / (1.0 + (here / (2.0 * self.scale)) ** 2)
        gradients = J * (weight * here)[:, None]
        normal = np.linalg.pinv(J.T @ (J * weight[:, None]), rcond=1e-10, hermitian=True)
        length = max(1, round(STRETCH_S * self.tracks.fps))
        t = np.concatenate([pair[2] for pair in self.pairs]) // length
        j = np.concatenate([pair[3] for pair in self.pairs])
        both = _scatter(gradients, t) + _scatter(gradients, j) - _scatter(gradients, t * (j.max() + 1) + j)
        values, vectors = np.linalg.eigh(both)
        both = (vectors * np.maximum(values, 0.0)) @ vectors.T
        covariance = normal @ both @ normal
        return self._named(poses, offsets, covariance)

    def _named(self, poses: Array, offsets: Array, covariance: Array) -> PairwiseFit:
        count = self.count
        deviation = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        rotation, center, late = np.zeros((count, 3)), np.zeros((count, 3)), np.zeros(count)
        size = np.linalg.norm(poses[1:, :3, 3], axis=1).mean()
        for c in range(1, count):
            at = slice(6 * (c - 1), 6 * c)
            rotation[c] = deviation[at][:3]
            # A step turns about the camera's own origin after moving the world's: the centre moves by -Rᵀ τ.
            R = poses[c, :3, :3]
            place = covariance[at, at][3:, 3:] * size**2
            center[c] = np.sqrt(np.maximum(np.diag(R.T @ place @ R), 0.0))
            if self.timing:
                late[c] = deviation[6 * (count - 1) + c - 1] if self.moves(c) else np.inf
        if not self.timing:
            late[1:] = np.nan
        return PairwiseFit(poses, offsets, rotation, center, late, self.scale)


def _scatter(gradients: Array, cluster: NDArray[np.int64]) -> Array:
    """Sum over clusters of the outer product of their summed gradients, for few clusters made larger."""
    names, number = np.unique(cluster, return_inverse=True)
    sums = np.zeros((len(names), gradients.shape[1]))
    np.add.at(sums, number, gradients)
    return np.asarray(sums.T @ sums * (len(names) / max(len(names) - 1, 1)))
