"""Texts that describe boards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handloom.calibration.boards import Charuco, Chessboard, parse_board
from handloom.errors import CalibrationError


def test_chessboard() -> None:
    assert parse_board("chessboard:9x6:25mm") == Chessboard(9, 6, 0.025)


def test_defaults_of_charuco_are_said_in_its_spec() -> None:
    board = parse_board("charuco:4x5:54mm")
    assert board == Charuco(4, 5, 0.054, 0.0405, "4X4_50")
    assert board.spec == "charuco:4x5:54mm:marker=40.5mm:dict=4X4_50"


def test_dictionary_grows_with_the_board() -> None:
    assert "dict=4X4_100" in parse_board("charuco:12x9:20mm").spec
    assert "dict=4X4_1000" in parse_board("aruco:20x20:20mm").spec


@pytest.mark.parametrize("text", ["25mm", "2.5cm", "0.025m", "2.5 CM"])
def test_units(text: str) -> None:
    assert parse_board(f"chessboard:9x6:{text}").square_m == 0.025


def test_inch() -> None:
    assert parse_board("chessboard:9x6:1inch").square_m == 0.0254


@given(
    st.sampled_from(["chessboard", "charuco", "aruco", "aprilgrid"]),
    st.integers(3, 20),
    st.integers(3, 20),
    st.floats(1.0, 900.0),
    st.sampled_from(["", ":two-sided", ":legacy", ":inverted", ":legacy:inverted"]),
)
def test_spec_gives_an_equal_board(kind: str, columns: int, rows: int, mm: float, options: str) -> None:
    board = parse_board(f"{kind}:{columns}x{rows}:{mm:.7f}mm{options if kind == 'charuco' else ''}")
    assert parse_board(board.spec) == board
    assert parse_board(board.spec).spec == board.spec


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("checkers:9x6:25mm", "chessboard:9x6:25mm"),
        ("chessboard:9x6", "lacks"),
        ("chessboard:9x6:25", "unit"),
        ("chessboard:9x6:0mm", "none"),
        ("chessboard:9:25mm", "9x6"),
        ("chessboard:2x6:25mm", "too small"),
        ("chessboard:9x6:25mm:legacy", "legacy"),
        ("charuco:5x7:40mm:marker=45mm", "does not fit"),
        ("charuco:5x7:40mm:dict=9X9_50", "4X4_50"),
        ("charuco:12x12:40mm:dict=4X4_50", "72 markers"),
        ("charuco:5x7:40mm:legacy=yes", "alone"),
        ("aprilgrid:30x30:10mm", "587"),
        ("aruco:1x1:40mm", "too small"),
        ("", "chessboard:9x6:25mm"),
    ],
)
def test_wrong_text_says_what_is_expected(spec: str, said: str) -> None:
    with pytest.raises(CalibrationError, match=said):
        parse_board(spec)


def test_points_begin_at_the_origin_and_lie_a_square_apart() -> None:
    for spec in ("chessboard:9x6:25mm", "charuco:4x5:25mm"):
        board = parse_board(spec)
        assert (board.points[0] == 0).all()
        assert board.points[1].tolist() == [0.025, 0, 0]
        assert (board.points[:, 1] >= 0).all()
        assert len(board.pairs) > len(board.points)
