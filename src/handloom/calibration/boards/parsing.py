"""A board from the text that says what it is."""

from __future__ import annotations

import re
from collections.abc import Callable

from handloom.calibration.boards.charuco import Charuco
from handloom.calibration.boards.chessboard import Chessboard
from handloom.calibration.boards.dictionaries import capacity, default_dictionary, dictionary_name
from handloom.calibration.boards.lengths import length_text, parse_length
from handloom.calibration.boards.markers import AprilGrid, ArucoGrid
from handloom.calibration.boards.pattern import PrintedBoard
from handloom.errors import CalibrationError

FORMS = {
    "chessboard": "chessboard:9x6:25mm (inner corners across x down, side of a square)",
    "charuco": "charuco:5x7:40mm (squares across x down, side of a square), and if need be "
    ":marker=30mm:dict=4X4_50:legacy:inverted:two-sided",
    "aruco": "aruco:5x7:40mm (markers across x down, side of a marker), and if need be :gap=10mm:dict=4X4_50",
    "aprilgrid": "aprilgrid:6x6:88mm (tags across x down, side of a tag), and if need be :gap=26.4mm",
}
_MARKER_SHARE = 0.75
_ARUCO_GAP = 0.25
_APRIL_GAP = 0.3
_Options = dict[str, str]


def parse_board(spec: str) -> PrintedBoard:
    """The board that a text describes.

    * ``chessboard:9x6:25mm``: inner corners across x down, side of a square.
    * ``charuco:5x7:40mm[:marker=30mm][:dict=4X4_50][:legacy][:inverted][:two-sided]``: squares across x down,
      side of a square. The marker is 0.75 of the square unless given. The dictionary is ``4X4_50``, or the
      first of ``4X4_100``, ``4X4_250`` and ``4X4_1000`` that has enough markers; within a family of OpenCV's
      dictionaries a smaller one is the beginning of the larger, so ``4X4_50`` also reads a board printed with
      the first markers of ``4X4_1000``. ``two-sided`` says that the back shows the front as if the sheet were
      clear; without it a board seen in a mirror is not taken for the board.

    * ``aruco:5x7:40mm[:gap=10mm][:dict=4X4_50]``: markers across x down, side of a marker; a quarter of it
      between them and the dictionary as above unless given.
    * ``aprilgrid:6x6:88mm[:gap=26.4mm]``: tags across x down, side of a tag; 0.3 of it between them unless
      given.

    Every length needs a unit: mm, cm, m or inch. ``parse_board(board.spec)`` gives an equal board.

    Raises:
        CalibrationError: if the text describes no board; the message says what was expected.
    """
    parts = [part.strip() for part in spec.split(":")]
    kind = parts[0].lower()
    if kind not in _MAKERS:
        raise CalibrationError(
            f"{spec!r} names no kind of board.", f"Write one of: {'; '.join(FORMS.values())}."
        )
    example = f"Write for example {FORMS[kind]}."
    if len(parts) < 3:
        raise CalibrationError(f"{spec!r} lacks the size of the board or the length of a square.", example)
    match = re.fullmatch(r"(\d+)\s*[x×*]\s*(\d+)", parts[1], re.IGNORECASE)
    if match is None:
        raise CalibrationError(f"{parts[1]!r} in {spec!r} is not a size such as 9x6.", example)
    options: _Options = {}
    for part in parts[3:]:
        key, _, value = part.partition("=")
        options[key.strip().lower()] = value.strip()
    board = _MAKERS[kind](int(match[1]), int(match[2]), parse_length(parts[2], "side of a square"), options)
    if options:
        raise CalibrationError(f"{', '.join(options)} in {spec!r} means nothing for a {kind}.", example)
    return board


def _chessboard(columns: int, rows: int, square: float, options: _Options) -> Chessboard:
    if min(columns, rows) < 3:
        raise CalibrationError(
            f"A chessboard of {columns} x {rows} inner corners is too small.",
            "Count the corners between squares, not the squares; at least 3 x 3 are needed.",
        )
    return Chessboard(columns, rows, square)


def _charuco(columns: int, rows: int, square: float, options: _Options) -> Charuco:
    if min(columns, rows) < 3:
        raise CalibrationError(
            f"A ChArUco board of {columns} x {rows} squares is too small.",
            "Count the squares, not the corners between them; at least 3 x 3 are needed.",
        )
    count = columns * rows // 2
    legacy, inverted, two_sided = (_flag(options, name) for name in ("legacy", "inverted", "two-sided"))
    name = _dictionary(options, count)
    marker = _length(options, "marker", _MARKER_SHARE * square)
    if marker >= square:
        raise CalibrationError(
            f"A marker of {length_text(marker)} does not fit into a square of {length_text(square)}.",
            "The marker lies inside the square: give the smaller length as marker=.",
        )
    return Charuco(columns, rows, square, marker, name, legacy, inverted, two_sided)


def _aruco(columns: int, rows: int, marker: float, options: _Options) -> ArucoGrid:
    _check_grid(columns, rows)
    name = _dictionary(options, columns * rows)
    return ArucoGrid(columns, rows, marker, _length(options, "gap", _ARUCO_GAP * marker), name)


def _aprilgrid(columns: int, rows: int, marker: float, options: _Options) -> AprilGrid:
    _check_grid(columns, rows)
    most = capacity("APRILTAG_36h11")
    if columns * rows > most:
        raise CalibrationError(
            f"An AprilGrid of {columns} x {rows} tags is beyond the {most} tags there are.", "Use fewer tags."
        )
    return AprilGrid(columns, rows, marker, _length(options, "gap", _APRIL_GAP * marker))


def _check_grid(columns: int, rows: int) -> None:
    if columns * rows < 2:
        raise CalibrationError(
            f"A grid of {columns} x {rows} markers is too small.", "Use at least two markers, better twelve."
        )


def _dictionary(options: _Options, count: int) -> str:
    text = options.pop("dict", "")
    if not text:
        return default_dictionary(count)
    name = dictionary_name(text)
    if capacity(name) < count:
        raise CalibrationError(
            f"The board needs {count} markers, {name} has {capacity(name)}.",
            "Use the dictionary that the board was printed with, or a larger one.",
        )
    return name


def _length(options: _Options, key: str, default: float) -> float:
    text = options.pop(key, None)
    return round(default, 9) if text is None else parse_length(text, key)


def _flag(options: _Options, name: str) -> bool:
    value = options.pop(name, None)
    if value:
        raise CalibrationError(f"{name}={value} says too much.", f"Write :{name} alone, or leave it out.")
    return value is not None


_MAKERS: dict[str, Callable[[int, int, float, _Options], PrintedBoard]] = {
    "chessboard": _chessboard,
    "charuco": _charuco,
    "aruco": _aruco,
    "aprilgrid": _aprilgrid,
}
