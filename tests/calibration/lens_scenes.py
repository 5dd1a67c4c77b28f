"""A board held before a single camera, its truth known."""

from __future__ import annotations

import numpy as np

from handloom.calibration.boards.board import Board
from handloom.cameras import Camera, CameraRig
from handloom.cameras.camera import LensModel
from handloom.hand.kinematics import rigid, rotation_from_vector
from handloom.synthesis.board_scene import BoardScene, see_board


def camera(
    focal: float, distortion: tuple[float, ...], model: LensModel = "brown-conrady", name: str = "cam"
) -> Camera:
    """A camera of 1280×720 pixels that is a little off the picture's middle."""
    K = np.array([[focal, 0.0, 644.5], [0.0, focal * 1.001, 355.5], [0.0, 0.0, 1.0]])
    return Camera(name, (1280, 720), K, np.array(distortion), np.eye(4), model)


def hold_board(
    lens: Camera,
    board: Board,
    count: int = 50,
    *,
    near_m: float = 0.25,
    far_m: float = 0.9,
    tilt: float = 0.6,
    reach: float = 0.8,
    outliers: float = 0.1,
    seed: int = 0,
) -> BoardScene:
    """What a camera sees of a board held at random places within its view.

    Args:
        lens: the camera, at the origin.
        board: the board.
        count: pictures.
        near_m: least distance.
        far_m: greatest distance.
        tilt: largest turn about each axis, radians; 0 for boards parallel to the picture.
        reach: share of the picture's width and height in which the board's middle is.
        outliers: share of corners that are grossly wrong.
        seed: of everything.
    """
    rng = np.random.default_rng((seed, 21))
    size = np.array(lens.image_size)
    poses = []
    while len(poses) < count:
        ray = lens.undistort(size / 2 + rng.uniform(-0.5, 0.5, 2) * reach * size)
        if not np.isfinite(ray).all():
            continue
        z = np.append(ray, 1.0) / np.linalg.norm(np.append(ray, 1.0))
        place = z * rng.uniform(near_m, far_m)
        R = np.eye(3)
        if tilt:
            x = np.cross([0.0, 1.0, 0.0], z)
            x /= np.linalg.norm(x)
            R = np.stack([x, np.cross(z, x), z], axis=-1) @ rotation_from_vector(rng.uniform(-tilt, tilt, 3))
        poses.append(rigid(R, place - R @ board.points.mean(axis=0)))
    return see_board(CameraRig((lens,)), board, np.array(poses), outliers=outliers, seed=seed)
