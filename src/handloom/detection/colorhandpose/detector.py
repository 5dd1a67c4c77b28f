"""ColorHandPose3D (Zimmermann & Brox 2017) as a detector: mask, crop, score maps, joints in space."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from handloom.detection.colorhandpose.crop import around, hands_in_mask, sampled
from handloom.detection.colorhandpose.lifting import Lifting
from handloom.detection.colorhandpose.runtime import OnnxRuntime, Tensor
from handloom.detection.colorhandpose.scoremaps import argmax, peaks, resized, soft_argmax
from handloom.detection.colorhandpose.weights import Weights, find_weights
from handloom.detection.detector import Reading
from handloom.detection.regions import Region, letterbox, upright_angle
from handloom.skeleton import HAND

Array = NDArray[np.float64]
Image = NDArray[np.uint8]
Decoding = Literal["soft", "argmax"]

MARGIN = 1.4
"""Side of a crop around keypoints, of the longer side of their box, where the weights do not say it."""

SURE_PEAK = 0.5
"""Mean peak of a hand's maps from which, without a head that says so, it is certainly there."""

WRIST, MIDDLE = HAND.indices(["wrist", "middle_mcp"])


class ColorHandPoseDetector:
    """HandSegNet, PoseNet, PosePrior and Viewpoint, on one thread and without torch.

    What is not in the weights is made up for: without a head for presence, the joints' mean confidence stands
    for it; without one for the side, the two lifted hands are compared (:mod:`.lifting`); without
    lifting networks there is no ``Reading.world``, and the side is then an even chance.

    Args:
        weights: a folder of exported networks; those handloom carries by default.
        runtime: ``"onnx"`` (onnxruntime) or ``"openvino"``.
        decoding: how PoseNet's maps become places where it does not say so itself: ``"soft"``, or
            ``"argmax"`` as in the paper.
        margin: side of a crop around keypoints, of the longer side of their box; as PoseNet says, or 1.4.
        upright: read hands in crops turned so that the fingers point up, once it is known where they point.

    Raises:
        ModelError: if networks are missing or are not what they should be.
    """

    skeleton = HAND
    noise = 0.04
    presence_threshold = 0.5

    def __init__(
        self,
        weights: str | Path | Weights | None = None,
        runtime: OnnxRuntime = "onnx",
        *,
        decoding: Decoding = "soft",
        margin: float | None = None,
        upright: bool = False,
    ) -> None:
        files = weights if isinstance(weights, Weights) else find_weights(weights)
        self._mask = files.load("handsegnet", runtime)
        self._pose = files.load("posenet", runtime)
        self._lifting = Lifting(files, runtime) if files.lifts else None
        self._decode = soft_argmax if decoding == "soft" else argmax
        self._upright = upright
        self._margin = margin or self._pose.margin or MARGIN

    def find(self, image: Image) -> list[Region]:
        """One region for every hand of the mask, largest first; see :meth:`Detector.find`."""
        size = (image.shape[1], image.shape[0])
        return [hand.region() for hand in hands_in_mask(*self.segment(image), size)]

    def segment(self, image: Image) -> tuple[Tensor, Region]:
        """Where hands are in a (H, W, 3) RGB picture.

        Returns:
            (n, n) probability of a hand, at the resolution that the network sees, and the upright square of
            the picture that it covers.
        """
        frame = letterbox((image.shape[1], image.shape[0]))
        side = self._mask.side
        logits = self._mask.run(_input(sampled(image, frame, side, replicate=False)))["logits"][0]
        margin = resized(logits[1:] - logits[:1], side)[0]
        return 1.0 / (1.0 + np.exp(-margin)), frame

    def read(self, image: Image, region: Region, side: str | None = None) -> Reading:
        """Read 21 keypoints; see :meth:`Detector.read`.

        Args:
            side: which hand it is, for the lifting, where that is known. ``Reading.right`` stays what the
                networks say.
        """
        px = self._pose.side
        found = self._pose.run(_input(sampled(image, region, px, replicate=False)))
        maps = found["maps"][0]
        confidence = peaks(maps)
        local = found["keypoints"][0].astype(np.float64) if "keypoints" in found else self._decode(maps, px)
        affine = region.to_image(px)
        xy = local @ affine[:, :2].T + affine[:, 2]
        presence = float(found["hand"][0]) if "hand" in found else confidence.mean() / SURE_PEAK
        presence = float(np.clip(presence, 0.0, 1.0))
        right = float(np.clip(found["right"][0], 0.0, 1.0)) if "right" in found else 0.5
        world = None
        if self._lifting is not None:
            if "right" not in found:
                right = self._lifting.right(maps, local, confidence)
            told = side or ("right" if right > 0.5 else "left")
            c, s = np.cos(region.angle), np.sin(region.angle)
            turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
            world = self._lifting.lift(maps, told) @ turn
        return Reading(xy, confidence, presence, right, region, world)

    def lift(self, maps: Tensor, side: str) -> Array | None:
        """(21, 3) joints in space of (21, n, n) score maps, as ``Reading.world``; None without networks."""
        return None if self._lifting is None else self._lifting.lift(maps, side)

    def region_of(self, xy: Array) -> Region:
        """The square around all keypoints; see :meth:`Detector.region_of`."""
        angle = upright_angle(xy[WRIST], xy[MIDDLE]) if self._upright else 0.0
        return around(xy, self._margin, angle)


def _input(crop: Image) -> Tensor:
    """(1, 3, H, W) RGB in [0, 1], what all image networks take."""
    return np.ascontiguousarray(np.moveaxis(crop, -1, 0)[None], np.float32) / np.float32(255.0)
