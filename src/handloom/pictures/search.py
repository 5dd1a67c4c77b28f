"""All hands of a picture: in the whole, in magnified parts, at the wrists of people, in a brightened copy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.detection import BodyDetector, Detector, Reading, Region, hands_of

Image = NDArray[np.uint8]

PART_PRESENCE = 0.9
"""What is found in a magnified part must be surer: there are many parts, and every one may mislead."""

PARTS = (0.6, 0.4, 0.27)  # side of the parts, of the picture's longer side
SMALLEST_PART_PX = 96
SETTLING = 3  # readings, each in the region of the one before
SAME_PLACE = (
    0.35  # overlap of regions, or distance of joints in extents, from which two readings are one hand
)
DARK, GAMMA = 110.0, 0.5


@dataclass(frozen=True, eq=False)
class Seen:
    """A hand found.

    Attributes:
        reading: in pixels of the picture.
        where: ``"whole"``, ``"body"``, ``"part"`` or ``"brightened"``: how it was found.
    """

    reading: Reading
    where: str


class HandSearch:
    """The networks that a search needs, loaded once."""

    def __init__(self, hands: Detector, bodies: BodyDetector) -> None:
        self.hands, self.bodies = hands, bodies

    def find(self, image: Image, limit: int, smallest_px: float) -> list[Seen]:
        """All hands of a (H, W, 3) RGB picture, surest first; at most ``limit``."""
        found: list[Seen] = []
        sure = self.hands.presence_threshold

        def keep(where: str, source: Image, regions: list[Region], presence: float) -> None:
            for region in regions:
                reading = self.settled(source, region)
                if reading.presence >= presence and extent(reading) >= smallest_px:
                    _add(found, Seen(reading, where))

        keep("whole", image, self.hands.find(image), sure)
        keep("body", image, self._wrists(image), sure)
        for regions in self._parts(image):
            keep("part", image, regions, PART_PRESENCE)
        if not found:
            bright = brightened(image)
            keep("brightened", bright, self.hands.find(bright), sure)
            keep("brightened", bright, self._wrists(bright), sure)
            for regions in self._parts(bright):
                keep("brightened", bright, regions, PART_PRESENCE)
        return sorted(found, key=lambda seen: -seen.reading.presence * extent(seen.reading))[:limit]

    def settled(self, image: Image, region: Region) -> Reading:
        """The reading after the region has followed the landmarks a few times."""
        reading = self.hands.read(image, region)
        for _ in range(SETTLING):
            if reading.presence < 0.2:
                break
            reading = self.hands.read(image, self.hands.region_of(reading.xy))
        return reading

    def people(self, image: Image) -> int:
        """How many people the search for bodies sees."""
        return len(self.bodies.find(image))

    def _wrists(self, image: Image) -> list[Region]:
        bodies = [self.bodies.read(image, region) for region in self.bodies.find(image)[:4]]
        return [region for body in bodies for region in hands_of(body)]

    def _parts(self, image: Image) -> Iterator[list[Region]]:
        for left, top, width, height in parts(image.shape[1], image.shape[0]):
            part = np.ascontiguousarray(image[top : top + height, left : left + width])
            yield [Region(r.x + left, r.y + top, r.size, r.angle) for r in self.hands.find(part)]


def extent(reading: Reading) -> float:
    """Diagonal of the box around the joints, pixels."""
    return float(np.linalg.norm(np.ptp(reading.xy, axis=0)))


def parts(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Overlapping squares (left, top, width, height) of several sizes that cover a picture."""
    for share in PARTS:
        side = share * max(width, height)
        if side < SMALLEST_PART_PX:
            return
        columns, rows = (int(np.ceil(max(length - side, 0) / (0.5 * side))) + 1 for length in (width, height))
        for left in np.linspace(0, max(width - side, 0), columns):
            for top in np.linspace(0, max(height - side, 0), rows):
                yield int(left), int(top), int(min(side, width)), int(min(side, height))


def brightened(image: Image) -> Image:
    """A copy with the shadows lifted and the noise that this brings taken back."""
    lifted = np.rint(255.0 * (image / 255.0) ** GAMMA).astype(np.uint8)
    return np.asarray(cv2.GaussianBlur(lifted, (0, 0), 0.8), dtype=np.uint8)


def _add(found: list[Seen], new: Seen) -> None:
    """Take a reading unless it is of a hand already found; the surer of the two stays."""
    for number, old in enumerate(found):
        if same_hand(old.reading, new.reading):
            if new.reading.presence > old.reading.presence + 0.05:
                found[number] = new
            return
    found.append(new)


def same_hand(a: Reading, b: Reading) -> bool:
    """Whether two readings are of one hand."""
    apart = np.linalg.norm(a.xy - b.xy, axis=1).mean() / max(extent(a), extent(b), 1e-9)
    return bool(apart < SAME_PLACE or a.region.overlap(b.region) > SAME_PLACE)
