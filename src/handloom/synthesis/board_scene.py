"""A board waved before cameras: corner sightings whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from handloom.calibration.boards.board import Board
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera, CameraRig
from handloom.hand.kinematics import rigid

Array = NDArray[np.float64]

_LENSES = (
    (0.0, 0.0, 0.0, 0.0, 0.0),
    (-0.28, 0.09, 0.0008, -0.0006, -0.01),
    (0.11, -0.16, -0.0007, 0.0009, 0.05),
)
_STEEPEST = np.cos(np.deg2rad(70.0))  # the board is not found at flatter angles


@dataclass(frozen=True, eq=False)
class BoardScene:
    """Cameras, the poses of a board, and what the cameras see of it.

    Attributes:
        rig: the true cameras, in metres; the world is the scene's, not a camera's.
        T_world_board: (T, 4, 4) true poses.
        sightings: noisy corners.
        outlier: (N,) rows that were grossly displaced.
    """

    rig: CameraRig
    T_world_board: Array
    sightings: Sightings
    outlier: NDArray[np.bool_]


def board_rig(count: int, seed: int = 0, image_size: tuple[int, int] = (1280, 720)) -> CameraRig:
    """Cameras that look at the origin from an arc of up to a full circle, with various lenses.

    Args:
        count: number of cameras.
        seed: of heights, distances and focal lengths.
        image_size: (width, height) in pixels.
    """
    rng = np.random.default_rng((seed, count, 11))
    width, height = image_size
    spacing = np.deg2rad(min(40.0, 360.0 / max(count, 1)))
    cameras = []
    for i in range(count):
        azimuth, elevation = i * spacing, rng.uniform(0.05, 0.45)
        eye = rng.uniform(1.1, 1.5) * np.array(
            [np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)]
        )
        forward = -eye / np.linalg.norm(eye)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        R = np.stack([right, np.cross(forward, right), forward])
        focal = rng.uniform(0.65, 0.85) * width
        centre = np.array([(width - 1) / 2, (height - 1) / 2]) + rng.normal(0, 8.0, 2)
        K = np.array([[focal, 0, centre[0]], [0, focal * rng.uniform(0.998, 1.002), centre[1]], [0, 0, 1]])
        lens = np.array(_LENSES[i % len(_LENSES)])
        cameras.append(Camera(f"cam{i}", image_size, K, lens, rigid(R, -R @ eye)))
    return CameraRig(tuple(cameras), up=np.array([0.0, 0.0, 1.0]))


def wave_board(rig: CameraRig, board: Board, moments: int, seed: int = 0, fps: float = 30.0) -> Array:
    """(T, 4, 4) poses of a board carried smoothly through the volume the cameras look at.

    It turns to one camera after the other and is tilted on the way by up to 45°.
    """
    rng = np.random.default_rng((seed, moments, 12))
    knots = max(4, int(np.ceil(moments / fps)) + 3)
    sigma = moments / knots / 2

    def wander(scale: float, columns: int) -> Array:
        walk = gaussian_filter1d(rng.normal(size=(moments, columns)), sigma, axis=0, mode="reflect")
        return scale * walk / walk.std(axis=0)

    faced = np.linspace(0.0, len(rig), moments, endpoint=False)
    eyes = rig.centers
    whole = faced.astype(int)
    mix = (faced - whole)[:, None]
    toward = (1 - mix) * eyes[whole % len(rig)] + mix * eyes[(whole + 1) % len(rig)]
    origin = wander(0.16, 3)
    forward = origin - toward  # z of the board points away from who looks at it
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    facing = np.stack([right, np.cross(forward, right), forward], axis=-1)
    tilt = Rotation.from_rotvec(np.clip(wander(0.35, 3), -0.8, 0.8)).as_matrix()
    R = facing @ tilt
    middle = board.points.mean(axis=0)
    return rigid(R, origin - R @ middle)


def see_board(
    rig: CameraRig,
    board: Board,
    T_world_board: Array,
    *,
    noise_px: float = 0.2,
    outliers: float = 0.0,
    seed: int = 0,
    fps: float = 30.0,
) -> BoardScene:
    """What the cameras of a rig see of a board.

    Args:
        rig: the cameras.
        board: what is shown.
        T_world_board: (T, 4, 4) its poses.
        noise_px: standard deviation of a corner's position, per axis.
        outliers: share of the corners displaced by 10 to 60 pixels.
        seed: of noise and outliers.
        fps: moments a second.
    """
    rng = np.random.default_rng((seed, 13))
    rows: list[tuple[NDArray[np.generic], ...]] = []
    points = board.points
    for moment, T in enumerate(T_world_board):
        world = points @ T[:3, :3].T + T[:3, 3]
        for number, camera in enumerate(rig):
            line = world.mean(axis=0) - camera.center
            if T[:3, 2] @ line / np.linalg.norm(line) < _STEEPEST:
                continue
            pixels = camera.project(world)
            assert camera.image_size is not None
            inside = ((pixels > 2) & (pixels < np.array(camera.image_size) - 3)).all(axis=-1)
            if inside.sum() < 6:
                continue
            seen = np.flatnonzero(inside)
            ones = np.ones(len(seen), dtype=np.int32)
            rows.append((number * ones, moment * ones, seen, pixels[seen]))
    camera_, moment_, corner_, pixels_ = (np.concatenate(column) for column in zip(*rows, strict=True))
    pixels_ = pixels_ + rng.normal(0.0, noise_px, pixels_.shape)
    wrong = rng.random(len(pixels_)) < outliers
    angle = rng.uniform(0, 2 * np.pi, len(pixels_))
    reach = np.where(wrong, rng.uniform(10, 60, len(pixels_)), 0.0)
    pixels_ += reach[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    sightings = Sightings.build(
        board,
        rig.names,
        np.array([camera.image_size for camera in rig]),
        np.arange(len(T_world_board)) / fps,
        camera_,
        moment_,
        corner_,
        pixels_,
    )
    order = np.lexsort((corner_, camera_, moment_))  # the rig's names are in natural order already
    return BoardScene(rig, T_world_board, sightings, wrong[order])


def make_board_scene(
    board: Board,
    cameras: int = 4,
    moments: int = 120,
    *,
    noise_px: float = 0.2,
    outliers: float = 0.0,
    seed: int = 0,
    fps: float = 30.0,
) -> BoardScene:
    """A rig, a board waved before it, and the sightings; see the functions above for the arguments."""
    rig = board_rig(cameras, seed)
    poses = wave_board(rig, board, moments, seed, fps)
    return see_board(rig, board, poses, noise_px=noise_px, outliers=outliers, seed=seed, fps=fps)
