"""Which pictures a lens is calibrated from, and how much of what matters they cover.

Instead of somebody pressing a key at the right moments: every picture is judged by what it would add in parts
of the image not yet seen, in distances and in tilts, and the one that adds most is taken, again and again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.calibration.lenses.homography import (
    apply_homographies,
    poses_from_homographies,
    robust_homographies,
)
from handloom.calibration.lenses.views import BoardViews
from handloom.calibration.sightings import Sightings

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]

CELLS = (8, 6)
"""Columns and rows that a picture is divided into."""

_ROUGH_FOCAL = 0.9  # of the picture's longer side: good enough to tell tilts apart
_TILT_RINGS_DEG = (10.0, 25.0, 40.0)
_TILT_SECTORS = 8
_DEPTH_STEPS = 2.0  # an octave of size
_TILT_WORTH, _DEPTH_WORTH = 0.5, 0.25  # beside 1 for the whole picture
_HARDLY_MOVED = 0.0015  # of the picture's diagonal


@dataclass(frozen=True, eq=False)
class Coverage:
    """What the pictures of one camera show of the board.

    Attributes:
        views: pictures with enough corners to count.
        corners: (6, 8) corners in each cell of the image, rows from the top.
        cells_share: share of the cells with corners.
        reach: largest distance of a corner from the image's middle, relative to half the diagonal; that of
            the farthest hundredth of the corners, so that no single one decides.
        tilt_deg: least and greatest angle between the board's normal and the optical axis; NaN without poses.
        tilt_spread_deg: standard deviation of the normal's direction: how differently the board was tilted;
            NaN without poses.
        depth_ratio: greatest to least distance of the board along the axis; without poses, that of its sizes
            in the picture.
    """

    views: int
    corners: Integers
    cells_share: float
    reach: float
    tilt_deg: tuple[float, float]
    tilt_spread_deg: float
    depth_ratio: float


def select_views(sightings: Sightings, camera: int, count: int = 50) -> NDArray[np.int32]:
    """Moments whose pictures cover image, distance and tilt best.

    Greedy and deterministic. Pictures in which the board has hardly moved since another that was taken, by
    0.15 % of the image's diagonal, are left out, so that fewer than asked for may be returned.

    Args:
        sightings: corners.
        camera: number of the camera.
        count: how many at most.

    Returns:
        (N,) numbers of moments, rising.
    """
    views = BoardViews.of(sightings, [camera])
    if not len(views):
        return np.zeros(0, dtype=np.int32)
    H, trusted = robust_homographies(views.points, views.pixels, views.valid)
    width, height = sightings.image_sizes[camera]
    chosen = select(views, H, trusted, (int(width), int(height)), count)
    return np.sort(views.moment[chosen]).astype(np.int32)


def select(
    views: BoardViews, H: Array, trusted: Mask, image_size: tuple[int, int], count: int
) -> NDArray[np.intp]:
    """The same for views that are stacked already.

    Args:
        views: what was seen, by one camera or by several with equal lenses.
        H: (V, 3, 3) homographies from board to picture.
        trusted: (V, M) corners that agree with them.
        image_size: (width, height) in pixels.
        count: how many at most.

    Returns:
        numbers of the views, rising.
    """
    occupied = _occupancy(views, trusted, image_size) > 0
    tilt, size = _tilts_and_sizes(views, H, trusted, image_size)
    depth = np.floor(np.log2(np.maximum(size, 1e-6)) * _DEPTH_STEPS).astype(np.int64)
    depth -= depth.min()
    outline = _outlines(views, H, trusted)
    near = _HARDLY_MOVED * float(np.hypot(*image_size))
    sharpness = _sharpness(views.blur_px)

    seen = np.zeros(occupied.shape[1])
    tilts, depths = np.zeros(tilt.max() + 1), np.zeros(depth.max() + 1)
    open_ = np.ones(len(views), dtype=bool)
    chosen: list[int] = []
    while len(chosen) < count and open_.any():
        gain = occupied @ (1.0 / (1.0 + seen)) / occupied.shape[1]
        gain += _TILT_WORTH / (1.0 + tilts[tilt]) + _DEPTH_WORTH / (1.0 + depths[depth])
        best = int(np.argmax(np.where(open_, gain * sharpness, -1.0)))
        chosen.append(best)
        seen += occupied[best]
        tilts[tilt[best]] += 1
        depths[depth[best]] += 1
        moved = np.abs(outline - outline[best]).max(axis=(1, 2))
        open_ &= (moved > near) | (views.camera != views.camera[best])
        open_[best] = False
    return np.sort(np.array(chosen, dtype=np.intp))


def coverage(
    sightings: Sightings,
    camera: int,
    T_camera_board: ArrayLike | None = None,
    used: NDArray[np.bool_] | None = None,
) -> Coverage:
    """How much of image, tilt and depth the board was shown in.

    Args:
        sightings: corners.
        camera: number of the camera.
        T_camera_board: (T, 4, 4) poses of the board before the camera; NaN where unknown.
        used: (N,) rows of the sightings that are not outliers.
    """
    views = BoardViews.of(sightings, [camera])
    width, height = (int(length) for length in sightings.image_sizes[camera])
    if not len(views):
        nan = float("nan")
        return Coverage(0, np.zeros(CELLS[::-1], dtype=np.int64), 0.0, 0.0, (nan, nan), nan, nan)
    H, trusted = robust_homographies(views.points, views.pixels, views.valid)
    if used is not None:
        trusted = views.valid & np.asarray(used)[views.rows]
    corners = _occupancy(views, trusted, (width, height)).sum(axis=0).reshape(CELLS[::-1])
    pixels = views.pixels[trusted]
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    distance = np.hypot(*(pixels - middle).T) / (np.hypot(width, height) / 2)
    reach = float(np.quantile(distance, 0.99)) if len(distance) else 0.0
    tilt, spread = (float("nan"), float("nan")), float("nan")
    size = _tilts_and_sizes(views, H, views.valid, (width, height))[1]
    ratio = float(size.max() / size.min())
    if T_camera_board is not None:
        T = np.asarray(T_camera_board, dtype=np.float64)[views.moment]
        T = T[np.isfinite(T).all(axis=(1, 2))]
        if len(T):
            normal, depth = T[:, :3, 2], T[:, 2, :3] @ views.middle + T[:, 2, 3]
            angle = np.rad2deg(np.arccos(np.clip(np.abs(normal[:, 2]), 0.0, 1.0)))
            tilt = (float(angle.min()), float(angle.max()))
            bend = np.rad2deg(np.arctan2(normal[:, :2], np.maximum(np.abs(normal[:, 2:]), 1e-9)))
            spread = float(np.sqrt(bend.var(axis=0).sum()))
            ratio = float(depth.max() / depth.min()) if depth.min() > 0 else float("nan")
    return Coverage(len(views), corners, float((corners > 0).mean()), reach, tilt, spread, ratio)


def _occupancy(views: BoardViews, trusted: Mask, image_size: tuple[int, int]) -> Integers:
    """(V, 48) corners of each view in each cell of the image."""
    cell = np.floor((views.pixels + 0.5) / np.asarray(image_size) * np.asarray(CELLS)).astype(np.int64)
    cell = np.clip(cell, 0, np.asarray(CELLS) - 1)
    flat = cell[..., 1] * CELLS[0] + cell[..., 0]
    counts = np.zeros((len(views), CELLS[0] * CELLS[1]), dtype=np.int64)
    view = np.broadcast_to(np.arange(len(views))[:, None], flat.shape)
    np.add.at(counts, (view[trusted], flat[trusted]), 1)
    return counts


def _tilts_and_sizes(
    views: BoardViews, H: Array, trusted: Mask, image_size: tuple[int, int]
) -> tuple[Integers, Array]:
    """(V,) number of the tilt's bin, and pixels a metre at the board's middle; both for a rough lens."""
    focal = _ROUGH_FOCAL * max(image_size)
    inverse = np.diag([1.0 / focal, 1.0 / focal, 1.0])
    inverse[:2, 2] = -(np.asarray(image_size) - 1) / 2 / focal
    R, t = poses_from_homographies(inverse @ H)
    normal = R[:, :, 2]
    angle = np.rad2deg(np.arccos(np.clip(normal[:, 2], -1.0, 1.0)))
    ring = np.searchsorted(_TILT_RINGS_DEG, angle)
    turn = np.arctan2(normal[:, 1], normal[:, 0])
    sector = np.floor((turn / (2 * np.pi) + 0.5) * _TILT_SECTORS).astype(np.int64) % _TILT_SECTORS
    return np.where(ring == 0, 0, 1 + (ring - 1) * _TILT_SECTORS + sector), focal / np.maximum(t[:, 2], 1e-6)


def _outlines(views: BoardViews, H: Array, trusted: Mask) -> Array:
    """(V, 4, 2) where the corners of the patch seen would be, for comparison between views."""
    low = views.points.min(axis=(0, 1))
    high = views.points.max(axis=(0, 1))
    outline = np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]]) / 2
    return np.nan_to_num(apply_homographies(H, np.broadcast_to(outline, (len(views), 4, 2))))


def _sharpness(blur_px: Array) -> Array:
    """(V,) 1 for pictures at least as sharp as the median, less for blurred ones."""
    if not np.isfinite(blur_px).any():
        return np.ones(len(blur_px))
    usual = float(np.nanmedian(blur_px))
    ratio = usual / np.maximum(np.where(np.isfinite(blur_px), blur_px, usual), 1e-6)
    return np.asarray(np.minimum(ratio, 1.0))
