"""Bar 6 of the calibration: 16 cameras and 500 poses of a board in one bundle adjustment on two cores.

python benchmarks/bundle.py [--cameras 16] [--moments 500] [--limit 300]

Every lens (fx, fy, cx, cy and five coefficients) and every pose is free and starts away from the truth; 2 %
of the corners are gross outliers. The other side is ``scipy.optimize.least_squares`` on the same problem from
the same start: trust region with LSMR, differences of two points, the sparsity of the Jacobian given, soft L1
loss. It is stopped after ``--limit`` seconds and judged by what it has reached by then. Each side runs in a
process of its own; its memory includes Python, the libraries and the making of the scene.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")

import numpy as np
from bench import Scorecard, run_child, use_two_cores
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.sparse import coo_array
from scipy.spatial.transform import Rotation

from handloom.calibration.adjustment.bundle import BundleOptions, adjust_boards
from handloom.calibration.boards import parse_board
from handloom.cameras import Camera
from handloom.hand.kinematics import rigid
from handloom.synthesis.board_scene import BoardScene, make_board_scene

Array = NDArray[np.float64]

SECONDS, MEMORY_MB = 60.0, 1000.0
BOARD, NOISE_PX, OUTLIERS = "chessboard:9x6:40mm", 0.2, 0.02
LENS = 9
PER_CAMERA = LENS + 6
SIDES = ("scipy", "ours")


@dataclass(frozen=True)
class Figures:
    """What a side reached.

    Attributes:
        seconds: of the adjustment alone.
        rms_px: reprojection of the corners that are no outliers, per axis.
        focal_percent, rotation_deg, centre_mm: worst camera against the truth, the first camera held.
        corners: how many took part.
        finished: 1 if it came to rest by itself.
    """

    seconds: float
    rms_px: float
    focal_percent: float
    rotation_deg: float
    centre_mm: float
    corners: int
    finished: float


def moved(T: Array, rng: np.random.Generator, turn_deg: float, shift_m: float) -> Array:
    """Poses turned about and shifted by so much, in every direction alike."""
    turns = Rotation.from_rotvec(rng.normal(0, np.deg2rad(turn_deg), (*T.shape[:-2], 3)))
    return rigid(turns.as_matrix(), rng.normal(0, shift_m, (*T.shape[:-2], 3))) @ T


def start(scene: BoardScene) -> tuple[list[Camera], Array]:
    """Cameras and boards away from the truth; the first camera is where it belongs."""
    rng = np.random.default_rng(7)
    cameras = []
    for number, camera in enumerate(scene.rig):
        K = camera.K.copy()
        K[[0, 1], [0, 1]] *= 1 + rng.normal(0, 0.03)
        K[:2, 2] += rng.normal(0, 10, 2)
        T = camera.T_camera_world if number == 0 else moved(camera.T_camera_world, rng, 2.0, 0.03)
        cameras.append(Camera(camera.name, camera.image_size, K, np.zeros(5), T))
    return cameras, moved(scene.T_world_board, rng, 3.0, 0.03)


def ours(scene: BoardScene, limit_s: float) -> tuple[list[Camera], Array, bool]:
    cameras, boards = start(scene)
    free = np.zeros((len(cameras), 12), dtype=bool)
    free[:, :LENS] = True
    result = adjust_boards(scene.sightings, cameras, boards, BundleOptions(free_intrinsics=free))
    return [camera for camera in result.cameras if camera], result.T_world_board, result.converged


class _OutOfTime(Exception):
    pass


def scipy(scene: BoardScene, limit_s: float) -> tuple[list[Camera], Array, bool]:
    cameras, boards = start(scene)
    seen = scene.sightings
    points = seen.object_points
    views, poses = len(cameras), len(boards)

    def residuals(x: Array) -> Array:
        lenses = x[: views * PER_CAMERA].reshape(views, PER_CAMERA)[seen.camera]
        placed = x[views * PER_CAMERA :].reshape(poses, 6)[seen.moment]
        world = Rotation.from_rotvec(placed[:, :3]).apply(points) + placed[:, 3:]
        local = Rotation.from_rotvec(lenses[:, 9:12]).apply(world) + lenses[:, 12:]
        fx, fy, cx, cy, k1, k2, p1, p2, k3 = lenses[:, :LENS].T
        u, v = local[:, 0] / local[:, 2], local[:, 1] / local[:, 2]
        r = u * u + v * v
        radial = 1 + r * (k1 + r * (k2 + r * k3))
        x_ = u * radial + 2 * p1 * u * v + p2 * (r + 2 * u * u)
        y_ = v * radial + p1 * (r + 2 * v * v) + 2 * p2 * u * v
        return (np.stack([fx * x_ + cx, fy * y_ + cy], axis=-1) - seen.pixels).ravel()

    x0 = np.concatenate([_pack(cameras).ravel(), _vectors(boards).ravel()])
    rows = np.repeat(np.arange(2 * len(seen)), PER_CAMERA + 6)
    mine = seen.camera[:, None] * PER_CAMERA + np.arange(PER_CAMERA)
    its = views * PER_CAMERA + seen.moment[:, None] * 6 + np.arange(6)
    columns = np.repeat(np.concatenate([mine, its], axis=1), 2, axis=0).ravel()
    pattern = coo_array(
        (np.ones(len(rows), np.int8), (rows, columns)), shape=(2 * len(seen), len(x0))
    ).tocsr()
    held = LENS + np.arange(6)  # the first camera's pose
    x0_first = x0[held].copy()
    best = (np.inf, x0)
    end = time.perf_counter() + limit_s

    def limited(x: Array) -> Array:
        if time.perf_counter() > end:
            raise _OutOfTime
        nonlocal best
        full = x.copy()
        full[held] = x0_first
        e = residuals(full)
        cost = float(np.sum(np.sqrt(1 + e**2) - 1))
        if cost < best[0]:
            best = (cost, full)
        return e

    finished = True
    try:
        least_squares(limited, x0, jac_sparsity=pattern, x_scale="jac", loss="soft_l1", tr_solver="lsmr")
    except _OutOfTime:
        finished = False
    lenses = best[1][: views * PER_CAMERA].reshape(views, PER_CAMERA)
    vectors = best[1][views * PER_CAMERA :].reshape(poses, 6)
    return _unpack(cameras, lenses), _matrices(vectors), finished


def _vectors(T: Array) -> Array:
    return np.concatenate([Rotation.from_matrix(T[..., :3, :3]).as_rotvec(), T[..., :3, 3]], axis=-1)


def _matrices(vectors: Array) -> Array:
    return rigid(Rotation.from_rotvec(vectors[..., :3]).as_matrix(), vectors[..., 3:])


def _pack(cameras: list[Camera]) -> Array:
    lenses = [[*np.diag(camera.K)[:2], *camera.K[:2, 2], *camera.distortion] for camera in cameras]
    return np.concatenate(
        [lenses, _vectors(np.stack([camera.T_camera_world for camera in cameras]))], axis=-1
    )


def _unpack(cameras: list[Camera], values: Array) -> list[Camera]:
    made = []
    for camera, (fx, fy, cx, cy, *rest) in zip(cameras, values, strict=True):
        K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        T = _matrices(np.array(rest[5:]))
        made.append(Camera(camera.name, camera.image_size, K, np.array(rest[:5]), T))
    return made


def judge(scene: BoardScene, cameras: list[Camera], boards: Array, seconds: float, finished: bool) -> Figures:
    """A result against the truth, both as the first camera sees it."""
    seen = scene.sightings
    T = boards[seen.moment]
    world = np.einsum("nij,nj->ni", T[:, :3, :3], seen.object_points) + T[:, :3, 3]
    e = np.full((len(seen), 2), np.nan)
    for number, camera in enumerate(cameras):
        rows = seen.camera == number
        e[rows] = seen.pixels[rows] - camera.project(world[rows])
    focal, turn, apart = [], [], []
    for made, true in zip(cameras, scene.rig, strict=True):
        focal.append(np.abs(np.diag(made.K)[:2] / np.diag(true.K)[:2] - 1).max())
        T_made = made.T_camera_world @ np.linalg.inv(cameras[0].T_camera_world)
        T_true = true.T_camera_world @ np.linalg.inv(scene.rig[0].T_camera_world)
        difference = T_made @ np.linalg.inv(T_true)
        turn.append(Rotation.from_matrix(difference[:3, :3]).magnitude())
        centres = (np.linalg.inv(pose)[:3, 3] for pose in (T_made, T_true))
        apart.append(np.linalg.norm(np.subtract(*centres)))
    rms_px = float(np.sqrt(np.nanmean(e[~scene.outlier] ** 2)))
    return Figures(
        seconds,
        rms_px,
        100 * float(max(focal)),
        float(np.rad2deg(max(turn))),
        1000 * float(max(apart)),
        len(seen),
        float(finished),
    )


def run_side(side: str, cameras: int, moments: int, limit_s: float, out: Path) -> None:
    scene = make_board_scene(parse_board(BOARD), cameras, moments, noise_px=NOISE_PX, outliers=OUTLIERS)
    solvers: dict[str, Callable[[BoardScene, float], tuple[list[Camera], Array, bool]]]
    solvers = {"scipy": scipy, "ours": ours}
    begin = time.perf_counter()
    found, boards, finished = solvers[side](scene, limit_s)
    seconds = time.perf_counter() - begin
    out.write_text(json.dumps(judge(scene, found, boards, seconds, finished).__dict__))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cameras", type=int, default=16)
    parser.add_argument("--moments", type=int, default=500)
    parser.add_argument("--limit", type=float, default=300.0, help="seconds granted to scipy [%(default)s]")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        run_side(options.side, options.cameras, options.moments, options.limit, options.out)
        return
    use_two_cores()
    figures, memory = [], []
    with tempfile.TemporaryDirectory() as folder:
        for side in SIDES:
            out = Path(folder) / f"{side}.json"
            command = [sys.executable, __file__, "--side", side, "--out", str(out)]
            command += ["--cameras", str(options.cameras), "--moments", str(options.moments)]
            memory.append(run_child([*command, "--limit", str(options.limit)]).peak_mb)
            figures.append(Figures(**json.loads(out.read_text())))
    title = f"{options.cameras} cameras, {options.moments} boards, {figures[0].corners} corners"
    card = Scorecard(title, SIDES)
    card.add("seconds", *(f.seconds for f in figures), at_most=SECONDS, digits=1)
    card.add("peak memory, MB", *memory, at_most=MEMORY_MB, digits=0)
    card.add("came to rest", *("yes" if f.finished else "stopped" for f in figures))
    card.add("RMS per axis, px", *(f.rms_px for f in figures), digits=3)
    card.add("worst focal length, %", *(f.focal_percent for f in figures), digits=3)
    card.add("worst rotation, °", *(f.rotation_deg for f in figures), digits=4)
    card.add("worst centre, mm", *(f.centre_mm for f in figures), digits=3)
    card.finish()


if __name__ == "__main__":
    main()
