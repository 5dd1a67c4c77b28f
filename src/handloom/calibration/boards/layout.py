"""Where the rest of a board must be, from the parts that were found."""

from __future__ import annotations

import numpy as np

from handloom.calibration.boards.board import Array

_NEAR = 0.8  # squares; points nearer than this count alike


def predict(known: Array, pixels: Array, weight: Array, wanted: Array) -> tuple[Array, Array]:
    """Carry points of the board into the picture by a homography that fits the neighbourhood of each best.

    A lens bends the board's lines, so the homography of one point is not that of another: each is fitted to
    all known points, the near ones counting most.

    Args:
        known: (M, 2) points in squares, M at least 4.
        pixels: (M, 2) where they were found.
        weight: (M,) how well.
        wanted: (N, 2) points in squares.

    Returns:
        (N, 2) pixels and (N, 2, 2) pixels per square along x and y, as columns.
    """
    middle, scale = pixels.mean(axis=0), pixels.std() + 1e-9
    x, y = ((pixels - middle) / scale).T
    uv = known[None] - wanted[:, None]  # (N, M, 2)
    w = weight / (_NEAR**2 + np.sum(uv**2, axis=-1)) ** 2
    u, v = uv[..., 0], uv[..., 1]
    one, zero = np.ones_like(u), np.zeros_like(u)
    rows_x = np.stack([u, v, one, zero, zero, zero, -u * x, -v * x], axis=-1)
    rows_y = np.stack([zero, zero, zero, u, v, one, -u * y, -v * y], axis=-1)
    rows = np.concatenate([rows_x, rows_y], axis=1)
    values = np.broadcast_to(np.concatenate([x, y]), rows.shape[:2])
    weighted = rows * np.concatenate([w, w], axis=1)[..., None]
    N = rows.transpose(0, 2, 1) @ weighted
    # a touch of stiffness: with few points the perspective is better taken as none
    stiff = np.zeros(8)
    stiff[6:] = 1e-4
    total = w.sum(axis=1)[:, None, None]
    N = N + (np.diag(stiff) + 1e-12 * np.eye(8)) * total
    h = np.linalg.solve(N, np.einsum("nmi,nm->ni", weighted, values)[..., None])[..., 0]
    a, b, c, d, e, f, g, k = h.T
    J = np.stack([np.stack([a - c * g, b - c * k], -1), np.stack([d - f * g, e - f * k], -1)], axis=-2)
    return np.stack([c, f], axis=-1) * scale + middle, J * scale
