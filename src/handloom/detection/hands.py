"""The hand networks of MediaPipe (Zhang et al. 2020): a palm search and 21 landmarks in a region.

Every constant follows the published graphs; see ``docs/conventions.md`` for what "right" means here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.detection.detector import Reading
from handloom.detection.models import model_path
from handloom.detection.regions import Region, letterbox, upright_angle
from handloom.detection.runtime import Runtime, load_network
from handloom.detection.single_shot import anchor_centres, decode
from handloom.skeleton import BODY, HAND

Array = NDArray[np.float64]

PALM_GRIDS = ((24, 2), (12, 6))
PALM_WRIST, PALM_MIDDLE = 0, 2
STABLE = HAND.indices(
    ["wrist", "thumb_cmc", "thumb_mcp", "thumb_ip"]
    + [f"{finger}_{joint}" for finger in ("index", "middle", "ring", "little") for joint in ("mcp", "pip")]
)
"""The joints that place the next region: those that move little when fingers bend."""

BODY_CONFIDENCE = 0.3
"""Least certainty of a body's wrist and knuckles that is worth a look for the hand."""

FEATURES = "model_1/model/global_average_pooling2d/Mean"
"""The tensor of the full landmark network from which landmarks, presence and side are read linearly."""

WRIST, INDEX, MIDDLE, RING = HAND.indices(["wrist", "index_mcp", "middle_mcp", "ring_mcp"])


class HandDetector:
    """Palm search and hand landmarks.

    Args:
        runtime: ``"litert"`` or ``"openvino"``.
        lite: use the smaller, faster and less exact networks.
        features: give what the landmarks are read from as well (``Reading.features``), for the landmark head
            of :mod:`handloom.lifting`; of the full network only.

    Raises:
        ModelError: if the weights cannot be fetched or are not the ones expected.
    """

    skeleton = HAND
    presence_threshold = 0.5
    palm_threshold = 0.5
    noise = 0.010

    def __init__(self, runtime: Runtime = "litert", *, lite: bool = False, features: bool = False) -> None:
        size = "lite" if lite else "full"
        self._palm = load_network(model_path(f"palm_detection_{size}"), runtime)
        inner = FEATURES if features and not lite else None
        self._landmarks = load_network(model_path(f"hand_landmark_{size}"), runtime, inner)
        self._anchors = anchor_centres(PALM_GRIDS)

    def find(self, image: NDArray[np.uint8]) -> list[Region]:
        """Search a whole picture for palms; see :meth:`Detector.find`."""
        frame = letterbox((image.shape[1], image.shape[0]))
        side = self._palm.side
        values, logits = self._palm(frame.crop(image, side, replicate=False))
        boxes = decode(values[0], logits[0, :, 0], self._anchors, side, threshold=self.palm_threshold)
        corner = np.array([frame.x, frame.y]) - frame.size / 2
        regions = []
        for box in boxes:
            keypoints = corner + box.keypoints * frame.size
            angle = upright_angle(keypoints[PALM_WRIST], keypoints[PALM_MIDDLE])
            centre, extent = corner + box.centre * frame.size, box.extent * frame.size
            regions.append(_grown(centre, extent, angle, shift=-0.5, scale=2.6))
        return regions

    def read(self, image: NDArray[np.uint8], region: Region) -> Reading:
        """Read 21 landmarks; see :meth:`Detector.read`."""
        side = self._landmarks.side
        landmarks, presence, handedness, world, *inner = self._landmarks(region.crop(image, side))
        affine = region.to_image(side)
        xy = landmarks.reshape(-1, 3)[:, :2].astype(np.float64) @ affine[:, :2].T + affine[:, 2]
        present = float(presence[0, 0])
        # The network was trained on mirrored pictures: its "left" is the right hand of an ordinary one.
        right = float(handedness[0, 0])
        upright = world.reshape(-1, 3).astype(np.float64)
        c, s = np.cos(region.angle), np.sin(region.angle)
        turned = upright @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        features = inner[0].ravel() if inner else None
        return Reading(xy, np.full(len(HAND), present), present, right, region, turned, features)

    def region_of(self, xy: Array) -> Region:
        """The rotated square around the stable joints; see :meth:`Detector.region_of`."""
        knuckles = ((xy[INDEX] + xy[RING]) / 2 + xy[MIDDLE]) / 2
        angle = upright_angle(xy[WRIST], knuckles)
        c, s = np.cos(angle), np.sin(angle)
        upright = np.array([[c, -s], [s, c]])
        local = xy[STABLE] @ upright
        low, high = local.min(axis=0), local.max(axis=0)
        return _grown(upright @ ((low + high) / 2), high - low, angle, shift=-0.1, scale=2.0)


def hands_of(body: Reading) -> list[Region]:
    """Where the hands of a body are to be read: they are often too small for the palm search."""
    regions = []
    for side in ("left", "right"):
        wrist, index, little = BODY.indices([f"{side}_wrist", f"{side}_index", f"{side}_little"])
        if body.confidence[[wrist, index, little]].min() < BODY_CONFIDENCE:
            continue
        knuckle = (2 * body.xy[index] + body.xy[little]) / 3
        extent = np.full(2, 2 * np.linalg.norm(knuckle - body.xy[wrist]))
        angle = upright_angle(body.xy[wrist], knuckle)
        regions.append(_grown(knuckle, extent, angle, shift=-0.1, scale=2.7))
    return regions


def _grown(centre: Array, extent: Array, angle: float, *, shift: float, scale: float) -> Region:
    """A square on the longer side of a rotated box, moved along its height and enlarged."""
    lift = extent[1] * shift
    x = centre[0] - lift * np.sin(angle)
    y = centre[1] + lift * np.cos(angle)
    return Region(float(x), float(y), float(extent.max() * scale), angle)
