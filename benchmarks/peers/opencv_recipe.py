"""The seed's calibrator: OpenCV's own functions in the order its walk-through gives them.

``findChessboardCorners``, ``cornerSubPix`` in windows of 11×11, ``calibrateCamera`` for each camera,
``stereoCalibrate`` with the lenses held. Every picture in which the board is found takes part; the seed's
user picks them by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.calibration.boards import Chessboard
from handloom.cameras import Camera, CameraRig
from handloom.hand.kinematics import rigid

Array = NDArray[np.float64]

CRITERIA = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 0.001)


def find(picture: Path, board: Chessboard) -> Array | None:
    """(P, 2) corners, all or none."""
    grey = cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE)
    assert grey is not None
    found, corners = cv2.findChessboardCorners(grey, (board.columns, board.rows), None)
    if not found:
        return None
    exact = cv2.cornerSubPix(grey, corners, (11, 11), (-1, -1), CRITERIA)
    return np.asarray(exact, dtype=np.float64).reshape(-1, 2)


def lens(name: str, views: Sequence[Array], board: Chessboard, size: tuple[int, int]) -> Camera:
    """A camera at the origin with the lens that its pictures give."""
    points = [board.points.astype(np.float32)] * len(views)
    pixels = [view.astype(np.float32) for view in views]
    _, K, distortion, _, _ = cv2.calibrateCamera(points, pixels, size, None, None)
    return Camera(name, size, np.asarray(K, np.float64), np.ravel(distortion).astype(np.float64), np.eye(4))


def stereo(
    first: Camera, second: Camera, views: Sequence[tuple[Array, Array]], board: Chessboard
) -> CameraRig:
    """Both cameras, the first at the origin, from pictures in which both found the board."""
    assert first.image_size is not None
    points = [board.points.astype(np.float32)] * len(views)
    left, right = ([pair[side].astype(np.float32) for pair in views] for side in (0, 1))
    _, _, _, _, _, R, t, _, _ = cv2.stereoCalibrate(
        points,
        left,
        right,
        first.K.copy(),
        first.distortion.copy(),
        second.K.copy(),
        second.distortion.copy(),
        first.image_size,
        criteria=CRITERIA,
        flags=cv2.CALIB_FIX_INTRINSIC,
    )
    placed = Camera(second.name, second.image_size, second.K, second.distortion, rigid(R, t.ravel()))
    return CameraRig((first, placed))
