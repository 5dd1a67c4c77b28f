"""Reprojection as the seeds measure it, the same functions for both sides of every comparison."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def project_pinhole(xyz: Array, K: Array, T_camera_world: Array) -> Array:
    """(..., 2) pixels through K [R|t] alone: the seeds know no lens distortion, nor does their figure."""
    camera = xyz @ T_camera_world[:3, :3].T + T_camera_world[:3, 3]
    pixels = camera @ K.T
    return np.asarray(pixels[..., :2] / pixels[..., 2:])


def reprojection_rms(projected: Array, observed: Array) -> float:
    """Root mean square distance in pixels between projected and observed points of one view.

    √mean ‖projected − observed‖² over all joints and frames, both coordinates summed. What is missing in
    either does not count.

    Args:
        projected: (T, J, 2) pixels.
        observed: (T, J, 2) raw detections in pixels, before any filter.
    """
    return float(np.sqrt(np.nanmean(((projected - observed) ** 2).sum(axis=-1))))
