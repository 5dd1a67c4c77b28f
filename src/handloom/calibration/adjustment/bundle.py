"""Bundle adjustment: cameras and boards, or cameras and points, that explain what was seen best.

Levenberg–Marquardt on all poses, and on the lenses where asked, with every board (or point) eliminated from
the normal equations. Outliers are met in two stages: a Cauchy loss whose scale comes from the data, then the
plain least squares of the observations within four standard deviations. Nothing is random, and sums run in
the order of the table: the same sightings give the same cameras to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.calibration.adjustment import kernel
from handloom.calibration.adjustment.solver import Problem, Report, State, solve
from handloom.calibration.calibration import Uncertainty
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera
from handloom.hand.kinematics import nearest_rigid

Array = NDArray[np.float64]

INTRINSIC_COUNT = 12
_LONGEST_STEP_S = 0.25  # over longer gaps the board's motion is not taken to be even


@dataclass(frozen=True, eq=False)
class BundleOptions:
    """What is held and what is known. C cameras, T moments.

    Attributes:
        free_intrinsics: (C, 12) or one for all: which of fx, fy, cx, cy and the eight lens coefficients (in
            OpenCV's order, as many as the camera's lens has) are estimated.
        free_poses: (C,) which cameras' poses are; all but the first that takes part if None.
        free_boards: (T,) which boards' poses are; all if None.
        square_pixels: (C,) or one for all: fx and fy change by the same amount.
        lens_groups: (C,) cameras with equal numbers share one lens; each has its own if None.
        prior_mean: (C, 12) what is known of the intrinsics, and
        prior_std: (C, 12) how well; infinite where nothing is.
        robust: whether outliers are to be expected.
        timing: whether every camera's time offset and readout time are estimated, which takes sightings with
            times and a board that moves.
        max_iterations: of Levenberg–Marquardt, over all stages.
    """

    free_intrinsics: NDArray[np.bool_] | bool = False
    free_poses: NDArray[np.bool_] | None = None
    free_boards: NDArray[np.bool_] | None = None
    square_pixels: NDArray[np.bool_] | bool = False
    lens_groups: NDArray[np.int64] | None = None
    prior_mean: Array | None = None
    prior_std: Array | None = None
    robust: bool = True
    timing: bool = False
    max_iterations: int = 100


@dataclass(frozen=True, eq=False)
class BundleResult:
    """Cameras, and boards or points, after the adjustment.

    Attributes:
        cameras: (C) as given, with new poses and lenses; None where there was none.
        T_world_board: (T, 4, 4) boards; NaN where unknown. Empty after :func:`adjust_points`.
        points: (P, 3) points; NaN where unknown. Empty after :func:`adjust_boards`.
        residuals: (N, 2) seen minus projected, pixels; NaN where nothing is projected.
        used: (N,) observations that were not set aside.
        sigma_px: noise of an observation per axis, from the residuals and the degrees of freedom.
        uncertainty: (C) standard deviations; None where there is no camera.
        offsets_s: (C,) seconds to add to a camera's clock; NaN if not estimated.
        readout_s: (C,) seconds from the first to the last row of a picture; NaN if not estimated.
        timing_std_s: (C, 2) standard deviations of both.
        converged: whether the last stage came to rest.
        iterations: steps tried.
    """

    cameras: tuple[Camera | None, ...]
    T_world_board: Array
    points: Array
    residuals: Array
    used: NDArray[np.bool_]
    sigma_px: float
    uncertainty: tuple[Uncertainty | None, ...]
    offsets_s: Array
    readout_s: Array
    timing_std_s: Array
    converged: bool
    iterations: int


def adjust_boards(
    sightings: Sightings,
    cameras: Sequence[Camera | None],
    T_world_board: ArrayLike,
    options: BundleOptions | None = None,
) -> BundleResult:
    """Adjust cameras and the poses of a board to the corners that were seen.

    Args:
        sightings: the corners.
        cameras: (C) starting cameras; None takes no part.
        T_world_board: (T, 4, 4) starting poses; those with NaN take no part.
        options: what is held and what is known.

    Raises:
        ValueError: if shapes do not fit or nothing can take part.
    """
    options = options or BundleOptions()
    boards = np.array(T_world_board, dtype=np.float64)
    times = sightings.times_s
    if boards.shape != (len(times), 4, 4) or len(cameras) != len(sightings.cameras):
        raise ValueError(
            f"{len(sightings.cameras)} cameras and {len(times)} moments, "
            f"but {len(cameras)} cameras and boards of shape {boards.shape}"
        )
    known = np.asarray(np.isfinite(boards).all(axis=(1, 2)))
    heights = sightings.image_sizes[:, 1].astype(np.float64)
    late = (sightings.pixels[:, 1] - (heights[sightings.camera] - 1) / 2) / heights[sightings.camera]
    problem, rows = _pose_problem(
        cameras,
        sightings.camera,
        sightings.moment,
        sightings.object_points,
        sightings.pixels,
        known,
        options,
        late=late if options.timing else None,
    )
    blocks = np.unique(sightings.moment[rows])
    problem = replace(
        problem,
        turning=True,
        times_s=times[blocks] if options.timing else None,
        longest_step_s=_LONGEST_STEP_S,
        free_blocks=None if options.free_boards is None else options.free_boards[blocks],
    )
    state, report = solve(problem, _starting_state(cameras, boards[blocks]), options.max_iterations)
    poses = np.full_like(boards, np.nan)
    poses[blocks] = state.blocks
    return _result(cameras, problem, state, report, rows, len(sightings), boards=poses)


def adjust_points(
    cameras: Sequence[Camera | None],
    camera: ArrayLike,
    point: ArrayLike,
    pixels: ArrayLike,
    points: ArrayLike,
    options: BundleOptions | None = None,
    sigma_px: ArrayLike = 1.0,
) -> BundleResult:
    """Adjust cameras and points to the pixels at which the points were seen.

    Args:
        cameras: (C) starting cameras; None takes no part.
        camera: (N,) which camera saw
        point: (N,) which point
        pixels: (N, 2) where.
        points: (P, 3) starting points; those with NaN take no part.
        options: what is held and what is known.
        sigma_px: (N,) relative standard deviations of the observations.

    Raises:
        ValueError: if shapes do not fit or nothing can take part.
    """
    options = options or BundleOptions()
    start = np.array(points, dtype=np.float64)
    number = np.asarray(point, dtype=np.int32)
    camera_number = np.asarray(camera, dtype=np.int32)
    xy = np.asarray(pixels, dtype=np.float64)
    order = np.lexsort((camera_number, number))
    problem, rows = _pose_problem(
        cameras,
        camera_number[order],
        number[order],
        np.zeros((len(xy), 3)),
        xy[order],
        np.asarray(np.isfinite(start).all(axis=-1)),
        options,
        sigma=np.broadcast_to(np.asarray(sigma_px, dtype=np.float64), len(xy))[order],
    )
    blocks = np.unique(number[order][rows])
    poses = np.tile(np.eye(4), (len(blocks), 1, 1))
    poses[:, :3, 3] = start[blocks]
    problem = replace(problem, turning=False)
    state, report = solve(problem, _starting_state(cameras, poses), options.max_iterations)
    moved = np.full_like(start, np.nan)
    moved[blocks] = state.blocks[:, :3, 3]
    return _result(cameras, problem, state, report, order[rows], len(xy), points=moved)


def _pose_problem(
    cameras: Sequence[Camera | None],
    camera: NDArray[np.int32],
    block: NDArray[np.int32],
    local: Array,
    pixels: Array,
    known: NDArray[np.bool_],
    options: BundleOptions,
    late: Array | None = None,
    sigma: Array | None = None,
) -> tuple[Problem, NDArray[np.int64]]:
    """The problem of the observations that can take part, and which those are."""
    present = np.array([entry is not None for entry in cameras])
    rows = np.flatnonzero(present[camera] & known[block] & np.isfinite(pixels).all(axis=-1))
    if not len(rows):
        raise ValueError("no observation has both a camera and a starting pose")
    taking_part = np.zeros(len(cameras), dtype=bool)
    taking_part[camera[rows]] = True
    columns, unknowns = _columns(cameras, taking_part, options)
    problem = Problem(
        camera=camera[rows],
        block=np.unique(block[rows], return_inverse=True)[1].astype(np.int32),
        local=np.ascontiguousarray(local[rows]),
        pixels=np.ascontiguousarray(pixels[rows]),
        sigma=np.ones(len(rows)) if sigma is None else np.ascontiguousarray(sigma[rows]),
        late=None if late is None else late[rows],
        skew=np.array([0.0 if entry is None else entry.K[0, 1] for entry in cameras]),
        fisheye=np.array([entry is not None and entry.model == "fisheye" for entry in cameras]),
        columns=columns,
        unknowns=unknowns,
        prior_mean=options.prior_mean,
        prior_std=options.prior_std,
        robust=options.robust,
    )
    return problem, rows


def _columns(
    cameras: Sequence[Camera | None], taking_part: NDArray[np.bool_], options: BundleOptions
) -> tuple[NDArray[np.int64], int]:
    """Which unknown every camera's parameter is, -1 where it is held."""
    count = len(cameras)
    first = int(np.argmax(taking_part))
    free = np.zeros((count, kernel.PARAMETERS), dtype=bool)
    free_poses = np.arange(count) != first if options.free_poses is None else options.free_poses
    free[:, :6] = free_poses[:, None]
    free[:, kernel.INTRINSICS] = options.free_intrinsics
    for number, camera in enumerate(cameras):
        if camera is not None:
            free[number, 10 + len(camera.distortion) : 18] = False
    if options.timing:
        free[:, kernel.OFFSET] = np.arange(count) != first
        free[:, kernel.READOUT] = True
    free &= taking_part[:, None]
    groups = np.arange(count) if options.lens_groups is None else np.asarray(options.lens_groups)
    columns = np.full((count, kernel.PARAMETERS), -1, dtype=np.int64)
    square = np.broadcast_to(options.square_pixels, count)
    shared: dict[tuple[int, int], int] = {}
    unknowns = 0
    for c, p in np.argwhere(free).tolist():
        if kernel.INTRINSICS.start <= p < kernel.INTRINSICS.stop:
            key = (int(groups[c]), 6 if square[c] and p == 7 else p)
            if key not in shared:
                shared[key] = unknowns
                unknowns += 1
            columns[c, p] = shared[key]
        else:
            columns[c, p] = unknowns
            unknowns += 1
    return columns, unknowns


def _starting_state(cameras: Sequence[Camera | None], blocks: Array) -> State:
    count = len(cameras)
    poses, intrinsics = np.tile(np.eye(4), (count, 1, 1)), np.zeros((count, INTRINSIC_COUNT))
    for number, camera in enumerate(cameras):
        if camera is not None:
            poses[number] = camera.T_camera_world
            intrinsics[number] = intrinsics_of(camera)
    return State(poses, intrinsics, np.zeros(count), np.zeros(count), np.ascontiguousarray(blocks))


def intrinsics_of(camera: Camera) -> Array:
    """(12,) fx, fy, cx, cy and the lens coefficients, zero where the lens has fewer."""
    values = np.zeros(INTRINSIC_COUNT)
    values[:4] = camera.K[0, 0], camera.K[1, 1], camera.K[0, 2], camera.K[1, 2]
    values[4 : 4 + len(camera.distortion)] = camera.distortion
    return values


def with_intrinsics(camera: Camera, values: Array) -> Camera:
    """The camera with other intrinsics, laid out as by :func:`intrinsics_of`."""
    K = np.array([[values[0], camera.K[0, 1], values[2]], [0.0, values[1], values[3]], [0.0, 0.0, 1.0]])
    return replace(camera, K=K, distortion=values[4 : 4 + len(camera.distortion)])


def _result(
    cameras: Sequence[Camera | None],
    problem: Problem,
    state: State,
    report: Report,
    rows: NDArray[np.int64],
    count: int,
    boards: Array | None = None,
    points: Array | None = None,
) -> BundleResult:
    residuals, used = np.full((count, 2), np.nan), np.zeros(count, dtype=bool)
    residuals[rows], used[rows] = report.residuals, report.used
    adjusted: list[Camera | None] = []
    uncertainty: list[Uncertainty | None] = []
    for number, camera in enumerate(cameras):
        if camera is None:
            adjusted.append(None)
            uncertainty.append(None)
            continue
        moved = replace(camera, T_camera_world=nearest_rigid(state.poses[number]))
        adjusted.append(with_intrinsics(moved, state.intrinsics[number]))
        deviations = report.deviations[number]
        uncertainty.append(
            Uncertainty(
                focal_px=deviations[6:8],
                principal_px=deviations[8:10],
                distortion=deviations[10 : 10 + len(camera.distortion)],
                rotation_rad=deviations[:3],
                center_m=deviations[3:6],
            )
        )
    timing = problem.times_s is not None
    unknown = np.full(len(cameras), np.nan)
    return BundleResult(
        cameras=tuple(adjusted),
        T_world_board=np.empty((0, 4, 4)) if boards is None else boards,
        points=np.empty((0, 3)) if points is None else points,
        residuals=residuals,
        used=used,
        sigma_px=report.sigma_px,
        uncertainty=tuple(uncertainty),
        offsets_s=state.offsets_s if timing else unknown,
        readout_s=state.readout_s if timing else unknown,
        timing_std_s=report.deviations[:, [kernel.OFFSET, kernel.READOUT]],
        converged=report.converged,
        iterations=report.iterations,
    )
