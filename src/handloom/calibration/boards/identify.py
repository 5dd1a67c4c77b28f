"""What a picture shows in place of the board that was expected."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.calibration.boards.charuco import Charuco
from handloom.calibration.boards.chessboard import Chessboard
from handloom.calibration.boards.detection import Markers, consistent, find_markers
from handloom.calibration.boards.dictionaries import DICTIONARIES, capacity
from handloom.calibration.boards.markers import AprilGrid, ArucoGrid
from handloom.calibration.boards.pattern import PrintedBoard
from handloom.calibration.boards.picture import Picture, grey, shrunk
from handloom.calibration.boards.saddle import outer, refine

_LARGEST = 14  # squares and corners tried along a side
_FEWEST_MARKERS = 3
# the largest of every family holds the smaller ones
_FAMILIES = tuple(name for name in DICTIONARIES if not name.endswith(("_50", "_100", "_250")))
_KINDS = ("mirrored", "inverted", "legacy", "other-size", "other-dictionary")


@dataclass(frozen=True)
class Alternative:
    """Something else that the picture shows.

    Attributes:
        kind: ``"mirrored"``, ``"inverted"``, ``"legacy"``, ``"other-size"`` or ``"other-dictionary"``.
        spec: what the board would have to be called, as far as it can be told; the length of a square is the
            one expected.
        count: corners or markers found that way.
        detail: what was seen, in words.
    """

    kind: str
    spec: str
    count: int
    detail: str


def identify(image: NDArray[np.uint8], expected: PrintedBoard) -> list[Alternative]:
    """Look for what there is in a picture in which a board was not found; takes up to some seconds.

    Args:
        image: (H, W) or (H, W, 3) RGB.
        expected: the board that was not found.

    Returns:
        Alternatives, the one with most evidence first; none if there is nothing like a board.
    """
    picture = grey(image)
    found = (
        _same_markers(picture, expected)
        or _other_markers(picture, expected)
        or _chessboards(picture, expected)
    )
    return sorted(found, key=lambda a: (_KINDS.index(a.kind), -a.count))


def marker_share(image: NDArray[np.uint8], board: Charuco) -> float:
    """Side of the markers over side of the squares as the picture shows it; NaN where it cannot be measured.

    Only the middles of the markers say how long a square is, so a wrong length in ``board`` does no harm.

    Args:
        image: (H, W) or (H, W, 3) RGB.
        board: the board, whose marker length is in doubt.
    """
    picture = 255 - grey(image) if board.inverted else grey(image)
    markers = Markers(np.zeros(0, np.int32), np.zeros((0, 4, 2)))
    for mirrored in (False, True) if board.two_sided else (False,):
        found = find_markers(
            picture, board.dictionary, board.marker_count, effort="thorough", mirrored=mirrored
        )
        markers = max(markers, consistent(found, board.marker_corners), key=len)
    middle = board.marker_corners.mean(axis=1)[markers.ids]
    if len(markers) < 4 or np.linalg.matrix_rank(middle - middle.mean(axis=0), tol=0.3) < 2:
        return float("nan")
    next_ = np.roll(markers.corners, -1, axis=1) - markers.corners
    x_axis = np.stack([next_[:, 0], next_[:, 0], -next_[:, 2], -next_[:, 2]], axis=1)
    y_axis = np.stack([-next_[:, 3], next_[:, 1], next_[:, 1], -next_[:, 3]], axis=1)
    J = np.stack([x_axis, y_axis], axis=-1).reshape(-1, 2, 2)
    inward = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
    shape = np.tile(outer(inward[:, 0], inward[:, 1]), (len(markers), 1))
    refined = refine(picture, markers.corners.reshape(-1, 2), J * 0.4, shape, 0.3)
    good = (refined.score.reshape(-1, 4) > 0.8).all(axis=1)
    if good.sum() < 3:
        return float("nan")
    H, _ = cv2.findHomography(markers.corners.mean(axis=1), middle)
    flat = cv2.perspectiveTransform(refined.pixels.reshape(-1, 4, 2)[good], H)
    return float(np.median(np.linalg.norm(np.roll(flat, -1, axis=1) - flat, axis=-1)))


def _same_markers(picture: Picture, expected: PrintedBoard) -> list[Alternative]:
    """The expected board in a mirror, with its colours swapped, in the old pattern."""
    found = []
    if isinstance(expected, Chessboard):
        return []
    seen = expected.find(np.ascontiguousarray(picture[:, ::-1]))
    if len(seen):
        detail = "the board is seen in a mirror, or from behind through the sheet"
        spec = replace(expected, two_sided=True).spec if isinstance(expected, Charuco) else expected.spec
        found.append(Alternative("mirrored", spec, len(seen), detail))
    if isinstance(expected, Charuco):
        swapped = replace(expected, inverted=not expected.inverted)
        detail = "the board is white on black" if swapped.inverted else "the board is black on white"
        older = replace(expected, legacy=not expected.legacy)
        way = "that OpenCV printed before 4.6" if older.legacy else "that OpenCV prints since 4.6"
        for kind, board, text in (
            ("inverted", swapped, detail),
            ("legacy", older, f"the board has the pattern {way}"),
        ):
            count = len(board.find(picture))
            if count and board.spec != expected.spec:
                found.append(Alternative(kind, board.spec, count, text))
    return found


def _other_markers(picture: Picture, expected: PrintedBoard) -> list[Alternative]:
    """Markers of any dictionary, black on white or white on black, and the board they could belong to."""
    seen = []
    for inverted in (False, True):
        searched = 255 - picture if inverted else picture
        for name in _FAMILIES:
            border = 2 if isinstance(expected, AprilGrid) and name == "APRILTAG_36h11" else 1
            markers = find_markers(searched, name, capacity(name), effort="exact", border=border)
            count = len(np.unique(markers.ids))
            if count >= _FEWEST_MARKERS:
                seen.append((count, name, inverted, markers))
    most = max((s[0] for s in seen), default=0)
    found = []
    for count, name, inverted, markers in seen:
        if count < 0.6 * most:
            continue
        ids = sorted(set(markers.ids.tolist()))
        smallest = _smallest(name, ids[-1])
        board = _layout(markers, smallest, inverted, expected)
        ours = getattr(expected, "dictionary", "APRILTAG_36h11" if isinstance(expected, AprilGrid) else "")
        same = bool(ours) and ours.rpartition("_")[0] == smallest.rpartition("_")[0]
        if board is not None and board.spec == expected.spec:
            continue
        numbers = ", ".join(map(str, ids[:12])) + (", ..." if len(ids) > 12 else "")
        detail = f"{count} markers of {smallest}{' white on black' if inverted else ''}: {numbers}"
        spec = board.spec if board is not None else f"markers of {smallest}"
        found.append(Alternative("other-size" if same else "other-dictionary", spec, count, detail))
    return found


def _smallest(name: str, highest: int) -> str:
    """The smallest dictionary of a family that has a number."""
    family = name.rpartition("_")[0]
    if name.endswith("_1000"):
        for size in (50, 100, 250):
            if highest < size:
                return f"{family}_{size}"
    return name


def _layout(
    markers: Markers, name: str, inverted: bool, expected: PrintedBoard
) -> Charuco | ArucoGrid | None:
    """The smallest board of up to 14 x 14 squares on which the markers lie as they do in the picture."""
    side = expected.square_m
    best: tuple[int, int, Charuco] | None = None
    for columns in range(3, _LARGEST + 1):
        for rows in range(3, _LARGEST + 1):
            if capacity(name) < columns * rows // 2 or markers.ids.max() >= (columns * rows + 1) // 2:
                continue
            for legacy in (False, True) if rows % 2 == 0 else (False,):
                board = Charuco(columns, rows, side, round(0.75 * side, 9), name, legacy, inverted)
                count = len(consistent(markers, board.marker_corners))
                key = (count, -columns * rows)
                if count >= max(_FEWEST_MARKERS, 0.8 * len(markers)) and (best is None or key > best[:2]):
                    best = (*key, board)
    return best[2] if best else None


def _chessboards(picture: Picture, expected: PrintedBoard) -> list[Alternative]:
    """A chessboard of another size."""
    small, _ = shrunk(picture)
    sizes = [(c, r) for c in range(3, _LARGEST + 1) for r in range(3, c + 1)]
    flags = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_EXHAUSTIVE | cv2.CALIB_CB_LARGER
    grown, _, meta = cv2.findChessboardCornersSBWithMeta(small, (3, 3), flags)
    if grown:
        first = (max(meta.shape[:2]), min(meta.shape[:2]))
        sizes = [first, *(size for size in sizes if size != first)]
    for columns, rows in sizes:
        if isinstance(expected, Chessboard) and {columns, rows} == {expected.columns, expected.rows}:
            continue
        board = Chessboard(columns, rows, expected.square_m)
        corners = board.find(small, thorough=False)
        if len(corners):
            return [
                Alternative(
                    "other-size",
                    board.spec,
                    len(corners),
                    f"a chessboard with {columns} x {rows} inner corners",
                )
            ]
    return []
