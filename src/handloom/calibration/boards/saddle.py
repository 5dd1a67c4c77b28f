"""Corners of squares to a fraction of a pixel, each with a score and the width of its edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handloom.calibration.boards.board import Array
from handloom.calibration.boards.picture import Picture
from handloom.calibration.boards.saddle_kernel import settle


@dataclass(frozen=True, eq=False)
class Saddles:
    """What was found where corners were expected.

    Attributes:
        pixels: (N, 2) the corners.
        score: (N,) correlation of the picture with its model, negative for one of the opposite colours; -1
            where the search did not settle or left the picture.
        blur_px: (N,) standard deviation of the blur of the wider of both edges beyond that of a pixel,
            pixels.
        slant: (N,) change of light towards the end of the arms, in contrasts: the corner of a lone dark
            square passes for a good one in light that falls off steeply.
    """

    pixels: Array
    score: Array
    blur_px: Array
    slant: Array

    def __len__(self) -> int:
        return len(self.score)


def saddle(sign: Array) -> Array:
    """(N, 3) shapes of corners between four squares.

    Args:
        sign: (N,) 1 where the square to the lower right (in the board's frame) is light, -1 where it is dark.
    """
    return np.stack([sign, np.zeros_like(sign), np.zeros_like(sign)], axis=-1)


def outer(x: Array, y: Array) -> Array:
    """(N, 3) shapes of the corners of lone dark squares, which lie towards x, y (each -1 or 1)."""
    return np.stack([-x * y, -x, -y], axis=-1) / 2


def refine(picture: Picture, expected: Array, J: Array, shape: Array, clear: float = 0.5) -> Saddles:
    """Settle on the points where dark and light squares meet.

    The picture near a corner is sampled along the board's own directions and compared with a model: two
    blurred edges that cross, I = m + g·x + c P(A, B) with A = erf(u / √2σ_u), B = erf(v / √2σ_v) and P = ± A
    B for a corner between four squares. Its place, the directions and blur of both edges, light and contrast
    are fitted together by Gauss-Newton, so that neither turning nor perspective nor uneven light moves the
    corner. Samples are taken only where the squares are plain, along edges as well as near the corner, so
    that the markers of a ChArUco board have no say.

    Args:
        picture: (H, W).
        expected: (N, 2) pixels, right to about two pixels.
        J: (N, 2, 2) pixels per square along the board's x and y, as columns.
        shape: (N, 3) what the corner looks like, from :func:`saddle` or :func:`outer`: the weights of AB, A
            and B.
        clear: how far from its edges a square is plain, as a share of its side.
    """
    pixels, score, blur, slant = settle(
        picture,
        np.ascontiguousarray(expected, dtype=np.float64).reshape(-1, 2),
        np.ascontiguousarray(J, dtype=np.float64).reshape(-1, 2, 2),
        np.ascontiguousarray(shape, dtype=np.float64).reshape(-1, 3),
        float(clear),
    )
    return Saddles(pixels, score, blur, slant)
