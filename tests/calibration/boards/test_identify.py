"""What is there in place of the board."""

from __future__ import annotations

import numpy as np
import pytest
from board_pictures import photograph

from handloom.calibration.boards import Charuco, parse_board
from handloom.calibration.boards.identify import identify, marker_share


@pytest.mark.parametrize(
    ("shown", "asked", "kind", "spec"),
    [
        ("charuco:5x7:40mm:inverted", "charuco:5x7:40mm", "inverted", "charuco:5x7:40mm:inverted"),
        ("charuco:4x6:40mm", "charuco:4x6:40mm:legacy", "legacy", "charuco:4x6:40mm"),
        ("charuco:6x8:40mm", "charuco:5x7:40mm", "other-size", "charuco:6x8:40mm"),
        ("charuco:5x7:40mm:dict=6X6_50", "charuco:5x7:40mm", "other-dictionary", None),
        ("chessboard:9x6:25mm", "chessboard:8x6:25mm", "other-size", "chessboard:9x6:25mm"),
    ],
)
def test_other_board_is_named(shown: str, asked: str, kind: str, spec: str | None) -> None:
    picture, _ = photograph(parse_board(shown))
    expected = parse_board(asked)
    assert len(expected.find(picture)) == 0
    first = identify(picture, expected)[0]
    assert first.kind == kind
    assert parse_board(first.spec) == parse_board(spec or shown)


def test_mirrored_picture_is_named() -> None:
    board = parse_board("charuco:5x7:40mm")
    picture, truth = photograph(board)
    first = identify(np.ascontiguousarray(picture[:, ::-1]), board)[0]
    assert (first.kind, first.count) == ("mirrored", len(truth))


@pytest.mark.parametrize("share", [0.6, 0.75, 0.8])
def test_share_of_the_marker_is_measured_whatever_was_stated(share: float) -> None:
    picture, _ = photograph(parse_board(f"charuco:5x7:40mm:marker={40 * share:g}mm"))
    stated = parse_board("charuco:5x7:40mm")
    assert isinstance(stated, Charuco)
    assert marker_share(picture, stated) == pytest.approx(share, abs=0.01)
