"""Seeds 1 and 2: linear triangulation of one point, an SVD of the normal matrix AᵀA in scipy.

The baseline that ``benchmarks/triangulation.py`` times and that the seed's scripts in this folder use.
Stated from the seeds' description: two rows ``v·P₃ − P₂`` and ``P₁ − u·P₃`` per view, any number of views.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Array = NDArray[np.float64]


def triangulate_point(P: Sequence[Array], xy: Sequence[Sequence[float]]) -> Array:
    """(3,) world point seen at image positions ``xy`` by the cameras with 3×4 projection matrices ``P``."""
    rows = []
    for projection, (u, v) in zip(P, xy, strict=True):
        rows.append(v * projection[2, :] - projection[1, :])
        rows.append(projection[0, :] - u * projection[2, :])
    A = np.array(rows).reshape((-1, 4))
    _, _, Vh = linalg.svd(A.transpose() @ A, full_matrices=False)
    return np.asarray(Vh[3, 0:3] / Vh[3, 3])
