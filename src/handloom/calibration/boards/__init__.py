"""Calibration targets: what they are, how they are found, how they are printed."""

from handloom.calibration.boards.board import Board, Corners
from handloom.calibration.boards.charuco import Charuco
from handloom.calibration.boards.chessboard import Chessboard
from handloom.calibration.boards.identify import Alternative, identify, marker_share
from handloom.calibration.boards.markers import AprilGrid, ArucoGrid
from handloom.calibration.boards.parsing import parse_board
from handloom.calibration.boards.printing import write_board

__all__ = [
    "Alternative",
    "AprilGrid",
    "ArucoGrid",
    "Board",
    "Charuco",
    "Chessboard",
    "Corners",
    "identify",
    "marker_share",
    "parse_board",
    "write_board",
]
