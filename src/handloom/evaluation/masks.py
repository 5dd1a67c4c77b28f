"""Masks against true masks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def mask_iou(
    mask: ArrayLike, target: ArrayLike, unknown: ArrayLike | None = None
) -> float | NDArray[np.float64]:
    """Pixels in both masks over pixels in either (Jaccard), of (..., H, W) masks.

    Args:
        mask, target: true inside.
        unknown: pixels that do not count.

    Returns:
        (...,) in [0, 1]; two empty masks agree: 1.
    """
    a, b = np.asarray(mask, bool), np.asarray(target, bool)
    if unknown is not None:
        counts = ~np.asarray(unknown, bool)
        a, b = a & counts, b & counts
    both, either = (a & b).sum(axis=(-1, -2)), (a | b).sum(axis=(-1, -2))
    iou = np.where(either > 0, both / np.where(either > 0, either, 1), 1.0)
    return iou if iou.ndim else float(iou)


def box_iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Area in both boxes over area in either, of (4,) left, top, right, bottom; NaN of two without extent."""
    shared = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0.0, None))
    union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared
    return float(shared / union) if union > 0 else float("nan")
