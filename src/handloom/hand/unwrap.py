"""Texture coordinates for a hand that comes without: palm on one half of the picture, back on the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_MARGIN = 0.01


def two_sided_chart(template: Array, faces: NDArray[np.int64]) -> tuple[Array, NDArray[np.int64]]:
    """Lay out a flat hand as seen from the palm and from the back.

    Args:
        template: (V, 3) flat hand in its own frame, +z out of the palm.
        faces: (F, 3).

    Returns:
        uv: (2 V, 2) in [0, 1], first as seen from the palm (left half), then from the back (right half).
        uv_faces: (F, 3) indices into ``uv``.
    """
    low, size = template[:, :2].min(axis=0), np.ptp(template[:, :2], axis=0)
    scale = (1.0 - 2 * _MARGIN) / max(2 * size[0] + 2 * _MARGIN, size[1])
    flat = (template[:, :2] - low) * scale + _MARGIN
    # Seen from behind, right and left change places.
    back = np.stack([1.0 - flat[:, 0], flat[:, 1]], axis=-1)
    a, b, c = template[faces].transpose(1, 0, 2)
    behind = np.cross(b - a, c - a)[:, 2] < 0
    return np.concatenate([flat, back]), faces + len(template) * behind[:, None]
