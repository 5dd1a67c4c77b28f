"""A hand detector over a labelled data set, as ColorHandPose3D is evaluated (Zimmermann & Brox 2017, §6).

One hand of a picture counts: that of which more is seen where masks say so (RHD), else the first that is
labelled. It is read twice: in a crop around its true keypoints, which measures the keypoint network alone,
and where the detector itself finds a hand first, which measures the whole. A third way gives the lifting
networks the true score maps, where a detector has such networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from handloom.datasets.orders import wrist_of
from handloom.datasets.rhd import dominant_hand
from handloom.datasets.sample import DataSet, HandLabel, Sample, hand_pixels
from handloom.detection import Detector, Reading, Region
from handloom.detection.colorhandpose import ColorHandPoseDetector
from handloom.detection.colorhandpose.crop import from_image
from handloom.detection.colorhandpose.scoremaps import gaussian_maps
from handloom.errors import DataSetError
from handloom.evaluation.hands import Hands, J, hands_of
from handloom.evaluation.masks import mask_iou
from handloom.progress import SILENT, Progress

Array = NDArray[np.float64]

TRUE_CROPS, WHOLE, TRUE_MAPS = "true crops", "whole pipeline", "true score maps"
WAYS = (TRUE_CROPS, WHOLE, TRUE_MAPS)
CROP_PX = 256
"""Errors in a crop are stated for one of so many pixels."""

_MAP_CELLS = 32


@dataclass(frozen=True, eq=False)
class DetectorRun:
    """What a detector read in a data set.

    Attributes:
        truth: one hand a picture.
        predictions: by way of :data:`WAYS`; rows only of hands that were found. ``xyz`` is around a point of
            the hand and of an average hand's size.
        crop_px: (N,) pixels of a 256 px crop in a pixel of the picture, for the crop around the true
            keypoints.
        right: (N,) probability of a right hand as read in the true crop.
        mask_iou: (N,) of the detector's mask and the true one, of all hands of the picture; NaN where one of
            the two does not exist.
    """

    truth: Hands
    predictions: Mapping[str, Hands]
    crop_px: Array
    right: Array
    mask_iou: Array


def run_detector(dataset: DataSet, detector: Detector, progress: Progress = SILENT) -> DetectorRun:
    """Read every picture of a data set.

    ColorHandPose3D is told the true side for its lifting, as the paper's networks are.

    Raises:
        DataSetError: if no picture has a hand with labelled keypoints.
    """
    samples: list[Sample] = []
    crops: list[Region] = []
    right: list[float] = []
    masks: list[float] = []
    rows: dict[str, list[tuple[Sample, Reading]]] = {way: [] for way in WAYS}
    with progress.task("pictures", total=len(dataset), unit="pictures") as task:
        for index in range(len(dataset)):
            sample = dataset[index]
            hand = evaluated_hand(sample)
            task.advance()
            if hand is None or sample.image is None:
                continue
            side = hand.side if hand.side in ("left", "right") else None
            own = replace(sample, image=None, parts=None, depth=None, normals=None, hands=(hand,))
            xy = wrist_of(hand.xy) if hand.root == "palm" else hand.xy
            region = detector.region_of(xy)
            reading = _read(detector, sample.image, region, side)
            samples.append(own)
            crops.append(region)
            right.append(reading.right)
            masks.append(_mask_iou(detector, sample))
            rows[TRUE_CROPS].append((own, reading))
            found = detector.find(sample.image)
            if found:
                rows[WHOLE].append((own, _read(detector, sample.image, found[0], side)))
            lifted = None if side is None else _lifted(detector, region, xy, hand, side)
            if lifted is not None:
                rows[TRUE_MAPS].append((own, replace(reading, xy=xy, world=lifted)))
    if not samples:
        raise DataSetError(
            f"None of the {len(dataset)} pictures has a hand with labelled keypoints.",
            "Give a data set, or a split of one, with labels.",
        )
    return DetectorRun(
        hands_of(samples),
        {way: _as_hands(found) for way, found in rows.items() if found},
        np.array([CROP_PX / region.size for region in crops]),
        np.array(right),
        np.array(masks),
    )


def evaluated_hand(sample: Sample) -> HandLabel | None:
    """The hand of a picture that counts; None without one whose keypoints are all known."""
    hand = dominant_hand(sample) if sample.parts is not None else next(iter(sample.hands), None)
    return hand if hand is not None and np.isfinite(hand.xy).all() else None


def _read(detector: Detector, image: NDArray[np.uint8], region: Region, side: str | None) -> Reading:
    if isinstance(detector, ColorHandPoseDetector):
        return detector.read(image, region, side)
    return detector.read(image, region)


def _mask_iou(detector: Detector, sample: Sample) -> float:
    if sample.parts is None or sample.image is None or not isinstance(detector, ColorHandPoseDetector):
        return np.nan
    return float(mask_iou(detector.mask(sample.image), hand_pixels(sample.parts)))


def _lifted(detector: Detector, region: Region, xy: Array, hand: HandLabel, side: str) -> Array | None:
    """Joints in space of the true score maps in a region, as far as its joints are seen."""
    if not isinstance(detector, ColorHandPoseDetector):
        return None
    back = from_image(region, CROP_PX)
    visible = np.ones(J, bool) if hand.visible is None else hand.visible
    maps = gaussian_maps(xy @ back[:, :2].T + back[:, 2], visible, CROP_PX, _MAP_CELLS)
    lifted = detector.lift(maps, side)
    if lifted is None:
        return None
    c, s = np.cos(region.angle), np.sin(region.angle)
    return lifted @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def _as_hands(found: list[tuple[Sample, Reading]]) -> Hands:
    unknown = np.full((J, 3), np.nan)
    return Hands(
        tuple(sample.key for sample, _ in found),
        # The side is known to everyone here: a wrong guess is counted apart and must not lose the hand.
        tuple(sample.hands[0].side for sample, _ in found),
        np.stack([unknown if reading.world is None else reading.world for _, reading in found]),
        np.stack([reading.xy for _, reading in found]),
        np.ones((len(found), J), bool),
        right=np.array([reading.right for _, reading in found]),
    )
