"""Pictures in which the board was not found, but something else like a board was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from handloom.calibration.boards.charuco import Charuco
from handloom.calibration.boards.identify import Alternative, identify, marker_share
from handloom.calibration.boards.pattern import PrintedBoard
from handloom.calibration.diagnosis.evidence import Evidence, listed
from handloom.calibration.findings import Finding, Name, Severity

_SELDOM = 2  # pictures: a camera that found the board more often was told the right board
_MOST_PICTURES = 2  # of a camera; looking takes a second each
_OTHER_SHARE = 0.1  # by which markers may be larger or smaller than described


def findings(evidence: Evidence) -> Iterator[Finding]:
    """``wrong-board``, ``mirrored-video`` and, for the length of markers, ``wrong-square``."""
    board = evidence.found.board
    if evidence.facts is None or not isinstance(board, PrintedBoard):
        return
    seen: dict[str, Alternative] = {}
    for facts in evidence.facts.cameras:
        best = _alternative(facts.examples[:_MOST_PICTURES], board) if facts.found <= _SELDOM else None
        if best is not None:
            seen[facts.name] = best
    for mirrored in (True, False):
        entries = {name: best for name, best in seen.items() if (best.kind == "mirrored") == mirrored}
        if entries:
            yield (_mirrored if mirrored else _other)(
                board, tuple(entries), _most_likely(list(entries.values()))
            )
    yield from _marker_length(evidence, board)


def _mirrored(board: PrintedBoard, names: tuple[str, ...], seen: Alternative) -> Finding:
    return Finding(
        Name.mirrored_video,
        Severity.error,
        f"The pictures of {listed(names)} show the board in a mirror ({seen.count} corners are found once"
        " they"
        " are flipped).",
        "Switch mirroring off in the recording software, or flip the videos left to right (ffmpeg -vf hflip)"
        + (
            f"; if the print shines through and was seen from behind, pass --board {seen.spec}."
            if seen.spec != board.spec
            else "."
        ),
        names,
        {"found": float(seen.count)},
    )


def _other(board: PrintedBoard, names: tuple[str, ...], seen: Alternative) -> Finding:
    known = seen.spec.partition(":")[0] in ("chessboard", "charuco", "aruco", "aprilgrid")
    return Finding(
        Name.wrong_board,
        Severity.error,
        f"The pictures of {listed(names)} do not show {board.spec}, but {seen.detail} ({seen.count} corners"
        " or"
        " markers).",
        (
            f"If that is the board, pass --board {seen.spec} with the length of its own squares"
            if known
            else "Describe the board that was filmed, with this dictionary"
        )
        + "; otherwise record the board that was described.",
        names,
        {"found": float(seen.count)},
    )


def _alternative(images: tuple[np.ndarray, ...], board: PrintedBoard) -> Alternative | None:
    """What most pictures show in place of the board."""
    best = [found[0] for image in images if (found := identify(image, board))]
    return _most_likely(best) if best else None


def _most_likely(seen: list[Alternative]) -> Alternative:
    """The most frequent one; of equals the one that shows most clearly."""
    votes = Counter((alternative.kind, alternative.spec) for alternative in seen)
    return max(seen, key=lambda a: (votes[a.kind, a.spec], a.count))


def _marker_length(evidence: Evidence, board: PrintedBoard) -> Iterator[Finding]:
    if not isinstance(board, Charuco) or evidence.facts is None:
        return
    expected = board.marker / board.square
    images = [image for facts in evidence.facts.cameras for image in facts.examples[:1]]
    shares = np.array([marker_share(image, board) for image in images[: 2 * _MOST_PICTURES]])
    shares = shares[np.isfinite(shares)]
    if not len(shares) or abs(float(np.median(shares)) / expected - 1.0) < _OTHER_SHARE:
        return
    share = float(np.median(shares))
    yield Finding(
        Name.wrong_square,
        Severity.warning,
        f"The markers are {share:.2f} of a square wide, not {expected:.2f} as described.",
        f"Measure a square and a marker of the print; if the square is {1e3 * board.square:.4g} mm, pass"
        f" marker={1e3 * share * board.square:.4g}.",
        (),
        {"marker_share": share, "described_share": expected},
    )
