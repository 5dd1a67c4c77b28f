"""Films a board that is waved before cameras: pictures whose calibration is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline
from scipy.spatial.transform import Rotation

from handloom.calibration.boards.pattern import PrintedBoard
from handloom.cameras import Camera
from handloom.hand.kinematics import rigid
from handloom.synthesis.board_scene import BoardScene
from handloom.video import VideoWriter

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

_FINER = 2  # rows and columns of a picture that are drawn for each of its own
_SHUTTER_STEPS = 7
_LENS_BLUR_PX = 0.5
_SHEET_PX = 1200  # along the longer side of the board
_BLACK, _WHITE = 30.0, 215.0


class BoardFilm:
    """Draws what one camera sees of a board.

    The board is looked up along the ray of every pixel, lens distortion included, on a grid twice as fine as
    the picture, which is then averaged. The ground is soft patches of light and dark.

    Args:
        camera: with an image size.
        board: what is shown.
        noise: standard deviation of the sensor's noise, of 255.
        seed: of background and noise.
    """

    def __init__(self, camera: Camera, board: PrintedBoard, noise: float = 2.0, seed: int = 0) -> None:
        if camera.image_size is None:
            raise ValueError(f"camera {camera.name} has no image size")
        self._camera = camera
        self._width, self._height = camera.image_size
        self._noise = noise
        self._seed = seed
        self._sheet = _Sheet.of(board)
        self._rays = _rays(camera, _FINER)
        self._ground = _background(self._width, self._height, (seed, 1))

    def picture(self, poses: Sequence[Array], number: int = 0) -> Image:
        """(H, W, 3) RGB picture of the board.

        Args:
            poses: T_world_board (4, 4) at one or more instants while the shutter is open, averaged.
            number: of the picture, which seeds its noise.
        """
        light = self._lit(poses[0])
        for pose in poses[1:]:
            light += self._lit(pose)
        rng = np.random.default_rng((self._seed, number, 2))
        light = light / len(poses) + self._noise * rng.standard_normal(light.shape, dtype=np.float32)
        grey = np.clip(np.rint(light), 0, 255).astype(np.uint8)
        return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), dtype=np.uint8)

    def _lit(self, T_world_board: Array) -> NDArray[np.float32]:
        """(H, W) brightness without noise."""
        picture = self._ground.copy()
        T_camera_board = self._camera.T_camera_world @ T_world_board
        corners = self._sheet.outline @ T_camera_board[:3, :3].T + T_camera_board[:3, 3]
        toward = T_camera_board[:3, 2] @ corners.mean(axis=0)
        if (corners[:, 2] < 0.05).any() or toward <= 0:
            return picture
        left, top, right, bottom = self._window(T_world_board)
        if right - left < 2 or bottom - top < 2:
            return picture
        needed = _FINER * np.abs(self._camera.K[0, 0]) / corners[:, 2].min()
        texture, px_board = self._sheet.level(needed)
        # Where a ray meets the board, in pixels of the sheet, is a homography of the ideal picture.
        H = (px_board @ np.linalg.inv(T_camera_board[:3, [0, 1, 3]])).astype(np.float32)
        rays = self._rays[_FINER * top : _FINER * bottom, _FINER * left : _FINER * right]
        at = rays @ H[:, :2].T + H[:, 2]
        with np.errstate(invalid="ignore", divide="ignore"):
            at = at[..., :2] / at[..., 2:]
        at = np.nan_to_num(at, nan=-1e6)
        # Outside of the sheet there is no coverage.
        seen = cv2.remap(texture, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        seen = cv2.resize(seen, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
        seen = cv2.GaussianBlur(seen, (0, 0), _LENS_BLUR_PX)
        part = picture[top:bottom, left:right]
        part *= 1.0 - seen[..., 1]
        part += seen[..., 0]
        return picture

    def _window(self, T_world_board: Array) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of the part of the picture in which the board lies."""
        outline = self._sheet.outline
        edge = np.linspace(outline, np.roll(outline, -1, axis=0), 20, endpoint=False).reshape(-1, 3)
        pixels = self._camera.project(edge @ T_world_board[:3, :3].T + T_world_board[:3, 3])
        if not np.isfinite(pixels).all():  # where the lens model ends, the border does not tell
            return 0, 0, self._width, self._height
        size = np.array([self._width, self._height])
        low = np.clip(np.floor(pixels.min(axis=0)) - 3, 0, size).astype(int)
        high = np.clip(np.ceil(pixels.max(axis=0)) + 4, 0, size).astype(int)
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def film_board(
    scene: BoardScene,
    folder: str | Path,
    *,
    fps: float = 30.0,
    noise: float = 2.0,
    shutter: float = 0.0,
    quality: int = 12,
    seed: int = 0,
) -> tuple[Path, ...]:
    """Write a video per camera of a scene.

    Args:
        scene: the cameras and the board's poses; where its sightings lie does not matter.
        folder: where ``NAME.mp4`` of every camera goes; made if need be.
        fps: pictures a second.
        noise: standard deviation of the sensor's noise, of 255.
        shutter: part of the time between two pictures during which the shutter is open, for motion blur.
        quality: of the encoder, as for :class:`~handloom.video.VideoWriter`.
        seed: of background and noise.

    Returns:
        The files, in the order of the cameras.
    """
    board = scene.sightings.board
    if not isinstance(board, PrintedBoard):
        raise TypeError(f"the board {board.spec} cannot be drawn")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    exposures = [
        _exposure(scene.T_world_board, moment, shutter) for moment in range(len(scene.T_world_board))
    ]
    paths = []
    for number, camera in enumerate(scene.rig):
        film = BoardFilm(camera, board, noise, seed + number)
        paths.append(folder / f"{camera.name}.mp4")
        with VideoWriter(paths[-1], fps, quality) as writer:
            for moment, exposure in enumerate(exposures):
                writer.write(film.picture(exposure, moment))
    return tuple(paths)


@dataclass(frozen=True, eq=False)
class _Sheet:
    """A printed board as a texture with coverage, and coarser copies of it.

    Attributes:
        levels: (H, W, 2) brightness and coverage, each half as fine as the one before.
        px_per_m: of the first.
        origin_px: (2,) where point 0 lies in the first.
    """

    levels: tuple[NDArray[np.float32], ...]
    px_per_m: float
    origin_px: Array

    @classmethod
    def of(cls, board: PrintedBoard) -> _Sheet:
        px_per_m = _SHEET_PX / float(np.ptp(board.points[:, :2], axis=0).max() + 2 * board.square_m)
        printed = board.draw(px_per_m, board.square_m)
        origin = (np.asarray(board.pattern.origin) + board.square_m) * px_per_m - 0.5
        ink = _BLACK + (_WHITE - _BLACK) / 255.0 * printed.astype(np.float32)
        levels = [np.stack([ink, np.ones_like(ink)], axis=-1)]
        while min(levels[-1].shape[:2]) >= 128:
            height, width = (n // 2 * 2 for n in levels[-1].shape[:2])
            finer = levels[-1][:height, :width]
            levels.append(cv2.resize(finer, (width // 2, height // 2), interpolation=cv2.INTER_AREA))
        return cls(tuple(levels), px_per_m, origin)

    @property
    def outline(self) -> Array:
        """(4, 3) corners of the sheet in the board's frame, metres."""
        height, width = self.levels[0].shape[:2]
        edges = np.array([[0, 0], [width, 0], [width, height], [0, height]]) - 0.5
        return np.pad((edges - self.origin_px) / self.px_per_m, ((0, 0), (0, 1)))

    def level(self, px_per_m: float) -> tuple[NDArray[np.float32], Array]:
        """The coarsest texture with so many pixels to the metre, and (3, 3) from x, y, 1 to its pixels."""
        number = int(np.clip(np.floor(np.log2(self.px_per_m / px_per_m)), 0, len(self.levels) - 1))
        scale = 0.5**number
        x, y = (self.origin_px + 0.5) * scale - 0.5
        metre = self.px_per_m * scale
        return self.levels[number], np.array([[metre, 0, x], [0, metre, y], [0, 0, 1]])


def _rays(camera: Camera, finer: int) -> NDArray[np.float32]:
    """(finer H, finer W, 2) x/z, y/z of the ideal lens; what varies so smoothly is undistorted sparsely."""
    assert camera.image_size is not None
    wanted = [(np.arange(finer * n) + 0.5) / finer - 0.5 for n in camera.image_size]
    nodes = [np.linspace(-1.0, n, max(n // 12, 8)) for n in camera.image_size]
    sparse = camera.undistort(np.stack(np.meshgrid(*nodes), axis=-1))
    if not np.isfinite(sparse).all():  # the lens model ends inside of the picture
        return camera.undistort(np.stack(np.meshgrid(*wanted), axis=-1)).astype(np.float32)
    splines = [RectBivariateSpline(nodes[1], nodes[0], sparse[..., axis]) for axis in (0, 1)]
    return np.stack([spline(wanted[1], wanted[0]).astype(np.float32) for spline in splines], axis=-1)


def _background(width: int, height: int, seed: tuple[int, int]) -> NDArray[np.float32]:
    """(H, W) soft patches of light and dark."""
    rng = np.random.default_rng(seed)
    patches = rng.uniform(60, 190, (9, 16)).astype(np.float32)
    return np.asarray(cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def _exposure(poses: Array, moment: int, shutter: float) -> list[Array]:
    """Poses while the shutter is open around a moment, on the way from the pose before to the one after."""
    if shutter <= 0:
        return [poses[moment]]
    before, after = poses[max(moment - 1, 0)], poses[min(moment + 1, len(poses) - 1)]
    turn = Rotation.from_matrix(after[:3, :3] @ before[:3, :3].T).as_rotvec() / 2
    shift = (after[:3, 3] - before[:3, 3]) / 2
    parts = ((np.arange(_SHUTTER_STEPS) + 0.5) / _SHUTTER_STEPS - 0.5) * shutter
    return [
        rigid(
            Rotation.from_rotvec(part * turn).as_matrix() @ poses[moment][:3, :3],
            poses[moment][:3, 3] + part * shift,
        )
        for part in parts
    ]
