"""From a mask to the crops that PoseNet reads, and exactly back (Zimmermann & Brox 2017, section 3.2).

The paper crops around the one component of the mask that holds its surest pixel. Here every component is a
hand. Components are as in the published code, whose region growing jumps over gaps: pixels belong together
if a chain of hand pixels joins them whose links are at most so many columns and rows apart.

Pixel (0, 0) is the centre of the top-left pixel, so cell i of a map that is s times coarser than a crop
covers the crop's pixels s·i to s·i + s − 1, and its centre is s·(i + ½) − ½. Crops are regions of the
picture: :meth:`Region.to_image` is the map that sampled them, and :func:`from_image` its inverse.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.detection.regions import Region

Array = NDArray[np.float64]
Image = NDArray[np.uint8]
Map = NDArray[np.float32]

THRESHOLD = 0.5
MARGIN = 1.25
"""Side of a crop, of the longer side of the mask's box."""
GAP = 1 / 32
"""Links over gaps, of the mask's side: 10 of the 320 pixels of the paper."""
LEAST_SHARE = 4e-4
"""Of the mask's area; smaller components are no hands."""
SMALLEST_CROP_PX = 8.0


@dataclass(frozen=True, eq=False)
class MaskedHand:
    """One component of a mask.

    Attributes:
        box: (4,) left, top, right, bottom edge, pixels of the picture.
        certainty: greatest probability in it.
        mass: sum of its probabilities, in shares of the mask's area.
    """

    box: Array
    certainty: float
    mass: float

    def region(self, margin: float = MARGIN) -> Region:
        """The square crop about the box."""
        left, top, right, bottom = self.box
        side = max(right - left, bottom - top, SMALLEST_CROP_PX / margin)
        return Region(float(left + right) / 2, float(top + bottom) / 2, float(margin * side))


def hands_in_mask(
    probability: Map,
    frame: Region,
    image_size: tuple[int, int],
    *,
    threshold: float = THRESHOLD,
    gap: float = GAP,
) -> list[MaskedHand]:
    """The components of a mask, largest mass first.

    Args:
        probability: (n, n) of a hand, for the pixels of an n-pixel crop of ``frame``.
        frame: the upright square of the picture that the mask shows.
        image_size: (width, height) of the picture; what the mask says beyond it does not count.
        threshold: a cell above it is a hand's.
        gap: longest link, of the mask's side.
    """
    side = len(probability)
    cell = frame.size / side
    corner = np.array([frame.x - frame.size / 2, frame.y - frame.size / 2])
    limits = np.array(image_size) - 0.5
    centres = corner[:, None] + cell * np.arange(side)
    inside = [(c > -0.5) & (c < limit) for c, limit in zip(centres, limits, strict=True)]
    weight = np.where(inside[1][:, None] & inside[0], probability, 0.0)
    hand = (weight > threshold).astype(np.uint8)
    # Boxes of g cells touch exactly if their first cells are at most g apart.
    reach = max(1, round(gap * side))
    joined = cv2.dilate(hand, np.ones((reach, reach), np.uint8), borderValue=0)
    _, labels = cv2.connectedComponents(joined, connectivity=8)
    rows, columns = np.nonzero(hand)
    own, values = labels[rows, columns], weight[rows, columns]
    found = []
    for label in np.flatnonzero(np.bincount(own) >= LEAST_SHARE * side * side):
        members = own == label
        x, y, mass = columns[members], rows[members], values[members]
        low = corner + cell * (np.array([x.min(), y.min()]) - 0.5)
        high = corner + cell * (np.array([x.max(), y.max()]) + 0.5)
        box = np.concatenate([np.maximum(low, -0.5), np.minimum(high, limits)])
        found.append(MaskedHand(box, float(mass.max()), float(mass.sum()) / side**2))
    return sorted(found, key=lambda one: -one.mass)


def around(xy: Array, margin: float, angle: float = 0.0) -> Region:
    """The square around (J, 2) keypoints, turned by ``angle``: ``margin`` times their box's longer side."""
    c, s = np.cos(angle), np.sin(angle)
    turned = np.array([[c, -s], [s, c]])
    local = xy @ turned
    low, high = local.min(axis=0), local.max(axis=0)
    x, y = turned @ ((low + high) / 2)
    side = max(float((high - low).max()), SMALLEST_CROP_PX / margin)
    return Region(float(x), float(y), margin * side, angle)


def from_image(region: Region, side: int) -> Array:
    """(2, 3) affine map from the pixels of the picture to those of a crop: inverts ``region.to_image``."""
    A = region.to_image(side)
    inverse = np.linalg.inv(A[:, :2])
    return np.column_stack([inverse, -inverse @ A[:, 2]])


def sampled(image: Image, region: Region, side: int, *, replicate: bool) -> Image:
    """A ``side`` × ``side`` crop as :meth:`Region.crop` takes it, but where that would skip pixels (many fall
    into one of the crop's) they are averaged first.

    Args:
        image: (H, W, 3) uint8 RGB.
        region: what to show.
        side: of the crop, pixels.
        replicate: whether the border repeats outside the picture; black otherwise.
    """
    factor = region.size / side
    if factor <= 1.5:
        return region.crop(image, side, replicate=replicate)
    height, width = image.shape[:2]
    half = region.size * (abs(np.cos(region.angle)) + abs(np.sin(region.angle))) / 2 + 2 * factor
    left, top = max(int(region.x - half), 0), max(int(region.y - half), 0)
    right, bottom = min(int(region.x + half) + 1, width), min(int(region.y + half) + 1, height)
    if right - left < 2 or bottom - top < 2:
        return region.crop(image, side, replicate=replicate)
    part = image[top:bottom, left:right]
    size = max(1, round((right - left) / factor)), max(1, round((bottom - top) / factor))
    small = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    # Edges go to edges, so it is pixel + ½ that is scaled.
    scale = np.array(size) / (right - left, bottom - top)
    A = region.to_image(side)
    A[:, 2] += 0.5 - np.array([left, top])
    A = scale[:, None] * A
    A[:, 2] -= 0.5
    border = cv2.BORDER_REPLICATE if replicate else cv2.BORDER_CONSTANT
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(small, A, (side, side), flags=flags, borderMode=border)  # type: ignore[return-value]
