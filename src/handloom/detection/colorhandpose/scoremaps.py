"""Score maps: the Gaussians that PoseNet is taught, and the places that its maps mean.

Zimmermann & Brox 2017, section 3.3 and the published code: a map is ``exp(−d² / 25²)`` of the distance d to
the joint in pixels of a 256-pixel crop, so that the Gaussian's standard deviation is 25/√2 of them, and empty
where the joint is not seen. The code decodes a map by its greatest value after enlarging it to the crop's
size, which is good to a pixel there but moves in jumps; :func:`soft_argmax` is smooth.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Maps = NDArray[np.float32]

SIGMA = 25 / 2**0.5 / 256
"""Standard deviation of a joint's Gaussian, in sides of the crop."""

_WINDOW = SIGMA / 2**0.5
_STEPS = 12
"""Each leaves at most two thirds of the way to a Gaussian's centre."""


def gaussian_maps(xy: ArrayLike, visible: ArrayLike, side: int, cells: int | None = None) -> Maps:
    """What PoseNet's maps are to look like.

    Args:
        xy: (..., J, 2) joints, pixels of a square crop.
        visible: (..., J) whether the joint is seen; a joint outside the crop is not.
        side: of the crop, pixels.
        cells: side of the maps; by default that of the crop. Coarser maps have the value at their cells'
            centres.

    Returns:
        (..., J, cells, cells), empty where the joint is not seen.
    """
    xy = np.asarray(xy, dtype=np.float64)
    cells = cells or side
    with np.errstate(invalid="ignore"):
        inside = ((xy > -0.5) & (xy < side - 0.5)).all(axis=-1)
    seen = np.asarray(visible, bool) & inside
    centres = pixels_of(np.arange(cells), side / cells)
    apart = (centres - np.where(seen[..., None], xy, 0.0)[..., None]) / side
    along = np.exp(-0.5 * (apart / SIGMA) ** 2)
    maps = along[..., 1, :, None] * along[..., 0, None, :] * seen[..., None, None]
    return maps.astype(np.float32)


def pixels_of(cells: ArrayLike, stride: float) -> Array:
    """Pixels of a crop at the (fractional) cells of a map that is ``stride`` times coarser."""
    return stride * (np.asarray(cells, dtype=np.float64) + 0.5) - 0.5


def cells_of(pixels: ArrayLike, stride: float) -> Array:
    """The inverse of :func:`pixels_of`."""
    return (np.asarray(pixels, dtype=np.float64) + 0.5) / stride - 0.5


def resized(maps: Maps, side: int) -> Maps:
    """(C, n, n) maps as (C, side, side): interpolated to finer cells, averaged to coarser ones."""
    if maps.shape[-1] == side:
        return maps
    how = cv2.INTER_LINEAR if maps.shape[-1] < side else cv2.INTER_AREA
    return np.stack([cv2.resize(one, (side, side), interpolation=how) for one in maps])


def peaks(maps: Maps) -> Array:
    """(J,) greatest value of (J, h, w) maps, within [0, 1]: how sure the network is of a joint's place."""
    return np.clip(maps.max(axis=(-2, -1)), 0.0, 1.0).astype(np.float64)


def argmax(maps: Maps, side: int) -> Array:
    """(J, 2) pixels of the crop: the greatest value of (J, n, n) maps enlarged to the crop, as published."""
    place = resized(maps, side).reshape(len(maps), -1).argmax(axis=1)
    return np.stack([place % side, place // side], axis=1).astype(np.float64)


def soft_argmax(maps: Maps, side: int) -> Array:
    """(J, 2) pixels of the crop: the centre of the peak of each (J, n, n) map, between cells.

    Mean shift with a Gaussian window narrower than the paper's joints, started at the greatest value: it
    finds a Gaussian's centre, hardly moved by the edge of the map, and does not heed peaks elsewhere. A map
    without positive values gives its greatest value's place.
    """
    joints, rows, columns = maps.shape
    weight = np.maximum(maps, 0.0).astype(np.float64)
    place = maps.reshape(joints, -1).argmax(axis=1)
    x, y = (place % columns).astype(np.float64), (place // columns).astype(np.float64)
    at_x, at_y = np.arange(columns), np.arange(rows)
    for _ in range(_STEPS):
        window_x = np.exp(-0.5 * ((at_x - x[:, None]) / (_WINDOW * columns)) ** 2)
        window_y = np.exp(-0.5 * ((at_y - y[:, None]) / (_WINDOW * rows)) ** 2)
        by_row = (weight @ window_x[:, :, None])[:, :, 0]
        by_column = (window_y[:, None] @ weight)[:, 0]
        mass = (by_row * window_y).sum(axis=1)
        known = mass > 0.0
        divisor = np.where(known, mass, 1.0)
        x = np.where(known, (by_column * window_x) @ at_x / divisor, x)
        y = np.where(known, (by_row * window_y) @ at_y / divisor, y)
    return np.stack([pixels_of(x, side / columns), pixels_of(y, side / rows)], axis=1)
