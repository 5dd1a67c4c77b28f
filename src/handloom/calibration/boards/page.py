"""A board on a sheet of paper: which paper, which way up, where on it, with a ruler to check the print by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handloom.calibration.boards.board import Array
from handloom.calibration.boards.lengths import parse_length
from handloom.calibration.boards.pattern import PrintedBoard
from handloom.errors import CalibrationError

PAPERS_MM = {
    "A4": (210.0, 297.0),
    "A3": (297.0, 420.0),
    "A2": (420.0, 594.0),
    "A1": (594.0, 841.0),
    "A0": (841.0, 1189.0),
    "Letter": (215.9, 279.4),
    "Legal": (215.9, 355.6),
}
_EDGE = 8.0  # mm that printers leave blank
_FOOT = 25.0  # mm for the text and the ruler
_RULER = 100.0
_TEXT = 3.0


@dataclass(frozen=True, eq=False)
class Page:
    """What is printed; all lengths in millimetres from the upper left corner of the sheet.

    Attributes:
        width: of the sheet.
        height: of the sheet.
        paper: its name, with the way up.
        ground: (4, 2) outline of the dark ground of an inverted board, or None.
        loops: (V, 2) outlines; what an odd number of them encloses is dark (light on a dark ground).
        marks: (x, y, width, height) of the ruler's strokes.
        texts: (x, y of the baseline, size, text).
    """

    width: float
    height: float
    paper: str
    ground: Array | None
    loops: tuple[Array, ...]
    marks: tuple[tuple[float, float, float, float], ...]
    texts: tuple[tuple[float, float, float, str], ...]


def lay_out(board: PrintedBoard, paper: str = "A4") -> Page:
    """Put a board on a sheet, upright or across, whichever it fits on.

    Args:
        board: what to print.
        paper: A4, A3, A2, A1, A0, Letter, Legal, or width x height with a unit such as ``300x400mm``.

    Raises:
        CalibrationError: if there is no such paper, or the board is larger; the message says what fits.
    """
    name, sides = _paper(paper)
    board_size = board.pattern.width * 1000, board.pattern.height * 1000
    turned = [size for size in (sides, sides[::-1]) if _fits(board_size, size)]
    if not turned:
        raise _too_large(board, board_size, name, sides)
    # the way up that leaves more room around the board
    width, height = max(turned, key=lambda size: min(_room(size)[i] - board_size[i] for i in (0, 1)))
    room = _room((width, height))
    pattern = board.pattern
    corner = _EDGE + np.array([(room[0] - board_size[0]) / 2, (room[1] - board_size[1]) / 2])
    frame = np.array([[0, 0], [board_size[0], 0], [board_size[0], board_size[1]], [0, board_size[1]]])
    marks, texts = _foot(board, height)
    return Page(
        width,
        height,
        f"{name} {'portrait' if height >= width else 'landscape'}",
        frame + corner if pattern.inverted else None,
        tuple(loop * 1000 + corner for loop in pattern.loops),
        marks,
        texts,
    )


def _paper(text: str) -> tuple[str, tuple[float, float]]:
    for name, sides in PAPERS_MM.items():
        if name.lower() == text.strip().lower():
            return name, sides
    first, cross, second = text.lower().replace("×", "x").partition("x")
    if not cross:
        raise CalibrationError(
            f"There is no paper {text!r}.",
            f"Use {', '.join(PAPERS_MM)}, or width x height with a unit, such as 300x400mm.",
        )
    unit = second.lstrip("0123456789. ")
    across, down = parse_length(first + unit, "width of paper"), parse_length(second, "height of paper")
    width, height = across * 1000, down * 1000
    if min(width, height) < _RULER + 2 * _EDGE:
        raise CalibrationError(
            f"Paper of {width:g} x {height:g} mm is too small for the {_RULER:g} mm ruler.",
            f"Use paper of at least {_RULER + 2 * _EDGE:g} mm.",
        )
    return f"{width:g} x {height:g} mm", (width, height)


def _room(size: tuple[float, float]) -> tuple[float, float]:
    return size[0] - 2 * _EDGE, size[1] - 2 * _EDGE - _FOOT


def _fits(board_size: tuple[float, float], size: tuple[float, float]) -> bool:
    return all(side <= room + 1e-6 for side, room in zip(board_size, _room(size), strict=True))


def _too_large(
    board: PrintedBoard, board_size: tuple[float, float], name: str, sides: tuple[float, float]
) -> CalibrationError:
    larger = [
        other for other, size in PAPERS_MM.items() if _fits(board_size, size) or _fits(board_size, size[::-1])
    ]
    share = max(
        min(r / s for r, s in zip(_room(size), board_size, strict=True)) for size in (sides, sides[::-1])
    )
    largest = np.floor(board.square_m * 1000 * share)
    ways = [f"Use {larger[0]}."] if larger else []
    if largest:
        ways.append(f"On {name} the side can be at most {largest:g}mm.")
    return CalibrationError(
        f"The board is {board_size[0]:g} x {board_size[1]:g} mm and does not fit on {name}.",
        " ".join(ways) or "Use larger paper.",
    )


def _foot(
    board: PrintedBoard, height: float
) -> tuple[tuple[tuple[float, float, float, float], ...], tuple[tuple[float, float, float, str], ...]]:
    """Strokes and texts below the board: what it is, and a ruler in millimetres and inches."""
    left, line = _EDGE, height - _EDGE - 6.0  # the ruler's line
    marks = [(left, line - 0.1, 101.6, 0.2)]
    texts = []
    for mm in range(int(_RULER) + 1):
        length = 4.0 if mm % 10 == 0 else 3.0 if mm % 5 == 0 else 2.0
        marks.append((left + mm - 0.05, line, 0.1, length))
        if mm % 10 == 0:
            texts.append((left + mm + 0.4, line + 5.2, 2.0, f"{mm} mm" if mm == _RULER else f"{mm}"))
    for eighth in range(33):
        length = 4.0 if eighth % 8 == 0 else 2.8 if eighth % 4 == 0 else 1.8
        marks.append((left + eighth * 25.4 / 8 - 0.05, line - length, 0.1, length))
        if eighth % 8 == 0:
            texts.append((left + eighth * 25.4 / 8 + 0.4, line - 2.9, 2.0, f"{eighth // 8} in"))
    above = line - 7.0
    texts.append((left, above - 4.6, _TEXT, board.spec))
    texts.append(
        (
            left,
            above,
            _TEXT,
            "Print at 100 %, no fit to page. Then measure: the ruler must be 100 mm long.",
        )
    )
    return tuple(marks), tuple(texts)
