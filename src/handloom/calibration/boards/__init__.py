"""Calibration targets: what they are, how they are found, how they are printed."""

from handloom.calibration.boards.board import Board, Corners
from handloom.calibration.boards.charuco import Charuco
from handloom.calibration.boards.chessboard import Chessboard
from handloom.calibration.boards.markers import AprilGrid, ArucoGrid
from handloom.calibration.boards.parsing import parse_board

__all__ = ["AprilGrid", "ArucoGrid", "Board", "Charuco", "Chessboard", "Corners", "parse_board"]
