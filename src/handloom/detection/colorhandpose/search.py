"""Where else to look for hands that a mask of the whole picture is too coarse for.

In a picture of a whole person a hand is a few cells of the mask wide and runs together with the face or
clothes behind it. Overlapping squares of half the side show it twice as large. Only those are looked at in
which the mask of the whole was not sure that there is nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from handloom.detection.colorhandpose.crop import Map, MaskedHand
from handloom.detection.regions import Region

Array = NDArray[np.float64]

SHARE, PLACES = 0.5, 3
"""Side of the squares, of the picture's longer side, and how many lie along that. They overlap by half: what
is no larger than a quarter of the picture is whole in one of them."""
_SAME_HAND = 0.4
_PERHAPS = 0.3  # probability from which something may be a hand
_EDGE = 1 / 64  # of the square's side; what comes nearer to its edge is cut by it


@dataclass(frozen=True, eq=False)
class Candidate:
    """A component of a mask, and what PoseNet saw in it.

    Attributes:
        hand: the component.
        sure: mean peak of the joints' maps.
        xy: (21, 2) where the joints are, pixels of the picture.
    """

    hand: MaskedHand
    sure: float
    xy: Array


def closer(image_size: tuple[int, int], least_px: float, whole: Map, frame: Region) -> list[Region]:
    """Upright squares that cover what may be hands in a picture of (width, height) pixels, those that show
    most of it first.

    Args:
        image_size: of the picture.
        least_px: squares smaller than this would show nothing that the whole did not; there are none then.
        whole: (n, n) mask of the whole picture.
        frame: the square of the picture that it shows.
    """
    side = SHARE * max(image_size)
    if side < least_px:
        return []
    along = [
        np.linspace(side / 2, length - side / 2, max(int(np.ceil(PLACES * length / max(image_size))), 2))
        if length > side
        else [length / 2]
        for length in image_size
    ]
    cell = frame.size / len(whole)
    rows, columns = np.nonzero(whole > _PERHAPS)
    places = cell * (np.column_stack([columns, rows]) + 0.5) + (np.array([frame.x, frame.y]) - frame.size / 2)
    squares = [Region(float(x), float(y), side) for x, y in product(*along)]
    shown = [int((abs(places - (s.x, s.y)) < side / 2).all(axis=1).sum()) for s in squares]
    return [squares[i] for i in np.argsort(shown, kind="stable")[::-1] if shown[i]]


def uncut(hand: MaskedHand, square: Region, image_size: tuple[int, int]) -> bool:
    """Whether a component ends before the edge of the square does, or the picture ends there too."""
    low = np.array([square.x, square.y]) - square.size / 2
    high, near = low + square.size, _EDGE * square.size
    at_low = (hand.box[:2] < low + near) & (low > 0)
    at_high = (hand.box[2:] > high - near) & (high < image_size)
    return not (at_low | at_high).any()


def distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The surest first, without those that lie on a surer one."""
    kept: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda one: -one.sure):
        if all(_shared(candidate.hand, other.hand) < _SAME_HAND for other in kept):
            kept.append(candidate)
    return kept


def _shared(a: MaskedHand, b: MaskedHand) -> float:
    """Overlap of two boxes, of the smaller one's area."""
    extent = np.minimum(a.box[2:], b.box[2:]) - np.maximum(a.box[:2], b.box[:2])
    areas = [float(np.prod(hand.box[2:] - hand.box[:2])) for hand in (a, b)]
    return float(np.prod(np.maximum(extent, 0.0))) / max(min(areas), 1e-9)
