"""What the pictures of a session are drawn from: residuals, accelerations, deviations of bones.

NaN marks what cannot be known, and every mean is over what is present.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import CameraRig
from handloom.keypoints import Array
from handloom.skeleton import LIMBS, Skeleton


def mean_present(values: NDArray, axis: int | tuple[int, ...] | None = None) -> Array:
    """Mean over the finite entries; NaN where there are none, without a warning."""
    present = np.isfinite(values)
    count = np.asarray(present.sum(axis=axis))
    total = np.asarray(np.where(present, values, 0.0).sum(axis=axis), dtype=np.float64)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def rms_present(values: NDArray, axis: int | tuple[int, ...] | None = None) -> Array:
    """Root mean square over the finite entries; NaN where there are none."""
    return np.sqrt(mean_present(np.square(values), axis))


def residuals_px(rig: CameraRig, xy: Array, xyz: Array) -> Array:
    """Distance from every observation to the projection of its 3D point.

    Args:
        rig: C cameras.
        xy: (C, T, J, 2) observed pixels.
        xyz: (T, J, 3) world points.

    Returns:
        (C, T, J) pixels; NaN where either is missing.
    """
    return np.linalg.norm(xy - rig.project(xyz), axis=-1)


def extents_px(xy: Array) -> Array:
    """(..., ) diagonal of the box around the points present in (..., J, 2); NaN for fewer than two."""
    present = np.asarray(np.isfinite(xy).all(axis=-1, keepdims=True))
    low = np.where(present, xy, np.inf).min(axis=-2)
    high = np.where(present, xy, -np.inf).max(axis=-2)
    enough = present[..., 0].sum(axis=-1) >= 2
    return np.where(enough, np.linalg.norm(np.where(enough[..., None], high - low, 0.0), axis=-1), np.nan)


def accelerations(xyz: Array, frames: NDArray[np.int64]) -> Array:
    """(T-2, J) length of the second difference per frame², in the unit of ``xyz``; NaN across gaps."""
    second = np.linalg.norm(xyz[2:] - 2.0 * xyz[1:-1] + xyz[:-2], axis=-1)
    consecutive = (frames[2:] - frames[:-2]) == 2
    return np.where(consecutive[:, None], second, np.nan)


def rigid_bones(skeleton: Skeleton) -> dict[str, list[int]]:
    """The bones whose length a person keeps, as indices into the skeleton's bones, by finger or limb."""
    if skeleton.name == "hand":
        groups: dict[str, list[int]] = {}
        for index, (_, child) in enumerate(skeleton.bones):
            groups.setdefault(child.split("_")[0], []).append(index)
        return groups
    part = {"shoulder": "upper arm", "elbow": "forearm", "hip": "thigh", "knee": "shin"}
    return {
        f"{parent.split('_')[0]} {part[parent.split('_')[1]]}": [skeleton.bones.index((parent, child))]
        for parent, child in LIMBS
    }
