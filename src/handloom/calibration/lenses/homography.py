"""Homographies of many views at once, robust against corners that are grossly wrong, and poses from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_ROUNDS = 8
_TO_SIGMA = 1.4826 / 1.177  # median length of a two-dimensional normal error to its standard deviation
_CUTOFF = 4.0
_EXACT = 1e-3  # relative to the board's size in the picture: no corner is better than this under distortion


def fit_homographies(points: Array, images: Array, weights: Array) -> Array:
    """Direct linear transformation (Hartley & Zisserman, algorithm 4.2) of every view.

    Args:
        points: (V, M, 2) on the board.
        images: (V, M, 2) in the picture.
        weights: (V, M) of the squared errors; 0 for corners there are not.

    Returns:
        (V, 3, 3) matrices that take (x, y, 1) of the board to the picture, up to scale.
    """
    source, T_source = _normalised(points, weights)
    target, T_target = _normalised(images, weights)
    root = np.sqrt(weights)[..., None]
    one = np.concatenate([source, np.ones_like(source[..., :1])], axis=-1) * root
    rows = np.zeros((*points.shape[:2], 2, 9))
    rows[..., 0, 0:3] = one
    rows[..., 1, 3:6] = one
    rows[..., 6:9] = -target[..., None] * one[..., None, :]
    flat = rows.reshape(len(points), -1, 9)
    _, vectors = np.linalg.eigh(np.swapaxes(flat, -1, -2) @ flat)
    H = vectors[..., 0].reshape(-1, 3, 3)
    return np.asarray(np.linalg.solve(T_target, H @ T_source))


def apply_homographies(H: Array, points: Array) -> Array:
    """(V, M, 2) pictures of (V, M, 2) points on the board."""
    image = points @ np.swapaxes(H[:, :, :2], -1, -2) + H[:, None, :, 2]
    with np.errstate(all="ignore"):
        return np.asarray(image[..., :2] / image[..., 2:])


def robust_homographies(points: Array, images: Array, valid: Mask) -> tuple[Array, Mask]:
    """Homographies that outvote gross errors, and the corners that agree with them.

    Least absolute lengths first, by iterated reweighting, then redescending weights whose scale is each
    view's own: where the lens bends the board, its scale grows and the bent corners stay.

    Returns:
        (V, 3, 3) matrices and (V, M) corners to be trusted.
    """
    weights = valid.astype(np.float64)
    size = _spread(images, weights)
    floor = _EXACT * size[:, None]
    H = fit_homographies(points, images, weights)
    for i in range(_ROUNDS):
        error = _lengths(apply_homographies(H, points) - images)
        if i < _ROUNDS - 3:
            weights = valid * floor / np.maximum(error, floor)
        else:
            sigma = np.maximum(_median(error, valid)[:, None] * _TO_SIGMA, floor / 4)
            weights = valid / (1.0 + (error / (3.0 * sigma)) ** 2) ** 2
        H = fit_homographies(points, images, np.maximum(weights, 1e-9 * valid))
    error = _lengths(apply_homographies(H, points) - images)
    sigma = np.maximum(_median(error, valid)[:, None] * _TO_SIGMA, floor / 4)
    trusted = valid & (error < _CUTOFF * sigma)
    return H, trusted


def poses_from_homographies(H: Array) -> tuple[Array, Array]:
    """Poses of the board from homographies into ideal image coordinates (Zhang 2000, section 3.1).

    Returns:
        R (V, 3, 3), the rotation nearest to the columns found, and t (V, 3), the board before the camera.
    """
    scale = 2.0 / np.maximum(
        np.linalg.norm(H[:, :, 0], axis=-1) + np.linalg.norm(H[:, :, 1], axis=-1), 1e-300
    )
    scale = np.where(H[:, 2, 2] < 0, -scale, scale)
    first, second, t = (H[:, :, i] * scale[:, None] for i in range(3))
    columns = np.stack([first, second, np.cross(first, second)], axis=-1)
    U, _, Vt = np.linalg.svd(columns)
    U[..., 2] *= np.linalg.det(U @ Vt)[:, None]
    return np.asarray(U @ Vt), t


def reversed_poses(R: Array, t: Array) -> Array:
    """(V, 3, 3) the other rotation that a small board seen from afar could have: its depth turned round."""
    line = t / np.linalg.norm(t, axis=-1, keepdims=True)
    mirror = np.eye(3) - 2.0 * line[:, :, None] * line[:, None, :]
    columns = mirror @ R[:, :, :2]
    return np.concatenate([columns, np.cross(columns[..., 0], columns[..., 1])[..., None]], axis=-1)


def _normalised(points: Array, weights: Array) -> tuple[Array, Array]:
    """Points about their mean with unit spread, and (V, 3, 3) the matrices that make them so."""
    total = np.maximum(weights.sum(axis=1), 1e-300)[:, None]
    mean = (points * weights[..., None]).sum(axis=1) / total
    scale = 1.0 / np.maximum(_spread(points, weights), 1e-300)
    T = np.zeros((len(points), 3, 3))
    T[:, 0, 0] = T[:, 1, 1] = scale
    T[:, :2, 2] = -scale[:, None] * mean
    T[:, 2, 2] = 1.0
    return (points - mean[:, None]) * scale[:, None, None], T


def _spread(points: Array, weights: Array) -> Array:
    """(V,) weighted root mean square distance from the mean, both directions together."""
    total = np.maximum(weights.sum(axis=1), 1e-300)[:, None]
    mean = (points * weights[..., None]).sum(axis=1) / total
    squares = ((points - mean[:, None]) ** 2).sum(axis=-1)
    return np.asarray(np.sqrt((squares * weights).sum(axis=1) / total[:, 0]))


def _median(values: Array, valid: Mask) -> Array:
    return np.asarray(np.nanmedian(np.where(valid, values, np.nan), axis=1))


def _lengths(vectors: Array) -> Array:
    return np.asarray(np.nan_to_num(np.hypot(vectors[..., 0], vectors[..., 1]), nan=1e9, posinf=1e9))
