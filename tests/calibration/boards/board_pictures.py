"""Pictures of boards whose corners are known."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.calibration.boards import Corners
from handloom.calibration.boards.pattern import PrintedBoard

SIZE = (960, 720)
_FINER = 4


def photograph(
    board: PrintedBoard,
    *,
    turn: float = 0.2,
    tilt: float = 0.2,
    share: float = 0.8,
    blur_px: float = 0.7,
    shift: tuple[float, float] = (0.0, 0.0),
    contrast: float = 0.7,
    noise: float = 1.0,
    seed: int = 0,
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A grey picture of a board seen in perspective, and (P, 2) where its points lie."""
    px_per_m = 60.0 / board.square_m
    margin = board.square_m
    print_ = board.draw(px_per_m, margin)
    height, width = print_.shape
    scale = share * min(SIZE) / np.hypot(width, height)
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    to_middle = np.array([[1.0, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    look = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [tilt / width, 0.5 * tilt / height, 1.0]])
    place = np.array([[1.0, 0, SIZE[0] / 2 + shift[0]], [0, 1, SIZE[1] / 2 + shift[1]], [0, 0, 1]])
    H = place @ look @ to_middle
    offset = (_FINER - 1) / 2
    finer = np.array([[_FINER, 0, offset], [0, _FINER, offset], [0, 0, 1]])
    large = (SIZE[0] * _FINER, SIZE[1] * _FINER)
    picture = cv2.warpPerspective(print_, finer @ H, large, borderValue=int(print_[0, 0]))
    grey = cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA).astype(np.float64)
    if blur_px:
        grey = cv2.GaussianBlur(grey, (0, 0), blur_px)
    noisy = contrast * grey + 30 + np.random.default_rng(seed).normal(0, noise, grey.shape)
    flat = (board.points[:, :2] + board.pattern.origin + margin) * px_per_m - 0.5
    seen = np.pad(flat, ((0, 0), (0, 1)), constant_values=1.0) @ H.T
    return np.clip(noisy, 0, 255).astype(np.uint8), seen[:, :2] / seen[:, 2:]


def errors(corners: Corners, truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) distances of corners from where they are, pixels."""
    return np.linalg.norm(corners.pixels - truth[corners.ids], axis=-1)
