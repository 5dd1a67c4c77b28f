"""The body networks of MediaPipe (BlazePose, Bazarevsky et al. 2020): a person search and 33 landmarks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.detection.detector import Reading
from handloom.detection.models import model_path
from handloom.detection.regions import Region, letterbox, upright_angle
from handloom.detection.runtime import Runtime, load_network
from handloom.detection.single_shot import anchor_centres, decode
from handloom.skeleton import BODY

Array = NDArray[np.float64]

PERSON_GRIDS = ((28, 2), (14, 2), (7, 6))
LANDMARKS = 39  # the 33 of the skeleton, two that place the region, four unused
REGION_SCALE = 1.25
REFINE_WINDOW = 7
REFINE_THRESHOLD = 0.5
LEFT_HIP, RIGHT_HIP, LEFT_SHOULDER, RIGHT_SHOULDER = BODY.indices(
    ["left_hip", "right_hip", "left_shoulder", "right_shoulder"]
)


class BodyDetector:
    """Person search and body landmarks.

    Args:
        runtime: ``"litert"`` or ``"openvino"``.

    Raises:
        ModelError: if the weights cannot be fetched or are not the ones expected.
    """

    skeleton = BODY
    presence_threshold = 0.5
    person_threshold = 0.5
    noise = 0.010

    def __init__(self, runtime: Runtime = "litert") -> None:
        self._person = load_network(model_path("pose_detection"), runtime)
        self._landmarks = load_network(model_path("pose_landmark_full"), runtime)
        self._anchors = anchor_centres(PERSON_GRIDS)

    def find(self, image: NDArray[np.uint8]) -> list[Region]:
        """Search a whole picture for people; see :meth:`Detector.find`."""
        frame = letterbox((image.shape[1], image.shape[0]))
        side = self._person.side
        crop = frame.crop(image, side, replicate=False)
        values, logits = self._person(crop, low=-1.0)
        boxes = decode(values[0], logits[0, :, 0], self._anchors, side, threshold=self.person_threshold)
        corner = np.array([frame.x, frame.y]) - frame.size / 2
        keypoints = [corner + box.keypoints * frame.size for box in boxes]
        return [_around(hips, rim) for hips, rim, *_ in keypoints]

    def read(self, image: NDArray[np.uint8], region: Region) -> Reading:
        """Read 33 landmarks; see :meth:`Detector.read`."""
        side = self._landmarks.side
        values, presence, _, maps, _ = self._landmarks(region.crop(image, side, replicate=False))
        landmarks = values.reshape(LANDMARKS, 5)[: len(BODY)].astype(np.float64)
        local = _refine(landmarks[:, :2] / side, maps[0, :, :, : len(BODY)]) * side
        affine = region.to_image(side)
        xy = local @ affine[:, :2].T + affine[:, 2]
        visibility, inside = 1 / (1 + np.exp(-landmarks[:, 3:5].T))
        return Reading(xy, np.minimum(visibility, inside), float(presence[0, 0]), 0.5, region)

    def region_of(self, xy: Array) -> Region:
        """The upright square that holds the whole body, centred at the hips.

        MediaPipe reads this circle from two landmarks of its own; they cannot be triangulated, so the radius
        is the distance to the farthest landmark, which is what they were trained to show.
        """
        hips = (xy[LEFT_HIP] + xy[RIGHT_HIP]) / 2
        shoulders = (xy[LEFT_SHOULDER] + xy[RIGHT_SHOULDER]) / 2
        radius = np.max(np.linalg.norm(xy - hips, axis=1))
        direction = (shoulders - hips) / max(float(np.linalg.norm(shoulders - hips)), 1e-6)
        return _around(hips, hips + direction * radius)


def _around(centre: Array, rim: Array) -> Region:
    """The square around a circle given by its centre and the point where it is topmost."""
    size = 2 * float(np.linalg.norm(rim - centre)) * REGION_SCALE
    return Region(float(centre[0]), float(centre[1]), size, upright_angle(centre, rim))


def _refine(xy: Array, maps: NDArray[np.float32]) -> Array:
    """Move landmarks to the centroid of their heat-map around them, where it is certain.

    Args:
        xy: (J, 2) in [0, 1].
        maps: (h, w, J) logits.
    """
    height, width, joints = maps.shape
    reach = REFINE_WINDOW // 2
    refined = xy.copy()
    column = np.clip((xy[:, 0] * width).astype(int), 0, width - 1)
    row = np.clip((xy[:, 1] * height).astype(int), 0, height - 1)
    for j in range(joints):
        x0, y0 = max(0, column[j] - reach), max(0, row[j] - reach)
        window = maps[y0 : row[j] + reach + 1, x0 : column[j] + reach + 1, j].astype(np.float64)
        weight = 1 / (1 + np.exp(-window))
        if weight.max() >= REFINE_THRESHOLD:
            ys, xs = np.mgrid[: weight.shape[0], : weight.shape[1]]
            total = weight.sum()
            refined[j] = (
                (x0 + (xs * weight).sum() / total) / width,
                (y0 + (ys * weight).sum() / total) / height,
            )
    return refined
