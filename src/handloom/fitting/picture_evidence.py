"""What was seen of one hand in one picture."""

from __future__ import annotations

from collections.abc import Sequence
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
class Guess:
    """The joints in space as a network guesses them; place and size mean nothing.

    Attributes:
        xyz: (21, 3) in the axes of a camera that looks straight at the hand (+X right, +Y down).
        sigma_m: standard deviation per axis, at the size of the hand.
        side: the hand it was made for, where it would be another for the other one.
    """

    xyz: Array
    sigma_m: float
    side: str | None = None


@dataclass(frozen=True, eq=False)
class PictureEvidence:
    """What was seen of one hand in one picture.

    Attributes:
        xy: (21, 2) pixels, NaN where missing.
        confidence: (21,) in [0, 1]; all one without.
        sigma_px: standard deviation of a keypoint per axis; a fraction of the hand's extent without.
        world: (21, 3) a guess of the joints in space: the landmark network's own (``Reading.world``).
        sigma_world_m: its standard deviation. It is often turned in depth: it settles what the picture leaves
            open, no more.
        guesses: others.
    """

    xy: Array
    confidence: Array | None = None
    sigma_px: float | None = None
    world: Array | None = None
    sigma_world_m: float = 0.030
    guesses: tuple[Guess, ...] = ()

    def guesses_for(self, side: str) -> list[Guess]:
        """All guesses in space that hold for a side."""
        own = [] if self.world is None else [Guess(self.world, self.sigma_world_m)]
        return [*own, *(guess for guess in self.guesses if guess.side in (None, side))]


def merged_guess(guesses: Sequence[Guess]) -> Guess | None:
    """The guesses in space as one: their mean, weighted by their precision, brought to one size.

    Networks that look at the same picture err together, so the mean is taken to be no surer than the surest.
    """
    if not guesses:
        return None
    centred = [g.xyz - np.nanmean(g.xyz, axis=0) for g in guesses]
    sizes = [np.sqrt(np.nanmean(x**2)) for x in centred]
    if min(sizes) <= 0.0:
        raise FitError("The joints guessed in space all lie on one spot.", "Leave them out.")
    weights = [g.sigma_m**-2 for g in guesses]
    xyz = np.average([x * sizes[0] / s for x, s in zip(centred, sizes, strict=True)], axis=0, weights=weights)
    return Guess(np.asarray(xyz), min(g.sigma_m for g in guesses))


def checked_sigma(evidence: PictureEvidence) -> float:
    """The standard deviation of the 2D keypoints, pixels.

    Raises:
        FitError: if arrays have other shapes, fewer than six keypoints were seen, or they lie on one spot.
    """
    for name, array, shape in (
        ("xy", evidence.xy, (21, 2)),
        ("confidence", evidence.confidence, (21,)),
        ("world", evidence.world, (21, 3)),
        *(("a guess in space", guess.xyz, (21, 3)) for guess in evidence.guesses),
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
