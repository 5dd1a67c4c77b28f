"""Crops of hands for training: where they lie, and how points, camera and joints in space follow.

A crop is a :class:`~handloom.detection.regions.Region` of the picture, perhaps mirrored. Turning or mirroring
a picture turns or mirrors the scene: with A the map from picture to crop, A K = K' R, where K' is again an
intrinsic matrix and R turns about the optical axis (or mirrors). In the new camera's axes the joints are then
R X, and K' projects them to where the crop shows them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.detection.colorhandpose.crop import around
from handloom.detection.regions import Region
from handloom.skeleton import HAND

Array = NDArray[np.float64]

PAPER_SIDE = 256
_MIRROR = np.diag([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class View:
    """A crop of a picture.

    Attributes:
        region: of the picture.
        size: of the crop, pixels.
        mirrored: whether the crop shows the region mirrored.
    """

    region: Region
    size: int
    mirrored: bool = False

    def to_image(self) -> Array:
        """(2, 3) from the crop's pixels to the picture's."""
        A = self.region.to_image(self.size)
        if not self.mirrored:
            return A
        return A @ np.array([[-1.0, 0, self.size], [0, 1, 0], [0, 0, 1]])

    def from_image(self) -> Array:
        """(3, 3) from the picture's pixels to the crop's."""
        return np.linalg.inv(np.vstack([self.to_image(), [0, 0, 1]]))

    def pixels(self, xy: Array) -> Array:
        """(..., 2) pixels of the crop of (..., 2) pixels of the picture."""
        A = self.from_image()
        return xy @ A[:2, :2].T + A[:2, 2]

    def side(self, side: str) -> str:
        """Which hand a hand is in the crop."""
        return {"left": "right", "right": "left"}.get(side, side) if self.mirrored else side


def seen_in(view: View, K: Array, xyz: Array) -> tuple[Array, Array]:
    """Intrinsics of a crop, and the joints in its camera's axes.

    Args:
        K: (3, 3) intrinsics of the picture.
        xyz: (..., 3) in the picture's camera.

    Returns:
        K' (3, 3), upper triangular with positive focal lengths, and R X (..., 3). NaN where K is.
    """
    if not np.isfinite(K).all():
        return np.full((3, 3), np.nan), np.full_like(xyz, np.nan)
    M = _MIRROR if view.mirrored else np.eye(3)
    B = view.from_image() @ K @ M
    # B's last row is (0, 0, 1), so its rotation is about the optical axis: the one that makes the row
    # (B10, B11) of the turned matrix (0, positive).
    length = np.hypot(B[1, 0], B[1, 1])
    s, c = B[1, 0] / length, B[1, 1] / length
    R = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    return B @ R.T, xyz @ (R @ M).T


def paper_region(
    xy: Array,
    visible: NDArray[np.bool_],
    image_size: tuple[int, int],
    rng: np.random.Generator | None = None,
    *,
    unit: float = 1.0,
) -> Region:
    """The crop on which Zimmermann & Brox (2017) train PoseNet and the lifting (§1.9).

    Around the middle finger's knuckle, so large that the visible joints fit, never larger than 256 pixels.

    Args:
        xy: (21, 2) pixels, NaN where not known.
        visible: (21,).
        image_size: (width, height) to which joints are clipped.
        rng: of the noise of centre, size and offset; without it there is none.
        unit: pixels of the picture in a pixel of the recorded one; the paper's lengths count the latter.
    """
    knuckle = xy[HAND.index("middle_mcp")]
    known = np.isfinite(xy).all(axis=-1) & visible
    if not np.isfinite(knuckle).all():
        anywhere = xy[np.isfinite(xy).all(axis=-1)]
        knuckle = anywhere.mean(axis=0) if len(anywhere) else 0.5 * np.asarray(image_size, np.float64)
    centre = knuckle.copy()
    if rng is not None:
        centre += unit * _truncated(rng, 20.0)
    size = 200.0
    if known.any():
        clipped = np.clip(xy[known], 0, np.asarray(image_size, np.float64) - 1)
        size = float(np.clip(2 * np.abs(clipped - centre).max() / unit, 50.0, 500.0))
    scale = float(np.clip(PAPER_SIDE / size, 1.0, 10.0))
    if rng is not None:
        scale *= rng.uniform(1.0, 1.2)
        centre += unit * _truncated(rng, 10.0)
    return Region(float(centre[0]), float(centre[1]), unit * PAPER_SIDE / scale)


def _truncated(rng: np.random.Generator, deviation: float) -> Array:
    """(2,) normal noise, drawn again beyond two deviations as TensorFlow's truncated normal does."""
    noise = rng.normal(size=2)
    while (outside := np.abs(noise) > 2).any():
        noise[outside] = rng.normal(size=int(outside.sum()))
    return deviation * noise


@dataclass(frozen=True)
class Scatter:
    """How crops of one hand differ from each other.

    Attributes:
        rotation_deg: the crop is turned by up to so much, either way.
        scale: its side is multiplied by something between these.
        shift: standard deviation of its centre, relative to its side.
        mirror: chance that it is mirrored.
    """

    rotation_deg: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    mirror: float = 0.0


def box_region(xy: Array, margin: float, angle: float = 0.0) -> Region:
    """The square around the known joints, turned by ``angle``: ``margin`` times their box's longer side."""
    return around(xy[np.isfinite(xy).all(axis=-1)], margin, angle)


def scattered(region: Region, size: int, scatter: Scatter, rng: np.random.Generator) -> View:
    """A crop near a region."""
    angle = np.deg2rad(rng.uniform(-1.0, 1.0) * scatter.rotation_deg)
    scale = float(np.exp(rng.uniform(*np.log(scatter.scale))))
    dx, dy = region.size * scatter.shift * np.clip(rng.normal(size=2), -2.0, 2.0)
    mirrored = rng.random() < scatter.mirror
    moved = Region(region.x + dx, region.y + dy, region.size * scale, region.angle + angle)
    return View(moved, size, mirrored)
