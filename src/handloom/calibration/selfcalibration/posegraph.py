"""All cameras in one frame, from what pairs of them saw together: one camera is added after the other.

The pair that shares most and sees it from directions far enough apart comes first. Every further camera may
be placed by any pair it forms with one already there, the length of that pair's translation being found from
the points both know, or by the points themselves (perspective-n-point); whatever agrees best with all the
points in space stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.calibration.selfcalibration.epipolar import CUT, RelativePose, depths, relative_poses
from handloom.errors import CalibrationError
from handloom.hand.kinematics import rigid
from handloom.reconstruction import triangulate

Array = NDArray[np.float64]

LEAST_FRAMES = 10
"""Frames that two cameras must share."""

LEAST_MATCHES = 60
"""Keypoints that two cameras must share."""

LEAST_SOUND = 0.35
"""Share of a pair's matches that must agree with its epipolar geometry."""

LEAST_PARALLAX_RAD = 0.0175
"""From less than a degree no depth can be had."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two cameras and their possible relative poses.

    Attributes:
        a, b: numbers of the cameras.
        frames: number of frames in which both see something.
        matches: (M, 2) frame and joint of every match.
        poses: possible poses of b against a, the most probable first; empty if there is too little.
    """

    a: int
    b: int
    frames: int
    matches: NDArray[np.int64]
    poses: tuple[RelativePose, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether the best solution explains enough, from directions that differ enough."""
        return bool(self.poses) and (
            self.poses[0].inliers.mean() >= LEAST_SOUND and self.poses[0].parallax_rad >= LEAST_PARALLAX_RAD
        )

    @property
    def strength(self) -> float:
        """How good a start the pair is: sound matches, times how far its directions differ (up to 30°)."""
        best = self.poses[0]
        return float(best.inliers.sum()) * min(np.sin(min(best.parallax_rad, np.pi / 2)), 0.5)


def match_pairs(rays: Array, sigma: Array) -> list[Pair]:
    """Every pair of cameras with the relative poses its matches allow.

    Args:
        rays: (C, T, J, 2) normalised image coordinates; NaN where missing.
        sigma: (C, T, J) expected standard deviations in the same units.
    """
    seen = np.isfinite(rays).all(axis=-1) & np.isfinite(sigma)
    pairs = []
    for a, b in combinations(range(len(rays)), 2):
        matches = np.argwhere(seen[a] & seen[b])
        frames = len(np.unique(matches[:, 0]))
        if frames < LEAST_FRAMES or len(matches) < LEAST_MATCHES:
            pairs.append(Pair(a, b, frames, matches))
            continue
        t, j = matches.T
        poses = relative_poses(rays[a][t, j], rays[b][t, j], sigma[a][t, j], sigma[b][t, j])
        pairs.append(Pair(a, b, frames, matches, tuple(poses)))
    return pairs


def place_cameras(rays: Array, sigma: Array, pairs: Sequence[Pair], names: Sequence[str]) -> Array:
    """(C, 4, 4) poses from the first camera's frame into every camera's, cameras one unit apart on average.

    Args:
        rays: (C, T, J, 2).
        sigma: (C, T, J).
        pairs: of :func:`match_pairs`.
        names: of the cameras.

    Raises:
        CalibrationError: if no pair is usable or a camera cannot be linked to the others, with the counts.
    """
    usable = [pair for pair in pairs if pair.usable]
    if not usable:
        raise CalibrationError(_nothing(pairs, names), _MORE)
    usable.sort(key=lambda pair: (-pair.strength, pair.a, pair.b))
    poses: dict[int, Array] = {usable[0].a: np.eye(4), usable[0].b: usable[0].poses[0].T_b_a}
    while len(poses) < len(rays):
        best: tuple[float, int, Array] | None = None
        points = _points(rays, sigma, poses)
        reachable = {c for pair in usable for c in (pair.a, pair.b) if (pair.a in poses) != (pair.b in poses)}
        for camera in sorted(reachable - set(poses)):
            for T in _candidates(camera, points, rays, poses, usable):
                cost = _cost(T, points, rays[camera], sigma[camera])
                if best is None or cost < best[0]:
                    best = (cost, camera, T)
        if best is None:
            raise CalibrationError(_unlinked(poses, pairs, names), _MORE)
        poses[best[1]] = best[2]
    ordered = np.stack([poses[c] for c in range(len(rays))])
    ordered = ordered @ np.linalg.inv(ordered[0])
    ordered[:, :3, 3] /= np.linalg.norm(ordered[1:, :3, 3], axis=1).mean()
    return ordered


def _points(rays: Array, sigma: Array, poses: dict[int, Array]) -> Array:
    """(T, J, 3) what the cameras placed so far see."""
    placed = sorted(poses)
    return triangulate(rays[placed], np.stack([poses[c] for c in placed]), sigma[placed]).points


def _candidates(
    camera: int, points: Array, rays: Array, poses: dict[int, Array], pairs: Sequence[Pair]
) -> list[Array]:
    """Possible poses of a camera in the frame of those placed."""
    candidates = []
    for pair in pairs:
        if camera not in (pair.a, pair.b) or (pair.a + pair.b - camera) not in poses:
            continue
        other = pair.a + pair.b - camera
        for relative in pair.poses:
            T = relative.T_b_a
            t, j = pair.matches[relative.inliers].T
            near = depths(T, rays[pair.a][t, j], rays[pair.b][t, j])[0 if pair.a == other else 1]
            if pair.a != other:
                T = np.asarray(np.linalg.inv(T))
            known = points[t, j] @ poses[other][2, :3] + poses[other][2, 3]
            ratio = known / near
            ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
            if len(ratio) >= LEAST_MATCHES // 2:
                T = rigid(T[:3, :3], T[:3, 3] * float(np.median(ratio)))
                candidates.append(T @ poses[other])
    shared = np.argwhere(np.isfinite(points).all(axis=-1) & np.isfinite(rays[camera]).all(axis=-1))
    if len(shared) >= LEAST_MATCHES:
        t, j = shared[np.unique(np.linspace(0, len(shared) - 1, 500).astype(int))].T
        found, turn, move = cv2.solvePnP(
            points[t, j], rays[camera][t, j], np.eye(3), None, flags=cv2.SOLVEPNP_SQPNP
        )
        if found:
            candidates.append(rigid(cv2.Rodrigues(turn)[0], move.ravel()))
    return candidates


def _cost(T: Array, points: Array, rays: Array, sigma: Array) -> float:
    """Mean truncated squared distance of a camera's keypoints to the points in space."""
    at = points @ T[:3, :3].T + T[:3, 3]
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = np.linalg.norm(at[..., :2] / at[..., 2:] - rays, axis=-1) / sigma
        distance = np.where(at[..., 2] > 0, distance, np.inf)
    known = np.isfinite(points[..., 0]) & np.isfinite(rays[..., 0])
    # Points from few cameras lie several times further off than a keypoint from its line.
    return float(np.minimum(distance[known] ** 2, (4 * CUT) ** 2).mean()) if known.any() else np.inf


_MORE = (
    "Record somebody who moves through the space that the cameras share, in view of at least two cameras"
    " at any time, for 20 seconds or more."
)


def _nothing(pairs: Sequence[Pair], names: Sequence[str]) -> str:
    best = max(pairs, key=lambda pair: (len(pair.poses) > 0, len(pair.matches), -pair.a, -pair.b))
    both = f"{names[best.a]} and {names[best.b]}"
    if not best.poses:
        return (
            f"No two cameras see enough of the same: {both} share {len(best.matches)} keypoints in "
            f"{best.frames} frames, and it takes {LEAST_MATCHES} in {LEAST_FRAMES}."
        )
    pose = best.poses[0]
    if pose.inliers.mean() >= LEAST_SOUND:
        return (
            f"{both} see everything from the same direction: lines of sight differ by"
            f" {np.degrees(pose.parallax_rad):.2f}°, so that no depth can be had; or it is too small to tell."
        )
    return (
        f"What the cameras see does not fit together: of {len(best.matches)} keypoints that {both} share,"
        f" only {100 * pose.inliers.mean():.0f} % fit any pose of theirs. They may not be synchronised,"
        " may show different people, or a lens is wrong."
    )


def _unlinked(poses: dict[int, Array], pairs: Sequence[Pair], names: Sequence[str]) -> str:
    lost = [c for c in range(len(names)) if c not in poses]
    most = [
        max(len(pair.matches) for pair in pairs if c in (pair.a, pair.b) and {pair.a, pair.b} & set(poses))
        for c in lost
    ]
    counts = ", ".join(f"{names[c]} ({count} keypoints)" for c, count in zip(lost, most, strict=True))
    linked = ", ".join(names[c] for c in sorted(poses))
    return f"These cameras share too little with the others ({linked}) to be placed: {counts}."
