"""The pose of one camera against another from image positions alone: robust essential matrix, refined.

Five-point solutions (Nistér 2004) of random samples, scored by the truncated Sampson distance in units of the
expected noise (MSAC: Torr & Zisserman 2000), decomposed with the test that points lie in front of both
cameras, and refined on a redescending Sampson cost. A person fills a small part of the space in front of the
cameras, so that rotation and translation can trade against each other: several distinct solutions are kept
and refined, the one of least cost wins.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from handloom.hand.kinematics import rigid, rotation_from_vector

Array = NDArray[np.float64]

SAMPLES = 300
"""Minimal samples drawn; five of them all sound is certain enough with a third of the matches wrong."""

SCORED = 1500
"""So many matches judge a sample, evenly chosen."""

REFINED = 4
"""Distinct solutions that are refined."""

APART_RAD = 0.12
"""Solutions whose rotation or direction of translation differ by less are the same."""

CUT = 3.0
"""Standard deviations from which on a match counts as wrong."""


@dataclass(frozen=True, eq=False)
class RelativePose:
    """Pose of camera b against camera a.

    Attributes:
        T_b_a: (4, 4), the translation of unit length.
        cost: mean truncated squared Sampson distance over the matches, in units of the expected noise; at
            most the square of :data:`CUT`.
        inliers: (N,) matches within :data:`CUT` times the spread found, and in front of both cameras.
        spread: robust standard deviation of the Sampson distance in units of the expected noise.
        parallax_rad: median angle at which the two lines of sight of a sound match meet.
    """

    T_b_a: Array
    cost: float
    inliers: NDArray[np.bool_]
    spread: float
    parallax_rad: float


def relative_poses(
    a: Array, b: Array, sigma_a: Array, sigma_b: Array, samples: int = SAMPLES, refined: int = REFINED
) -> list[RelativePose]:
    """Solutions for two views, the most probable first; empty where no sample gives one.

    The same input gives the same output: samples come from a generator of fixed seed.

    Args:
        a: (N, 2) normalised image coordinates (x/z, y/z) in view a.
        b: (N, 2) the matching ones in view b.
        sigma_a: (N,) expected standard deviation of ``a`` per axis.
        sigma_b: (N,) the same of ``b``.
        samples: minimal samples drawn.
        refined: how many distinct solutions are refined and returned.
    """
    if len(a) < 8:
        return []
    judged = np.unique(np.linspace(0, len(a) - 1, min(SCORED, len(a))).astype(int))
    rng = np.random.default_rng(5)
    found: list[tuple[float, Array]] = []
    judge = (a[judged], b[judged], sigma_a[judged], sigma_b[judged])
    for _ in range(samples):
        rows = rng.choice(len(a), 5, replace=False)
        E, _ = cv2.findEssentialMat(a[rows], b[rows], np.eye(3), method=cv2.LMEDS)
        for candidate in () if E is None else E.reshape(-1, 3, 3):
            matrix = np.asarray(candidate, dtype=np.float64)
            if np.isfinite(matrix).all():
                found.append((_truncated(sampson(matrix, *judge)), matrix))
    found.sort(key=lambda pair: pair[0])
    seeds: list[tuple[float, Array]] = []
    for _, E in found[: 40 * refined]:
        T = _in_front(E, *judge)
        if T is not None and all(_apart(T, other) > APART_RAD for _, other in seeds):
            seeds.append((0.0, T))
        if len(seeds) == refined:
            break
    poses = [_described(_refined(T, *judge), a, b, sigma_a, sigma_b) for _, T in seeds]
    poses.sort(key=lambda pose: pose.cost)
    return poses


def sampson(E: Array, a: Array, b: Array, sigma_a: Array, sigma_b: Array) -> Array:
    """(N,) signed first-order distance of matches to an epipolar geometry, in units of their noise.

    Hartley & Zisserman, *Multiple View Geometry*, 11.4.3, with a noise of its own for every position.
    """
    ha, hb = _homogeneous(a), _homogeneous(b)
    line_b, line_a = ha @ E.T, hb @ E
    variance = sigma_b**2 * (line_b[:, :2] ** 2).sum(axis=1) + sigma_a**2 * (line_a[:, :2] ** 2).sum(axis=1)
    return np.asarray((hb * line_b).sum(axis=1) / np.sqrt(np.maximum(variance, 1e-300)))


def essential(T_b_a: Array) -> Array:
    """(3, 3) essential matrix of a pose: bᵀ E a = 0."""
    x, y, z = T_b_a[:3, 3]
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]]) @ T_b_a[:3, :3]


def depths(T_b_a: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """(N,) depths along the axes of a and b at which the lines of sight come closest."""
    ray_a, ray_b = _homogeneous(a) @ T_b_a[:3, :3].T, _homogeneous(b)
    aa, bb, ab = (ray_a**2).sum(axis=1), (ray_b**2).sum(axis=1), (ray_a * ray_b).sum(axis=1)
    at, bt = ray_a @ T_b_a[:3, 3], ray_b @ T_b_a[:3, 3]
    determinant = np.maximum(aa * bb - ab**2, 1e-12 * aa * bb)
    return (ab * bt - bb * at) / determinant, (aa * bt - ab * at) / determinant


def _truncated(distance: Array) -> float:
    return float(np.minimum(distance**2, CUT**2).mean())


def _in_front(E: Array, a: Array, b: Array, sigma_a: Array, sigma_b: Array) -> Array | None:
    """The one of four poses of an essential matrix that has most sound matches in front of both views."""
    U, _, Vt = np.linalg.svd(E)
    U, Vt = U * np.sign(np.linalg.det(U)), Vt * np.sign(np.linalg.det(Vt))
    W = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    distance = np.abs(sampson(E, a, b, sigma_a, sigma_b))
    sound = distance < max(CUT, 2 * float(np.median(distance)))
    best: tuple[int, Array] = (0, np.eye(4))
    for turn in (W, W.T):
        for sign in (1.0, -1.0):
            T = rigid(U @ turn @ Vt, sign * U[:, 2])
            depth_a, depth_b = depths(T, a[sound], b[sound])
            count = int(((depth_a > 0) & (depth_b > 0)).sum())
            if count > best[0]:
                best = (count, T)
    return best[1] if best[0] > 0.7 * sound.sum() else None


def _refined(T: Array, a: Array, b: Array, sigma_a: Array, sigma_b: Array) -> Array:
    """Least redescending Sampson cost over rotation and direction of translation."""
    for _ in range(2):
        basis = np.linalg.svd(T[:3, 3][None])[2][1:]
        start = T
        scale = max(1.0, _spread(sampson(essential(T), a, b, sigma_a, sigma_b)))

        def moved(x: Array, start: Array = start, basis: Array = basis) -> Array:
            t = start[:3, 3] + x[3:] @ basis
            return rigid(rotation_from_vector(x[:3]) @ start[:3, :3], t / np.linalg.norm(t))

        def residuals(x: Array, scale: float = scale) -> Array:
            return sampson(essential(moved(x)), a, b, sigma_a, sigma_b) / scale

        T = moved(least_squares(residuals, np.zeros(5), loss="cauchy", max_nfev=40).x)
    return T


def _described(T: Array, a: Array, b: Array, sigma_a: Array, sigma_b: Array) -> RelativePose:
    distance = sampson(essential(T), a, b, sigma_a, sigma_b)
    spread = _spread(distance)
    depth_a, depth_b = depths(T, a, b)
    in_front = (depth_a > 0) & (depth_b > 0)
    inliers = (np.abs(distance) < CUT * max(spread, 1e-9)) & in_front
    ray_a, ray_b = _homogeneous(a) @ T[:3, :3].T, _homogeneous(b)
    cosine = (ray_a * ray_b).sum(axis=1) / np.linalg.norm(ray_a, axis=1) / np.linalg.norm(ray_b, axis=1)
    parallax = np.arccos(np.clip(cosine[inliers], -1.0, 1.0))
    cost = float(np.where(in_front, np.minimum(distance**2, CUT**2), CUT**2).mean())
    return RelativePose(T, cost, inliers, spread, float(np.median(parallax)) if len(parallax) else 0.0)


def _spread(distance: Array) -> float:
    return 1.4826 * float(np.median(np.abs(distance)))


def _apart(T: Array, other: Array) -> float:
    turn = (np.trace(T[:3, :3].T @ other[:3, :3]) - 1.0) / 2.0
    shift = T[:3, 3] @ other[:3, 3]
    return float(np.arccos(np.clip(min(turn, shift), -1.0, 1.0)))


def _homogeneous(xy: Array) -> Array:
    return np.concatenate([xy, np.ones_like(xy[:, :1])], axis=1)
