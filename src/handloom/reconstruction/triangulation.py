"""From image positions in several calibrated views to points in space.

:func:`triangulate_dlt` is the batched linear solution, :func:`triangulate` the robust one with covariances.
Both take any batch shape, ignore what is missing, and share large batches among threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.reconstruction import dlt_kernel, ray_kernel

Array = NDArray[np.float64]

POINTS_PER_THREAD = 5_000
"""Below this many points a thread costs more than it brings."""


@dataclass(frozen=True, eq=False)
class Triangulation:
    """Points in space and how far the views agree on them.

    Attributes:
        points: (..., 3) in the world of the cameras; NaN where fewer than two views fix a point.
        covariance: (..., 3, 3) in its unit squared; NaN where the point is.
        inliers: (C, ...) views the point was computed from.
        residual: (C, ...) reprojection error of every view that observes the point, used or not, in
            normalised image units (times the focal length: pixels); NaN where there is none.
    """

    points: Array
    covariance: Array
    inliers: NDArray[np.bool_]
    residual: Array


def triangulate_dlt(
    P: ArrayLike,
    xy: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    exact: bool = False,
    threads: int | None = None,
) -> Array:
    """Linear triangulation: direct linear transform with conditioned cameras (algorithms.md §7.1).

    Cameras and image positions are conditioned first: principal point and focal length are divided out and
    the world is moved to where the optical axes meet, so that pixels far from 0 or a rig far from the origin
    cost no accuracy. The two equations of a view measure its error in normalised image units, times depth.

    Args:
        P: (C, 3, 4) projection matrices, with or without intrinsics.
        xy: (C, ..., 2) undistorted image positions that belong to P; NaN where not observed.
        weights: (C, ...) or broadcastable to it, factors of the equations; 0 or NaN ignores a view.
        exact: factorise the 2C×4 matrix of equations instead of its 4×4 normal matrix. Without noise the
            result is then good to 1e-9 of the scene's size rather than 1e-6; it takes up to ten times
            as long.
        threads: how many threads share the points; by default one per core for large batches.

    Returns:
        (..., 3) world points; NaN where fewer than two views observe the point or their rays are parallel.

    Raises:
        ValueError: if shapes do not fit together.
    """
    cameras = _contiguous(P)
    image, batch = _observations(xy, cameras, (3, 4))
    factors = np.empty((0, 0)) if weights is None else _per_view(weights, cameras.shape[0], batch)
    out = np.empty((image.shape[1], 3))
    conditioned = dlt_kernel.condition(cameras)
    kernel = dlt_kernel.triangulate_exact if exact else dlt_kernel.triangulate_fast
    _share(lambda start, stop: kernel(image, factors, conditioned, start, stop, out), image.shape[1], threads)
    return out.reshape(*batch, 3)


def triangulate(
    xy: ArrayLike,
    T_camera_world: ArrayLike,
    sigma: ArrayLike,
    *,
    outlier_sigmas: float = 5.0,
    huber_sigmas: float = 2.5,
    threads: int | None = None,
) -> Triangulation:
    """Robust triangulation with covariance: wrong views dropped, the rest fitted by Huber's cost.

    Where the views do not all agree, pairs of them propose points and the proposal that all views like best
    decides which views are used; see :mod:`handloom.reconstruction.ray_kernel` for the steps. Two views that
    disagree cannot be judged against each other: both are kept, the residual and covariance say so. The
    covariance follows from ``sigma`` (algorithms.md §10.7 e) and grows where the residuals are larger than
    ``sigma`` promises; it never shrinks below it.

    Args:
        xy: (C, ..., 2) normalised, undistorted image positions (x/z, y/z); NaN where not observed.
        T_camera_world: (C, 4, 4) rigid transforms from the world into the cameras.
        sigma: standard deviation of ``xy`` per axis in the same units (pixels / focal length): one number,
            (C,) or (C, ...); NaN, 0 or infinite ignores a view.
        outlier_sigmas: a view further away than this from the point of the others is wrong.
        huber_sigmas: from here on a residual counts linearly.
        threads: how many threads share the points; by default one per core for large batches.

    Returns:
        Points, covariances, the views used and all residuals. A point is NaN if fewer than two views observe
        it, if their rays are parallel, or if it would lie behind a camera that is needed to fix it.

    Raises:
        ValueError: if shapes do not fit together.
    """
    transforms = _contiguous(T_camera_world)
    image, batch = _observations(xy, transforms, (4, 4))
    views, count = image.shape[:2]
    spread = _per_view(sigma, views, batch)
    result = Triangulation(
        np.empty((count, 3)),
        np.empty((count, 3, 3)),
        np.empty((views, count), dtype=np.bool_),
        np.empty((views, count)),
    )
    limits = (float(outlier_sigmas), float(huber_sigmas))
    # A rig far from its origin would lose digits in the reprojections.
    center = -np.einsum("cji,cj->i", transforms[:, :3, :3], transforms[:, :3, 3]) / views
    transforms[:, :3, 3] += transforms[:, :3, :3] @ center
    _share(
        lambda start, stop: ray_kernel.triangulate_robust(
            image, spread, transforms, *limits, start, stop,
            result.points, result.covariance, result.inliers, result.residual,
        ),
        count,
        threads,
    )  # fmt: skip
    return Triangulation(
        (result.points + center).reshape(*batch, 3),
        result.covariance.reshape(*batch, 3, 3),
        result.inliers.reshape(views, *batch),
        result.residual.reshape(views, *batch),
    )


def _contiguous(values: ArrayLike) -> Array:
    """A writable C-ordered copy: the one array type the kernels are compiled for."""
    return np.array(values, dtype=np.float64, order="C")


def _observations(xy: ArrayLike, cameras: Array, matrix: tuple[int, int]) -> tuple[Array, tuple[int, ...]]:
    """Image positions as (C, N, 2) and the batch shape that N stands for."""
    image = np.require(xy, dtype=np.float64, requirements=("C", "W"))
    if cameras.ndim != 3 or cameras.shape[1:] != matrix:
        raise ValueError(f"cameras must be (C, {matrix[0]}, {matrix[1]}), not {cameras.shape}")
    if image.ndim < 2 or image.shape[0] != cameras.shape[0] or image.shape[-1] != 2:
        raise ValueError(f"xy must be ({cameras.shape[0]}, ..., 2) for these cameras, not {image.shape}")
    batch = image.shape[1:-1]
    return image.reshape(image.shape[0], -1, 2), batch


def _per_view(values: ArrayLike, views: int, batch: tuple[int, ...]) -> Array:
    """(C, N) from one number, one per view (C,), or anything that broadcasts to (C, ...)."""
    given = np.asarray(values, dtype=np.float64)
    if given.shape == (views,):
        given = given.reshape(views, *(1 for _ in batch))
    try:
        full = np.broadcast_to(given, (views, *batch))
    except ValueError as error:
        raise ValueError(f"{given.shape} does not broadcast to {(views, *batch)}") from error
    return np.require(full, requirements=("C", "W")).reshape(views, -1)


def _share(work: Callable[[int, int], None], count: int, threads: int | None) -> None:
    """Do points 0 to ``count``, in as many even parts as there are threads worth starting."""
    wanted = (os.cpu_count() or 1) if threads is None else threads
    parts = max(1, min(wanted, count // POINTS_PER_THREAD))
    if parts == 1:
        work(0, count)
        return
    bounds = [count * part // parts for part in range(parts + 1)]
    with ThreadPoolExecutor(parts) as pool:
        for done in [pool.submit(work, *part) for part in pairwise(bounds)]:
            done.result()
