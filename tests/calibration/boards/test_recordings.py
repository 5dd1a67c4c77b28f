"""Boards in real pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.calibration.boards import Board, parse_board
from handloom.video import open_video
from handloom.video.images import read_image


def _rms(board: Board, pictures: list[NDArray[np.uint8]]) -> tuple[int, float]:
    """In how many pictures the board is found, and how well one lens explains all its corners."""
    found = [corners for corners in map(board.find, pictures) if len(corners) >= 6]
    points = [board.points[corners.ids].astype(np.float32) for corners in found]
    pixels = [corners.pixels.astype(np.float32) for corners in found]
    size = pictures[0].shape[1::-1]
    rms, *_ = cv2.calibrateCamera(points, pixels, size, None, None)  # type: ignore[call-overload]
    return len(found), float(rms)


def test_chessboard_is_found_in_every_stereo_pair(data: Path) -> None:
    board = parse_board("chessboard:9x6:25mm")
    for side in ("left", "right"):
        pictures = [read_image(path) for path in sorted((data / "opencv_samples").glob(f"{side}[01]*.jpg"))]
        count, rms = _rms(board, pictures)
        assert count == 13
        assert rms < 0.17


def test_small_boards_in_large_pictures(data: Path) -> None:
    folder = data / "pose2sim/Demo_SinglePerson/calibration/intrinsics/int_cam01_img"
    pictures = [read_image(path) for path in sorted(folder.glob("*.jpg"))]
    count, rms = _rms(parse_board("chessboard:4x7:60mm"), pictures)
    assert count == 7
    assert rms < 0.15


def test_chessboard_in_a_room(data: Path) -> None:
    folder = data / "caliscope/sessions/chessboard_intrinsic"
    board = parse_board("chessboard:9x6:25mm")
    found = [path.name for path in sorted(folder.glob("*.jpg")) if len(board.find(read_image(path)))]
    assert len(found) == 7
    assert "cam_0_frame_000.jpg" not in found  # the board is cut off by the edge of the picture


def test_two_sided_board_is_found_from_behind(data: Path) -> None:
    path = data / "caliscope/sessions/4_cam_recording/calibration/extrinsic/cam_1.mp4"
    board = parse_board("charuco:4x5:54mm:dict=4X4_1000:inverted:two-sided")
    with open_video(path) as video:
        pictures = [frame.image for frame in video.frames()][::4]
    count, rms = _rms(board, pictures)
    assert count == len(pictures)
    assert rms < 0.1
    front = parse_board("charuco:4x5:54mm:dict=4X4_1000:inverted")
    assert all(len(front.find(picture)) == 0 for picture in pictures)
