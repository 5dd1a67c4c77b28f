"""Which poses hands take: Gaussians over the 45 joint angles.

Keypoints leave a third of the angles almost unobserved, and their noise goes into the rest; what is known of
poses beforehand removes more of it than any solver can (algorithms.md §10.4).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.hand import HandModel
from handloom.hand.articulation import ANGLES

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PosePrior:
    """A mixture of Gaussians over the joint angles, of which a fit takes the likeliest.

    Attributes:
        mean: (M, 45) radians, in the storage order of the angles.
        covariance: (M, 45, 45).
        weight: (M,) mixture weights, of sum one.
        metadata: what the numbers were learned from.

    Raises:
        ValueError: for arrays of other shapes or a covariance that is not positive definite.
    """

    mean: Array
    covariance: Array
    weight: Array
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        M = len(self.weight)
        if self.mean.shape != (M, ANGLES) or self.covariance.shape != (M, ANGLES, ANGLES):
            raise ValueError(f"prior of {M} components has shapes {self.mean.shape}, {self.covariance.shape}")
        if not (np.linalg.eigvalsh(self.covariance) > 0.0).all():
            raise ValueError("a covariance of the pose prior is not positive definite")

    @property
    def precision(self) -> Array:
        """(M, 45, 45) inverse covariances."""
        inverse = np.linalg.inv(self.covariance)
        return np.asarray(0.5 * (inverse + np.swapaxes(inverse, -1, -2)), dtype=np.float64)

    @property
    def offset(self) -> Array:
        """(M,) ½ log det Σ − log weight above that of the lightest component."""
        total = np.asarray(0.5 * np.linalg.slogdet(self.covariance)[1] - np.log(self.weight), np.float64)
        return total - total.min()

    def distance(self, angles: ArrayLike) -> Array:
        """(...,) Mahalanobis distance of (..., 15, 3) angles from the nearest component."""
        A = np.asarray(angles, dtype=np.float64)
        d = A.reshape(*A.shape[:-2], 1, ANGLES) - self.mean
        return np.sqrt(np.einsum("...ma,mab,...mb->...m", d, self.precision, d).min(axis=-1))


def gaussian_prior(
    samples: ArrayLike,
    weights: ArrayLike,
    floor: ArrayLike,
    metadata: dict[str, Any] | None = None,
) -> PosePrior:
    """One Gaussian with the moments of weighted samples.

    Args:
        samples: (n, 15, 3) angles.
        weights: (n,).
        floor: (45,) standard deviations added in quadrature: what the samples may lack.
        metadata: where the samples come from.
    """
    A = np.asarray(samples, dtype=np.float64).reshape(-1, ANGLES)
    w = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    mean = w @ A
    covariance = (w[:, None] * (A - mean)).T @ (A - mean)
    return PosePrior(mean[None], (covariance + np.diag(np.square(floor)))[None], np.ones(1), metadata or {})


def range_prior(model: HandModel, widen: float = 1.0) -> PosePrior:
    """What the joint limits alone say: every angle on its own, around the middle of its range.

    It hardly moves what is observed and holds what is not. Angles stay independent of each other, so the
    fingers of a frame are solved one by one.

    Args:
        model: its limits are used.
        widen: standard deviation as a multiple of half the range.
    """
    limits = model.limits.reshape(ANGLES, 2)
    half = np.maximum(0.5 * (limits[:, 1] - limits[:, 0]), 1e-3)
    return PosePrior(
        limits.mean(axis=1)[None],
        np.diag(np.square(widen * half))[None],
        np.ones(1),
        {"source": "joint limits"},
    )


@cache
def recorded_prior() -> PosePrior:
    """The prior learned from recorded and generated poses (``scripts/build_pose_prior.py``)."""
    with (files("handloom.fitting") / "pose_prior.npz").open("rb") as file:
        z = dict(np.load(file, allow_pickle=False))
    return PosePrior(
        z["mean"].astype(np.float64),
        z["covariance"].astype(np.float64),
        z["weight"].astype(np.float64),
        json.loads(str(z["metadata"])),
    )
