"""Recordings of a board with something wrong in them, made on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation, Slerp

from handloom.calibration.boards.board import Board
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera, CameraRig
from handloom.hand.kinematics import rigid
from handloom.synthesis.board_scene import BoardScene, see_board

Array = NDArray[np.float64]


FAULTS: Mapping[str, Callable[[BoardScene], BoardScene]] = {
    "unlinked-camera": lambda scene: unlinked(scene, 2),
    "separate-groups": lambda scene: separated(scene, [[0, 1], [2, 3]]),
    "mirrored-video": lambda scene: mirrored(scene, 1),
    "no-tilt": lambda scene: parallel_pair(scene.sightings.board, 60, 0.2, tilt=False),
    "narrow-baseline": lambda scene: parallel_pair(scene.sightings.board, 60, 0.03, tilt=True),
    "centre-only": lambda scene: in_the_centre(scene),
    "too-few-views": lambda scene: seen_seldom(scene, 2, 2),
    "nothing-found": lambda scene: seen_seldom(scene, 2, 0),
    "unsynchronised": lambda scene: late(scene, 2, 1.0),
    "dropped-frames": lambda scene: dropped(scene, 1, len(scene.T_world_board) // 2, 2),
    "moved-camera": lambda scene: moved(scene, 1, len(scene.T_world_board) // 2, 1.0, 0.01),
    "motion-blur": lambda scene: blurred(scene, 1, 0.02),
    "rolling-shutter": lambda scene: rolling(scene, 1, 0.025),
    "bent-board": lambda scene: bent(scene, 0.004),
    "wrong-square": lambda scene: stretched(scene, 1.02),
    "large-residual": lambda scene: noisy(scene, 2, 2.0),
}
"""The fault that brings about a finding, by its name; for scenes of four cameras and a chessboard."""


def at_times(T_world_board: Array, moments: ArrayLike) -> Array:
    """(M, 4, 4) poses of the board between moments, by even motion; the ends are held.

    Args:
        T_world_board: (T, 4, 4) poses at moments 0, 1, ….
        moments: (M,) numbers, which need not be whole.
    """
    count = len(T_world_board)
    wanted = np.clip(np.asarray(moments, dtype=np.float64), 0, count - 1)
    turns = Slerp(np.arange(count), Rotation.from_matrix(T_world_board[:, :3, :3]))(wanted)
    places = [np.interp(wanted, np.arange(count), column) for column in T_world_board[:, :3, 3].T]
    return rigid(turns.as_matrix(), np.stack(places, axis=-1))


def late(scene: BoardScene, camera: int, frames: float | ArrayLike) -> BoardScene:
    """A camera whose pictures show an earlier moment than their time says.

    Args:
        scene: a recording.
        camera: number of the camera.
        frames: by how many pictures, one number or one a moment: (T,).
    """
    count = len(scene.T_world_board)
    poses = at_times(scene.T_world_board, np.arange(count) - np.asarray(frames))
    return _seen_anew(scene, camera, poses)


def dropped(scene: BoardScene, camera: int, moment: int, frames: int) -> BoardScene:
    """A camera that lost pictures at a moment without a gap in its times."""
    after = np.arange(len(scene.T_world_board)) >= moment
    return late(scene, camera, np.where(after, -frames, 0))


def moved(scene: BoardScene, camera: int, moment: int, degrees: float, metres: float) -> BoardScene:
    """A camera that was pushed at a moment: turned about its vertical axis and shifted to its side."""
    turn = Rotation.from_rotvec([0.0, np.deg2rad(degrees), 0.0]).as_matrix()
    own = scene.rig[camera]
    pushed = replace(own, T_camera_world=rigid(turn, [metres, 0.0, 0.0]) @ own.T_camera_world)
    before = scene.sightings.where((scene.sightings.camera != camera) | (scene.sightings.moment < moment))
    after = _seen_anew(scene, camera, scene.T_world_board, pushed).sightings
    after = after.where((after.camera == camera) & (after.moment >= moment))
    return replace(scene, sightings=_joined(before, after), outlier=np.zeros(0, dtype=bool))


def mirrored(scene: BoardScene, camera: int) -> BoardScene:
    """A camera whose pictures are flipped; its chessboard is numbered as if they were not."""
    sightings = scene.sightings
    own = sightings.camera == camera
    pixels, corner = sightings.pixels.copy(), sightings.corner.copy()
    pixels[own, 0] = sightings.image_sizes[camera, 0] - 1 - pixels[own, 0]
    points = sightings.board.points
    columns = len(np.unique(np.round(points[:, 0], 9)))
    corner[own] += columns - 1 - 2 * (corner[own] % columns)
    s = sightings
    flipped = Sightings.build(
        s.board, s.cameras, s.image_sizes, s.times_s, s.camera, s.moment, corner, pixels
    )
    return replace(scene, sightings=flipped, outlier=np.zeros(0, dtype=bool))


def unlinked(scene: BoardScene, camera: int) -> BoardScene:
    """A camera that sees the board only while no other does."""
    return separated(scene, [[c for c in range(len(scene.rig)) if c != camera], [camera]])


def separated(scene: BoardScene, groups: Sequence[Sequence[int]]) -> BoardScene:
    """Groups of cameras to which the board is shown one after the other."""
    sightings = scene.sightings
    group_of = np.zeros(len(scene.rig), dtype=np.int64)
    for number, group in enumerate(groups):
        group_of[list(group)] = number
    turn = sightings.moment // 10 % len(groups)
    return _only(scene, group_of[sightings.camera] == turn)


def seen_seldom(scene: BoardScene, camera: int, views: int) -> BoardScene:
    """A camera that has the board in a few pictures only, or in none."""
    sightings = scene.sightings
    moments = np.unique(sightings.moment[sightings.camera == camera])
    kept = moments[np.linspace(0, len(moments) - 1, views).round().astype(int)]
    return _only(scene, (sightings.camera != camera) | np.isin(sightings.moment, kept))


def noisy(scene: BoardScene, camera: int, noise_px: float, seed: int = 0) -> BoardScene:
    """A camera whose corners are poor."""
    sightings = scene.sightings
    rng = np.random.default_rng((seed, 14))
    shift = rng.normal(0.0, noise_px, sightings.pixels.shape) * (sightings.camera == camera)[:, None]
    return replace(scene, sightings=replace(sightings, pixels=sightings.pixels + shift))


def bent(scene: BoardScene, height_m: float) -> BoardScene:
    """A board that bulges towards its middle by so much, like paper that is glued at its edges only."""
    points = scene.sightings.board.points
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    along = (points - middle)[:, 0] / (np.ptp(points[:, 0]) / 2)
    return _reshaped(scene, points + np.stack([0 * along, 0 * along, -height_m * (1 - along**2)], axis=-1))


def stretched(scene: BoardScene, factor: float) -> BoardScene:
    """A board whose squares are wider than high, as printed by a printer that fits to the page."""
    return _reshaped(scene, scene.sightings.board.points * [factor, 1.0, 1.0])


def rolling(scene: BoardScene, camera: int, readout_s: float, fps: float = 30.0) -> BoardScene:
    """A camera that reads its rows one after the other, the middle one on time."""
    speed = _pixel_speed(scene, camera) * fps
    sightings = scene.sightings
    row = sightings.pixels[:, 1] / sightings.image_sizes[camera, 1] - 0.5
    return replace(
        scene,
        sightings=replace(sightings, pixels=sightings.pixels + speed * (readout_s * row)[:, None]),
    )


def blurred(
    scene: BoardScene, camera: int, exposure_s: float, fps: float = 30.0, seed: int = 0
) -> BoardScene:
    """A camera with a long exposure: edges smeared along the motion, corners found anywhere in them."""
    sightings = scene.sightings
    smear = _pixel_speed(scene, camera) * fps * exposure_s
    own = sightings.camera == camera
    where = np.random.default_rng((seed, 15)).uniform(-0.5, 0.5, len(sightings))
    blur = np.where(sightings.counts > 0, 0.7, np.nan)
    length = np.hypot(*smear.T) / np.sqrt(12.0)
    for view in sightings.views_of(camera):
        blur[view.moment, camera] = np.hypot(0.7, np.median(length[view.rows]))
    pixels = sightings.pixels + np.where(own[:, None], smear * where[:, None], 0.0)
    return replace(scene, sightings=replace(sightings, pixels=pixels, blur_px=blur))


def parallel_pair(board: Board, moments: int, baseline_m: float, *, tilt: bool, seed: int = 0) -> BoardScene:
    """Two cameras side by side that look the same way; a board before them, tilted or always parallel.

    Args:
        board: what is shown.
        moments: how many.
        baseline_m: between the cameras.
        tilt: whether the board is ever tilted.
        seed: of the board's way.
    """
    rng = np.random.default_rng((seed, 16))
    K = np.array([[960.0, 0, 639.5], [0, 960.0, 359.5], [0, 0, 1]])
    cameras = tuple(
        Camera(f"cam{i}", (1280, 720), K, np.zeros(5), rigid(np.eye(3), [-i * baseline_m, 0.0, 0.0]))
        for i in range(2)
    )
    knots = max(4, moments // 10)
    at = np.linspace(0, knots - 1, moments)
    place = [np.interp(at, np.arange(knots), rng.uniform(-1, 1, knots)) for _ in range(6)]
    angles = 0.6 * np.stack(place[:3], axis=-1) if tilt else np.zeros((moments, 3))
    angles[:, 2] = 1.5 * place[2]
    R = Rotation.from_rotvec(angles).as_matrix()
    centre = np.stack([0.25 * place[3], 0.12 * place[4], 0.9 + 0.25 * place[5]], axis=-1)
    poses = rigid(R, centre - R @ board.points.mean(axis=0))
    return see_board(CameraRig(cameras), board, poses, seed=seed)


def in_the_centre(scene: BoardScene, metres: float = 0.06, back: float = 1.6) -> BoardScene:
    """The board far away and always in the middle of every picture."""
    boards = scene.T_world_board.copy()
    middle = scene.sightings.board.points.mean(axis=0)
    centre = boards[:, :3, :3] @ middle + boards[:, :3, 3]
    boards[:, :3, 3] += centre * (metres / 0.16 - 1.0)
    cameras = []
    for camera in scene.rig:
        T = camera.T_camera_world.copy()
        T[2, 3] += back
        cameras.append(replace(camera, T_camera_world=T))
    return see_board(CameraRig(tuple(cameras)), scene.sightings.board, boards)


def _seen_anew(scene: BoardScene, camera: int, poses: Array, instead: Camera | None = None) -> BoardScene:
    """The scene with other poses of the board, or another pose of its own, for one of the cameras."""
    board = scene.sightings.board
    own = see_board(CameraRig((instead or scene.rig[camera],)), board, poses, seed=1000 + camera).sightings
    own = replace(own, cameras=scene.sightings.cameras, camera=np.full_like(own.camera, camera))
    others = scene.sightings.where(scene.sightings.camera != camera)
    return replace(scene, sightings=_joined(others, own), outlier=np.zeros(0, dtype=bool))


def _joined(first: Sightings, second: Sightings) -> Sightings:
    columns = (
        np.concatenate([getattr(first, name), getattr(second, name)])
        for name in ("camera", "moment", "corner", "pixels")
    )
    return Sightings.build(first.board, first.cameras, first.image_sizes, first.times_s, *columns)


def _only(scene: BoardScene, rows: NDArray[np.bool_]) -> BoardScene:
    return replace(scene, sightings=scene.sightings.where(rows), outlier=scene.outlier[: len(rows)][rows])


def _reshaped(scene: BoardScene, points: Array) -> BoardScene:
    """The same views of a board that is not as its corners' places say."""
    sightings = scene.sightings
    pixels = sightings.pixels.copy()
    for view in sightings.views:
        camera, T = scene.rig[view.camera], scene.T_world_board[view.moment]
        flat, real = (p[view.ids] @ T[:3, :3].T + T[:3, 3] for p in (sightings.board.points, points))
        pixels[view.rows] += camera.project(real) - camera.project(flat)
    return replace(scene, sightings=replace(sightings, pixels=pixels))


def _pixel_speed(scene: BoardScene, camera: int) -> Array:
    """(N, 2) how far corners move from one moment to the next, pixels; 0 in the other cameras."""
    sightings, boards = scene.sightings, scene.T_world_board
    speed = np.zeros_like(sightings.pixels)
    for view in sightings.views_of(camera):
        ends = [boards[np.clip(view.moment + step, 0, len(boards) - 1)] for step in (-1, 1)]
        points = sightings.board.points[view.ids]
        path = [scene.rig[camera].project(points @ T[:3, :3].T + T[:3, 3]) for T in ends]
        speed[view.rows] = (path[1] - path[0]) / 2.0
    return np.nan_to_num(speed)
