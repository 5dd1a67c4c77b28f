"""Figures of merit of a recording's keypoints, the same functions for both sides of every comparison."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def acceleration_rms(xyz: Array) -> float:
    """Root mean square length of the second difference over time, in units per frame².

    √mean ‖x(t+1) − 2 x(t) + x(t−1)‖² over all joints and all inner frames; the three coordinates are summed,
    not averaged. Second differences that touch a missing point do not count.

    Args:
        xyz: (T, J, 3), one row per frame, frames that follow each other.
    """
    squared = (np.diff(xyz, n=2, axis=0) ** 2).sum(axis=-1)
    return float(np.sqrt(np.nanmean(squared)))


def bone_lengths(xyz: Array, bones: tuple[tuple[int, int], ...]) -> Array:
    """(T, B) length of every bone, given as pairs of joint indices, in every frame."""
    parent, child = np.array(bones).T
    return np.asarray(np.linalg.norm(xyz[:, child] - xyz[:, parent], axis=-1))


def bone_length_variation(xyz: Array, bones: tuple[tuple[int, int], ...]) -> float:
    """Mean over the bones of their length's coefficient of variation over time, as a fraction.

    Standard deviation (population, no degree of freedom taken off) divided by mean, per bone; every bone
    counts the same, so the short ones of the fingertips weigh as much as the palm.

    Args:
        xyz: (T, J, 3).
        bones: pairs of joint indices; of a hand all twenty.
    """
    lengths = bone_lengths(xyz, bones)
    return float((np.nanstd(lengths, axis=0) / np.nanmean(lengths, axis=0)).mean())


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
