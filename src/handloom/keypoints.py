"""Keypoints in pixels and in space: validated arrays that know their joints.

Missing is NaN, confidence lies in [0, 1], leading batch axes are allowed everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.skeleton import Skeleton

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Track:
    """One hand or body through a recording.

    Attributes:
        subject: number of the person, from 0.
        target: ``"hand"`` or ``"body"``.
        side: ``"left"`` or ``"right"``, the person's own; ``"none"`` for a body.
    """

    subject: int
    target: str
    side: str = "none"

    @property
    def name(self) -> str:
        """A readable, unique name: ``subject0_right_hand``, ``subject1_body``."""
        part = self.target if self.side == "none" else f"{self.side}_{self.target}"
        return f"subject{self.subject}_{part}"


@dataclass(frozen=True, eq=False)
class Keypoints2D:
    """Keypoints in one or many pictures.

    Attributes:
        skeleton: the joints, in storage order.
        xy: (..., J, 2) pixels; NaN where missing.
        confidence: (..., J) in [0, 1]; 0 where missing.
    """

    skeleton: Skeleton
    xy: Array
    confidence: Array

    @classmethod
    def of(cls, skeleton: Skeleton, xy: ArrayLike, confidence: ArrayLike | None = None) -> Keypoints2D:
        """Build from anything array-like; without confidences every point present counts 1.

        Raises:
            ValueError: if a shape does not fit the skeleton or a confidence lies outside [0, 1].
        """
        points = np.asarray(xy, dtype=np.float64)
        _require(points.shape[-2:] == (len(skeleton), 2), f"xy must end in ({len(skeleton)}, 2)", points)
        seen = np.asarray(np.isfinite(points).all(axis=-1))
        weights = np.asarray(seen if confidence is None else confidence, dtype=np.float64)
        _require(weights.shape == points.shape[:-1], f"confidence must be {points.shape[:-1]}", weights)
        weights = np.asarray(np.where(seen, weights, 0.0))
        _require(bool(((weights >= 0) & (weights <= 1)).all()), "confidence must lie in [0, 1]", weights)
        return cls(skeleton, np.where(seen[..., None], points, np.nan), weights)

    def __getitem__(self, joint: str) -> Array:
        """(..., 2) pixels of one joint by name."""
        return self.xy[..., self.skeleton.index(joint), :]


@dataclass(frozen=True, eq=False)
class Keypoints3D:
    """Keypoints in space, with what is known of their error.

    Attributes:
        skeleton: the joints, in storage order.
        xyz: (..., J, 3) world coordinates in ``unit``; NaN where missing.
        covariance: (..., J, 3, 3) in ``unit``²; NaN where missing.
        views_used: (..., J) number of views each point rests on; 0 where it was filled or is missing.
        reprojection_px: (..., J) root mean square distance to the observations used; NaN without any.
        unit: ``"m"``, or what the rig says instead (``"board-square"``, ``"unknown"``).
    """

    skeleton: Skeleton
    xyz: Array
    covariance: Array
    views_used: NDArray[np.int64]
    reprojection_px: Array
    unit: str = "m"

    def __post_init__(self) -> None:
        points = self.xyz
        _require(
            points.shape[-2:] == (len(self.skeleton), 3), f"xyz must end in ({len(self.skeleton)}, 3)", points
        )
        _require(
            self.covariance.shape == (*points.shape, 3),
            f"covariance must be {(*points.shape, 3)}",
            self.covariance,
        )
        for name in ("views_used", "reprojection_px"):
            value = getattr(self, name)
            _require(value.shape == points.shape[:-1], f"{name} must be {points.shape[:-1]}", value)

    def __getitem__(self, joint: str) -> Array:
        """(..., 3) coordinates of one joint by name."""
        return self.xyz[..., self.skeleton.index(joint), :]

    def at(self, t: int | slice) -> Keypoints3D:
        """The keypoints at an index or in a range of the first batch axis."""
        return replace(
            self,
            xyz=self.xyz[t],
            covariance=self.covariance[t],
            views_used=self.views_used[t],
            reprojection_px=self.reprojection_px[t],
        )

    def bone_lengths(self) -> Array:
        """(..., B) length of every bone of the skeleton, in ``unit``; NaN where an end is missing."""
        parent, child = np.array(self.skeleton.bone_indices).T
        return np.linalg.norm(self.xyz[..., child, :] - self.xyz[..., parent, :], axis=-1)


def _require(condition: bool, rule: str, value: NDArray) -> None:
    if not condition:
        raise ValueError(f"{rule}, got shape {value.shape}")
