"""Boards on paper."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from handloom.calibration.boards import parse_board
from handloom.calibration.boards.dictionaries import dictionary
from handloom.calibration.boards.page import lay_out
from handloom.calibration.boards.printing import raster, svg, write_board
from handloom.errors import CalibrationError

BOARDS = (
    "chessboard:7x5:25mm",
    "charuco:5x7:25mm",
    "charuco:5x6:25mm:legacy",
    "charuco:4x5:30mm:inverted",
    "aruco:4x5:25mm",
    "aprilgrid:4x3:30mm",
)


@pytest.mark.parametrize("spec", BOARDS)
def test_print_shows_the_board_at_true_size(spec: str) -> None:
    board = parse_board(spec)
    corners = board.find(raster(lay_out(board), dpi=150))
    assert len(corners) >= 0.9 * len(board.points)
    a, b = next((a, b) for a, b in board.pairs if a in corners.ids and b in corners.ids)
    place = dict(zip(corners.ids.tolist(), corners.pixels, strict=True))
    assert np.linalg.norm(place[a] - place[b]) / 150 * 0.0254 == pytest.approx(board.square_m, rel=2e-3)


@pytest.mark.parametrize("legacy", [False, True])
def test_charuco_is_the_one_opencv_prints(legacy: bool) -> None:
    board = parse_board("charuco:4x6:40mm" + ":legacy" * legacy)
    theirs = cv2.aruco.CharucoBoard((4, 6), 0.04, 0.03, dictionary("4X4_50"))
    theirs.setLegacyPattern(legacy)
    image = theirs.generateImage((640, 960), marginSize=0)
    ours = board.draw(4000, 0.0)
    assert (np.abs(ours.astype(int) - image) > 128).mean() < 0.02


def test_svg_states_millimetres() -> None:
    page = lay_out(parse_board("chessboard:7x5:25mm"))
    text = svg(page).decode()
    assert 'width="297mm" height="210mm" viewBox="0 0 297 210"' in text
    board = re.search(r'id="board"[^>]* d="([^"]*)"', text)
    assert board is not None
    values = np.array([[float(v) for v in pair.split()] for pair in re.findall(r"[\d.]+ [\d.]+", board[1])])
    assert np.ptp(values, axis=0).tolist() == pytest.approx([200.0, 150.0])


def test_pdf_states_points_and_asks_not_to_be_scaled(tmp_path: Path) -> None:
    write_board(parse_board("charuco:5x7:25mm"), tmp_path / "board.pdf")
    content = (tmp_path / "board.pdf").read_bytes()
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", content)
    assert box is not None
    assert [float(v) / 72 * 25.4 for v in box.groups()] == pytest.approx([210, 297], abs=1e-3)
    assert b"/PrintScaling /None" in content
    start = int(re.search(rb"startxref\n(\d+)", content)[1])  # type: ignore[index]
    assert content[start:].startswith(b"xref")
    packed = re.search(rb"stream\n(.*?)\nendstream", content, re.DOTALL)
    assert packed is not None
    drawing = zlib.decompress(packed[1]).decode("cp1252")
    assert "(charuco:5x7:25mm:marker=18.75mm:dict=4X4_50)" in drawing
    assert "Print at 100 %" in drawing


def test_png_states_its_resolution(tmp_path: Path) -> None:
    write_board(parse_board("charuco:5x7:25mm"), tmp_path / "board.png")
    content = (tmp_path / "board.png").read_bytes()
    at = content.index(b"pHYs")
    assert int.from_bytes(content[at + 4 : at + 8], "big") == 11811
    image = cv2.imread(str(tmp_path / "board.png"), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    assert image.shape == (3508, 2480)


def test_page_is_turned_to_fit() -> None:
    assert lay_out(parse_board("chessboard:7x5:25mm")).paper == "A4 landscape"
    assert lay_out(parse_board("chessboard:5x7:25mm")).paper == "A4 portrait"


def test_board_too_large_says_which_paper_fits() -> None:
    with pytest.raises(CalibrationError, match=r"Use A3.*at most 36mm"):
        lay_out(parse_board("charuco:5x7:40mm"))
    lay_out(parse_board("charuco:5x7:36mm"))
    lay_out(parse_board("charuco:5x7:40mm"), "A3")


def test_own_paper() -> None:
    page = lay_out(parse_board("charuco:5x7:40mm"), "30x40cm")
    assert (page.width, page.height) == (300.0, 400.0)


@pytest.mark.parametrize("paper", ["B4", "30x40", "50x50mm"])
def test_unknown_paper(paper: str) -> None:
    with pytest.raises(CalibrationError):
        lay_out(parse_board("charuco:5x7:10mm"), paper)


def test_unknown_file_type(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"\.pdf"):
        write_board(parse_board("charuco:5x7:10mm"), tmp_path / "board.doc")
