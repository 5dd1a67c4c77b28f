"""ColorHandPose3D (Zimmermann & Brox 2017) as a detector: mask, crop, score maps, joints in space."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.detection.colorhandpose.crop import (
    THRESHOLD,
    around,
    from_image,
    hands_in_mask,
    sampled,
)
from handloom.detection.colorhandpose.lifting import Lifting
from handloom.detection.colorhandpose.runtime import OnnxRuntime, Tensor
from handloom.detection.colorhandpose.scoremaps import argmax, peaks, resized, soft_argmax
from handloom.detection.colorhandpose.search import Candidate, closer, distinct, uncut
from handloom.detection.colorhandpose.weights import Weights, find_weights
from handloom.detection.detector import Reading
from handloom.detection.regions import Region, letterbox, upright_angle
from handloom.skeleton import HAND

Array = NDArray[np.float64]
Image = NDArray[np.uint8]
Decoding = Literal["soft", "argmax"]

MARGIN = 1.4
"""Side of a crop around keypoints, of the longer side of their box, where the weights do not say it."""

SURE_PEAK, SURE_PEAK_ALONE = 0.8, 0.5
"""Mean peak of a hand's maps from which it is certainly there; the latter where no head for presence has a
say, for maps of the paper's kind, which are low at hidden joints."""

CLEAR_PEAK = 0.55
"""Mean peak from which the picture need not be looked at closer."""

CANDIDATES, IN_A_PART = 8, 2
"""So many of a mask's components are looked at; of the mask of a part of the picture fewer."""

_LEAST = 50 / 256**2
"""Of the mask's area: smaller components are too small for PoseNet, and larger in a part of the picture."""
_GAP = 1 / 128  # the published code's joins a hand to the face beside it
_WORTH = 0.75  # side of a part that is looked at again, of the pixels that the mask's network sees

WRIST, MIDDLE = HAND.indices(["wrist", "middle_mcp"])


class ColorHandPoseDetector:
    """HandSegNet, PoseNet, PosePrior and Viewpoint, on one thread and without torch.

    Presence is the joints' mean confidence, times what the head for presence says. What is not in the weights
    is made up for: without that head, confidence alone counts; without one for the side, the two lifted hands
    are compared (:mod:`.lifting`); without lifting networks there is no ``Reading.world``, and the side is
    then an even chance.

    Args:
        weights: a folder of exported networks; those handloom carries by default.
        runtime: ``"onnx"`` (onnxruntime) or ``"openvino"``.
        decoding: how PoseNet's maps become places where it does not say so itself: ``"soft"``, or
            ``"argmax"`` as in the paper.
        margin: side of a crop around keypoints, of the longer side of their box; as PoseNet says, or 1.4.
        upright: read hands in crops turned so that the fingers point up, once it is known where they point;
            without a word, the small PoseNet does, which has learnt such crops, and the paper's does not.
        mirrored: read every crop once more in a mirror, and take the mean; takes twice as long.

    Raises:
        ModelError: if networks are missing or are not what they should be.
    """

    skeleton = HAND
    noise = 0.04
    presence_threshold = 0.7
    """Chosen on photographs of people: below it are more sleeves and curtains than hands."""

    def __init__(
        self,
        weights: str | Path | Weights | None = None,
        runtime: OnnxRuntime = "onnx",
        *,
        decoding: Decoding = "soft",
        margin: float | None = None,
        upright: bool | None = None,
        mirrored: bool = False,
    ) -> None:
        files = weights if isinstance(weights, Weights) else find_weights(weights)
        self._mask = files.load("handsegnet", runtime)
        self._pose = files.load("posenet", runtime)
        self._lifting = Lifting(files, runtime) if files.lifts else None
        self._decode = soft_argmax if decoding == "soft" else argmax
        self._upright = self._pose.metadata.get("variant") == "small" if upright is None else upright
        self._mirrored = mirrored
        self._margin = margin or self._pose.margin or MARGIN

    def find(self, image: Image) -> list[Region]:
        """One region for every hand of the mask, surest first; see :meth:`Detector.find`.

        Around the joints that PoseNet saw there, if hands are read in upright crops; else around the mask.
        """
        found = self.candidates(image)
        return [self.region_of(one.xy) if self._upright else one.hand.region() for one in found]

    def candidates(self, image: Image) -> list[Candidate]:
        """Components of the mask of a (H, W, 3) RGB picture, those first in which PoseNet is surest of the
        joints: a mask alone is deceived by cloth more often. Where it is sure in none, parts of the picture
        are looked at more closely, one after the other until it is."""
        size = (image.shape[1], image.shape[0])
        whole, frame = self.segment(image)
        found = self._judged(image, whole, frame, CANDIDATES)
        parts = iter(closer(size, _WORTH * self._mask.side, whole, frame))
        while not any(one.sure >= CLEAR_PEAK for one in found) and (part := next(parts, None)):
            found += self._judged(image, self._masked(image, part), part, IN_A_PART)
        return distinct(found)

    def _judged(self, image: Image, mask: Tensor, square: Region, limit: int) -> list[Candidate]:
        """The largest components of the mask of a square, and what PoseNet sees in each."""
        size, px = (image.shape[1], image.shape[0]), self._pose.side
        judged = []
        for hand in hands_in_mask(mask, square, size, gap=_GAP)[:limit]:
            if hand.mass >= _LEAST and uncut(hand, square, size):
                region = hand.region()
                seen = self._look(sampled(image, region, px, replicate=False))
                xy = _in_picture(seen.local, region, px)
                judged.append(Candidate(hand, float(peaks(seen.maps).mean()), xy))
        return judged

    def segment(self, image: Image) -> tuple[Tensor, Region]:
        """Where hands are in a (H, W, 3) RGB picture.

        Returns:
            (n, n) probability of a hand, at the resolution that the network sees, and the upright square of
            the picture that it covers.
        """
        frame = letterbox((image.shape[1], image.shape[0]))
        return self._masked(image, frame), frame

    def mask(self, image: Image) -> NDArray[np.bool_]:
        """(H, W) where hands are in a (H, W, 3) RGB picture, at its own resolution."""
        probability, frame = self.segment(image)
        back, size = from_image(frame, len(probability)), (image.shape[1], image.shape[0])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(probability, back, size, flags=flags) > THRESHOLD)

    def _masked(self, image: Image, square: Region) -> Tensor:
        """(n, n) probability of a hand in a square of a picture."""
        side = self._mask.side
        logits = self._mask.run(_input(sampled(image, square, side, replicate=False)))["logits"][0]
        margin = resized(logits[1:] - logits[:1], side)[0]
        return 1.0 / (1.0 + np.exp(-margin))

    def read(self, image: Image, region: Region, side: str | None = None) -> Reading:
        """Read 21 keypoints; see :meth:`Detector.read`.

        Args:
            side: which hand it is, for the lifting, where that is known. ``Reading.right`` stays what the
                networks say.
        """
        px = self._pose.side
        crop = sampled(image, region, px, replicate=False)
        seen = self._look(crop)
        if self._mirrored:
            seen = seen.mean_with(self._look(np.ascontiguousarray(crop[:, ::-1])).in_mirror(px))
        maps, local = seen.maps, seen.local
        confidence = peaks(maps)
        xy = _in_picture(local, region, px)
        # The head alone takes much for a hand in which no joint has a place.
        head, sure = (1.0, SURE_PEAK_ALONE) if seen.hand is None else (seen.hand, SURE_PEAK)
        presence = float(np.clip(head * min(float(confidence.mean()) / sure, 1.0), 0.0, 1.0))
        right = 0.5 if seen.right is None else float(np.clip(seen.right, 0.0, 1.0))
        world = None
        if self._lifting is not None:
            if seen.right is None:
                right = self._lifting.right(maps, local, confidence)
            told = side or ("right" if right > 0.5 else "left")
            c, s = np.cos(region.angle), np.sin(region.angle)
            turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
            world = self._lifting.lift(maps, told) @ turn
        return Reading(xy, confidence, presence, right, region, world)

    def _look(self, crop: Image) -> _Seen:
        """One pass of PoseNet over a (side, side, 3) crop."""
        found = self._pose.run(_input(crop))
        maps = found["maps"][0]
        told = found.get("keypoints")
        local = self._decode(maps, len(crop)) if told is None else told[0].astype(np.float64)
        hand, right = (float(found[key][0]) if key in found else None for key in ("hand", "right"))
        return _Seen(maps, local, hand, right)

    def lift(self, maps: Tensor, side: str) -> Array | None:
        """(21, 3) joints in space of (21, n, n) score maps, as ``Reading.world``; None without networks."""
        return None if self._lifting is None else self._lifting.lift(maps, side)

    def region_of(self, xy: Array) -> Region:
        """The square around all keypoints; see :meth:`Detector.region_of`."""
        angle = upright_angle(xy[WRIST], xy[MIDDLE]) if self._upright else 0.0
        return around(xy, self._margin, angle)


@dataclass(frozen=True, eq=False)
class _Seen:
    """What PoseNet says of a crop: (21, n, n) maps, (21, 2) places in its pixels, and, where it has heads for
    them, whether there is a hand and whether it is a right one."""

    maps: Tensor
    local: Array
    hand: float | None
    right: float | None

    def in_mirror(self, side: int) -> _Seen:
        """The same of the mirrored crop, ``side`` pixels wide."""
        local = self.local * [-1.0, 1.0] + [side - 1.0, 0.0]
        return _Seen(self.maps[..., ::-1], local, self.hand, None if self.right is None else 1.0 - self.right)

    def mean_with(self, other: _Seen) -> _Seen:
        """The mean of what was seen of one crop twice."""
        return _Seen(
            np.asarray((self.maps + other.maps) / 2, np.float32),
            (self.local + other.local) / 2,
            None if self.hand is None or other.hand is None else (self.hand + other.hand) / 2,
            None if self.right is None or other.right is None else (self.right + other.right) / 2,
        )


def _in_picture(local: Array, region: Region, side: int) -> Array:
    """(21, 2) pixels of the picture of such of a crop, ``side`` pixels wide."""
    affine = region.to_image(side)
    return np.asarray(local @ affine[:, :2].T + affine[:, 2])


def _input(crop: Image) -> Tensor:
    """(1, 3, H, W) RGB in [0, 1], what all image networks take."""
    return np.ascontiguousarray(np.moveaxis(crop, -1, 0)[None], np.float32) / np.float32(255.0)
