"""Sightings as the stored links of a rig describe them, where the recordings themselves are not kept."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.calibration.boards import Board, parse_board
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera
from handloom.hand.kinematics import rigid

Array = NDArray[np.float64]
Rows = list[tuple[int, int, int, float, float]]

MOMENTS = 20
NOISE_PX = 0.5


@dataclass(frozen=True, eq=False)
class StoredLinks:
    """Lenses and what cameras with those lenses see of a board that only certain pairs see together.

    Attributes:
        lenses: the cameras, all at the origin.
        sightings: every camera sees the board alone, the stored pairs also together.
    """

    lenses: tuple[Camera, ...]
    sightings: Sightings


def stored_pairs(folder: Path) -> StoredLinks:
    """Read the session's ``*.toml``, and put a board before every camera and every stored pair."""
    cameras = tomllib.loads((folder / "camera_array.toml").read_text())["cameras"].values()
    lenses = tuple(
        Camera(
            f"cam_{camera['cam_id']}",
            tuple(camera["size"]),
            np.array(camera["matrix"]),
            np.array(camera["distortions"]),
            np.eye(4),
        )
        for camera in cameras
    )
    values = tomllib.loads((folder / "charuco.toml").read_text())
    size_mm = 10 * values["square_size_override_cm"]
    markers = values["dictionary"].removeprefix("DICT_")
    board = parse_board(f"charuco:{values['columns']}x{values['rows']}:{size_mm:g}mm:dict={markers}:inverted")
    rng = np.random.default_rng(0)
    rows: Rows = []
    moment = 0
    for number, camera in enumerate(lenses):
        for _ in range(MOMENTS):
            rows += _see(board, [(number, camera)], moment, rng)
            moment += 1
    names = [camera.name for camera in lenses]
    for pair, link in tomllib.loads((folder / "stereo_pairs.toml").read_text()).items():
        first, second = (names.index(f"cam_{number}") for number in pair.split("_")[1:])
        R = cv2.Rodrigues(np.array(link["rotation"]))[0]
        far = lenses[second]
        T = rigid(R, np.ravel(link["translation"]))
        placed = Camera(far.name, far.image_size, far.K, far.distortion, T)
        for _ in range(MOMENTS):
            rows += _see(board, [(first, lenses[first]), (second, placed)], moment, rng)
            moment += 1
    camera_, moment_, corner, x, y = map(np.array, zip(*rows, strict=True))
    sizes = np.array([camera.image_size for camera in lenses])
    times = np.full(moment, np.nan)
    seen = Sightings.build(board, tuple(names), sizes, times, camera_, moment_, corner, np.stack([x, y], -1))
    return StoredLinks(lenses, seen)


def _see(board: Board, cameras: list[tuple[int, Camera]], moment: int, rng: np.random.Generator) -> Rows:
    """Rows of a board at a random place that is wholly inside the pictures of all these cameras."""
    near = 4.0 * board.square_m * cameras[0][1].K[0, 0] / 400.0
    for _ in range(100_000):
        camera = cameras[0][1]
        assert camera.image_size is not None
        pixel = rng.uniform(0.1, 0.9, 2) * np.array(camera.image_size)
        middle = camera.unproject(pixel, np.array(near * rng.uniform(0.3, 6.0)))
        toward = middle - np.mean([camera.center for _, camera in cameras], axis=0)
        z = toward / np.linalg.norm(toward)
        x = np.cross([0.0, 1.0, 0.0], z)
        x /= np.linalg.norm(x)
        tilt = cv2.Rodrigues(rng.normal(0.0, 0.35, 3))[0]
        R = np.stack([x, np.cross(z, x), z], axis=-1) @ tilt
        world = (board.points - board.points.mean(axis=0)) @ R.T + middle
        views = [(number, camera, camera.project(world)) for number, camera in cameras]
        if all(_inside(camera, pixels) for _, camera, pixels in views):
            return [
                (number, moment, corner, *(pixel + rng.normal(0.0, NOISE_PX, 2)))
                for number, _, pixels in views
                for corner, pixel in enumerate(pixels)
            ]
    raise SystemExit(f"No board fits into the pictures of {', '.join(camera.name for _, camera in cameras)}.")


def _inside(camera: Camera, pixels: Array) -> bool:
    return bool(((pixels > 5) & (pixels < np.array(camera.image_size) - 5)).all())
