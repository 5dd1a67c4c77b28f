"""Boards in pictures whose corners are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from board_pictures import SIZE, errors, photograph

from handloom.calibration.boards import parse_board

BOARDS = (
    "chessboard:9x6:25mm",
    "chessboard:6x9:25mm",
    "charuco:5x7:40mm",
    "charuco:4x6:40mm:legacy",
    "charuco:4x5:54mm:inverted",
    "aprilgrid:4x3:40mm",
)


@pytest.mark.parametrize("spec", BOARDS)
@pytest.mark.parametrize("turn", [0.1, 1.7, 3.2, 4.8])
def test_all_corners_are_found_whichever_way_up_the_board_is(spec: str, turn: float) -> None:
    board = parse_board(spec)
    picture, truth = photograph(board, turn=turn)
    corners = board.find(picture)
    assert len(corners) == len(truth)
    assert errors(corners, truth).max() < 0.1


def test_lone_markers_are_found_to_a_fraction_of_a_pixel() -> None:
    board = parse_board("aruco:4x5:40mm")
    picture, truth = photograph(board)
    corners = board.find(picture)
    assert len(corners) == len(truth)
    assert np.sqrt(np.mean(errors(corners, truth) ** 2)) < 0.1


def test_half_turn_of_a_board_that_looks_the_same_is_declared() -> None:
    board = parse_board("chessboard:7x5:25mm")
    assert board.half_turn is not None
    for turn in (0.1, 3.2):
        picture, truth = photograph(board, turn=turn)
        corners = board.find(picture)
        turned = truth[board.half_turn]
        assert min(errors(corners, truth).max(), errors(corners, turned).max()) < 0.1


def test_colour_decides_among_quarter_turns_of_a_square_board() -> None:
    board = parse_board("chessboard:5x5:25mm")
    assert board.half_turn is not None
    picture, truth = photograph(board, turn=1.7)
    corners = board.find(picture)
    assert min(errors(corners, truth).max(), errors(corners, truth[board.half_turn]).max()) < 0.1


def test_colours_rule_out_a_half_turn() -> None:
    assert parse_board("chessboard:9x6:25mm").half_turn is None


@pytest.mark.parametrize("spec", ["charuco:5x7:40mm", "aruco:4x5:40mm", "aprilgrid:4x3:40mm"])
def test_partial_view_gives_the_corners_that_are_seen(spec: str) -> None:
    board = parse_board(spec)
    picture, truth = photograph(board, share=1.0, shift=(400.0, 0.0))
    corners = board.find(picture)
    inside = ((truth > 12) & (truth < np.array(SIZE) - 12)).all(axis=-1).sum()
    assert 0.6 * inside < len(corners) < len(truth)
    assert errors(corners, truth).max() < 0.3


def test_hidden_corners_are_left_out() -> None:
    board = parse_board("charuco:5x7:40mm")
    picture, truth = photograph(board)
    hidden = truth.mean(axis=0).round().astype(int)
    cv2.circle(picture, hidden.tolist(), 80, 90, -1)
    corners = board.find(picture)
    near = np.linalg.norm(truth - hidden, axis=-1) < 75
    assert not np.isin(np.flatnonzero(near), corners.ids).any()
    assert len(corners) >= 0.6 * (~near).sum()
    assert errors(corners, truth).max() < 0.3


def test_low_contrast_is_no_obstacle() -> None:
    board = parse_board("charuco:5x7:40mm")
    picture, truth = photograph(board, contrast=0.12, noise=0.5)
    corners = board.find(picture)
    assert len(corners) == len(truth)
    assert errors(corners, truth).max() < 0.2


@pytest.mark.parametrize("spec", ["charuco:5x7:40mm", "charuco:4x5:54mm:inverted", "aruco:4x5:40mm"])
def test_mirrored_picture_is_not_taken_for_the_board(spec: str) -> None:
    board = parse_board(spec)
    picture, _ = photograph(board)
    assert len(board.find(np.ascontiguousarray(picture[:, ::-1]))) == 0


def test_back_of_a_two_sided_board_has_the_same_corners() -> None:
    board = parse_board("charuco:5x7:40mm:two-sided")
    picture, truth = photograph(board)
    corners = board.find(np.ascontiguousarray(picture[:, ::-1]))
    assert len(corners) == len(truth)
    truth[:, 0] = SIZE[0] - 1 - truth[:, 0]
    assert errors(corners, truth).max() < 0.1


@pytest.mark.parametrize("spec", BOARDS)
def test_nothing_is_found_in_noise(spec: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (480, 640), dtype=np.uint8)
    assert len(parse_board(spec).find(noise)) == 0


@pytest.mark.parametrize("asked", ["chessboard:8x6:25mm", "chessboard:9x5:25mm", "chessboard:5x4:25mm"])
def test_part_of_a_larger_chessboard_is_not_taken_for_the_board(asked: str) -> None:
    picture, _ = photograph(parse_board("chessboard:9x6:25mm"))
    assert len(parse_board(asked).find(picture)) == 0


@pytest.mark.parametrize("blur_px", [0.7, 1.5, 2.5])
@pytest.mark.parametrize("spec", ["chessboard:9x6:25mm", "charuco:5x7:40mm"])
def test_blur_is_measured(spec: str, blur_px: float) -> None:
    board = parse_board(spec)
    picture, _ = photograph(board, blur_px=blur_px, share=1.1, tilt=0.1)
    assert board.find(picture).blur_px == pytest.approx(blur_px, rel=0.2)


def test_movement_counts_as_blur() -> None:
    board = parse_board("chessboard:9x6:25mm")
    picture, _ = photograph(board, blur_px=0.5, turn=0.0, share=1.1)
    length = 9
    moved = cv2.filter2D(picture, -1, np.full((1, length), 1 / length))
    assert board.find(picture).blur_px < 1.0
    assert board.find(moved).blur_px == pytest.approx(length / np.sqrt(12), rel=0.35)


def test_colour_and_grey_pictures_give_the_same() -> None:
    board = parse_board("charuco:5x7:40mm")
    picture, _ = photograph(board)
    colour = np.repeat(picture[..., None], 3, axis=-1)
    np.testing.assert_array_equal(board.find(picture).pixels, board.find(colour).pixels)
