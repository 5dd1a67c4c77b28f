"""What was seen of one hand in one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.errors import FitError

Array = NDArray[np.float64]

FEWEST_KEYPOINTS = 6
"""Fewer 2D keypoints than this do not say where a hand is."""

_NOISE = 0.018  # standard deviation of a 2D keypoint as a fraction of the hand's extent in the picture
_SMALLEST_SIGMA_PX = 0.5


@dataclass(frozen=True, eq=False)
class PictureEvidence:
    """What was seen of one hand in one picture.

    Attributes:
        xy: (21, 2) pixels, NaN where missing.
        confidence: (21,) in [0, 1]; all one without.
        sigma_px: standard deviation of a keypoint per axis; a fraction of the hand's extent without.
        world: (21, 3) the joints in space as the landmark network guesses them (``Reading.world``), in the
            axes of a camera that looks straight at the hand; place and size mean nothing.
        keypoints3d: (21, 3) the same from another source, such as a lifting network.
        sigma_world_m: standard deviation of these guesses per axis, at the size of the hand. The landmark
            network's are often turned in depth: they settle what the picture leaves open, no more.
    """

    xy: Array
    confidence: Array | None = None
    sigma_px: float | None = None
    world: Array | None = None
    keypoints3d: Array | None = None
    sigma_world_m: float = 0.030


def merged_guess(evidence: PictureEvidence) -> Array | None:
    """The guesses in space as one: their mean, centred and brought to one size."""
    guesses = [g for g in (evidence.world, evidence.keypoints3d) if g is not None]
    if not guesses:
        return None
    centred = [g - np.nanmean(g, axis=0) for g in guesses]
    sizes = [np.sqrt(np.nanmean(g**2)) for g in centred]
    if min(sizes) <= 0.0:
        raise FitError("The joints guessed in space all lie on one spot.", "Leave them out.")
    return np.asarray(np.mean([g * sizes[0] / s for g, s in zip(centred, sizes, strict=True)], axis=0))


def checked_sigma(evidence: PictureEvidence) -> float:
    """The standard deviation of the 2D keypoints, pixels.

    Raises:
        FitError: if arrays have other shapes, fewer than six keypoints were seen, or they lie on one spot.
    """
    for name, array, shape in (
        ("xy", evidence.xy, (21, 2)),
        ("confidence", evidence.confidence, (21,)),
        ("world", evidence.world, (21, 3)),
        ("keypoints3d", evidence.keypoints3d, (21, 3)),
    ):
        if array is not None and np.shape(array) != shape:
            raise FitError(
                f"{name} has shape {np.shape(array)}, expected {shape}.", "Give one hand's joints."
            )
    present = evidence.xy[np.isfinite(evidence.xy).all(axis=-1)]
    if len(present) < FEWEST_KEYPOINTS:
        raise FitError(
            f"Only {len(present)} keypoints of the hand were seen, at least {FEWEST_KEYPOINTS} are needed.",
            "Show more of the hand.",
        )
    extent = float(np.linalg.norm(np.ptp(present, axis=0)))
    if extent < 2.0:
        raise FitError(f"The keypoints lie within {extent:.1f} pixels.", "Show the hand larger.")
    return evidence.sigma_px or max(_NOISE * extent, _SMALLEST_SIGMA_PX)
