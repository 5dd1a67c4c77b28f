"""Score maps to joints in space (section 4 of the paper): canonical points, rotation, and which hand it is.

The networks are told the side. Where nothing says which it is, both are tried: a network that knows hands
explains the keypoints of a left hand worse as a right one's, for fingers would have to bend the wrong way. It
is the weaker evidence the flatter the hand: a flat hand's outline fits the back of one as well as the palm of
the other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.detection.colorhandpose.runtime import OnnxRuntime
from handloom.detection.colorhandpose.scoremaps import resized
from handloom.detection.colorhandpose.weights import Weights
from handloom.hand.canonical import Root, placed
from handloom.hand.kinematics import rotation_from_vector

Array = NDArray[np.float64]
Maps = NDArray[np.float32]

PHALANX_M = 0.0388
"""First phalanx of an average hand's middle finger, which is 1 in the canonical frame."""

SIDES = ("left", "right")
_MISFIT = 0.04
"""Difference of misfits, in extents of the hand, that makes one side e times as probable."""


class Lifting:
    """PosePrior and Viewpoint.

    Args:
        weights: with both networks.
        runtime: what computes them.

    Raises:
        ModelError: if a file is not what it should be.
    """

    def __init__(self, weights: Weights, runtime: OnnxRuntime = "onnx") -> None:
        self._prior = weights.load("poseprior", runtime)
        self._view = weights.load("viewpoint", runtime)
        self._root: Root = "wrist" if self._prior.metadata.get("root") == "wrist" else "palm"

    def lift(self, maps: Maps, side: str) -> Array:
        """(21, 3) joints, metres of an average hand around their middle, in the axes of the crop's camera.

        Args:
            maps: (21, n, n) score maps.
            side: ``"left"`` or ``"right"``.
        """
        hand = np.array([[side == "left", side == "right"]], np.float32)
        points = self._prior.run(resized(maps, self._prior.side)[None], hand)["canonical"][0]
        vector = self._view.run(resized(maps, self._view.side)[None], hand)["rotation"][0]
        R = rotation_from_vector(vector.astype(np.float64))
        xyz = placed(points, R, side, PHALANX_M, root=self._root)
        return xyz - xyz.mean(axis=0)

    def right(self, maps: Maps, xy: Array, confidence: Array) -> float:
        """The probability of a right hand, by how well each side explains the keypoints.

        Args:
            maps: (21, n, n) score maps.
            xy: (21, 2) keypoints decoded from them, pixels of the crop.
            confidence: (21,) weights.
        """
        left, right = (misfit(self.lift(maps, side), xy, confidence) for side in SIDES)
        return float(1.0 / (1.0 + np.exp((right - left) / _MISFIT)))


def misfit(xyz: Array, xy: Array, weight: Array) -> float:
    """How far (J, 3) joints, seen from far away and at any size, are from (J, 2) keypoints.

    Returns:
        The weighted RMS distance over the RMS extent of the keypoints: 0 fits, 1 explains nothing.
    """
    share = weight / max(float(weight.sum()), 1e-9)
    flat = xyz[:, :2] - share @ xyz[:, :2]
    seen = xy - share @ xy
    extent = float(share @ (seen**2).sum(axis=1))
    size = float(share @ (flat * seen).sum(axis=1)) / max(float(share @ (flat**2).sum(axis=1)), 1e-12)
    off = float(share @ ((seen - max(size, 0.0) * flat) ** 2).sum(axis=1))
    return float(np.sqrt(off / max(extent, 1e-12)))
