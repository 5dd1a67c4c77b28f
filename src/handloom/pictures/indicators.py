"""Signs of failure that need no truth: each a number with its limit and a name in the taxonomy.

The classes follow algorithms.md §8.4 (the project sheet's failure scenarios). Those that are facts of the
picture (size, light, blur, truncation, view) tell *when* an estimate is at risk; those that compare
estimates with each other (mirrored, turned, 2D with 3D, mesh with colour) tell *that* something is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.detection import Detector, Reading, Region
from handloom.fitting.sides import SideVerdict
from handloom.hand import HandModel
from handloom.rendering import rasterise
from handloom.skeleton import HAND

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

TURNS_DEG = (-25.0, 25.0)
ZOOMS = (0.88, 1.14)
HIDDEN_M = 0.022  # a joint lies so deep under its own skin at most; deeper means behind another part
_CROP = 96
_GRABCUT_ROUNDS = 3


@dataclass(frozen=True)
class Indicator:
    """A measure and the limit beyond which it counts as a sign of failure.

    Attributes:
        name: what is measured.
        failure: the class of failure it points to.
        unit: of value and limit.
        limit: see ``low``.
        low: whether values below the limit are the bad ones, not those above.
        says: one sentence for the reader.
    """

    name: str
    failure: str
    unit: str
    limit: float
    low: bool
    says: str

    def flags(self, value: float) -> bool:
        """Whether a value points to the failure; NaN, which was not measured, does not."""
        return bool(value < self.limit if self.low else value > self.limit)


INDICATORS: tuple[Indicator, ...] = (
    Indicator("gap", "2D–3D gap", "% of extent", 5.0, False,
              "distance of the fitted hand's joints to the 2D keypoints"),
    Indicator("mirrored", "inconsistent when mirrored", "% of extent", 8.0, False,
              "how far keypoints move when the picture is read mirrored"),
    Indicator("turned", "inconsistent when turned", "% of extent", 6.0, False,
              "how far keypoints move when the crop is turned or zoomed"),
    Indicator("side", "left/right doubtful", "", 0.5, False,
              "1 where the sides contradict each other: plain, mirrored and fitted"),
    Indicator("limits", "beyond joint limits", "°", 5.0, False,
              "the furthest that an angle of the fit is beyond its limits"),
    Indicator("bones", "bone ratios", "σ", 4.0, False,
              "the network's own 3D: largest deviation of a bone from the hand model's proportions"),
    Indicator("mask", "mesh off the hand", "IoU", 0.55, True,
              "overlap of the mesh with the segment that colour alone gives (GrabCut)"),
    Indicator("hidden", "self-occlusion", "% of joints", 35.0, False,
              "joints that lie behind another part of the fitted hand"),
    Indicator("outside", "truncated", "% of joints", 4.0, False,
              "joints at or beyond the picture's border"),
    Indicator("extent", "small", "px", 64.0, True, "diagonal of the box around the joints"),
    Indicator("sharpness", "blurred", "", 0.05, True,
              "spread of the Laplacian over that of the grey values, at a common size"),
    Indicator("dark", "dark", "of 255", 60.0, True, "mean grey value of the hand"),
    Indicator("bright", "over-exposed", "of 255", 225.0, False, "mean grey value of the hand"),
    Indicator("contrast", "low contrast", "of 255", 12.0, True, "spread of the grey values of the hand"),
    Indicator("edge", "seen edge-on", "", 0.35, True,
              "cosine between the palm's normal and the line of sight"),
    Indicator("near", "short range", "m", 0.20, True, "distance; close up, perspective is strong"),
    Indicator("contact", "hand on hand", "IoU", 0.25, False, "overlap with the region of another hand"),
    Indicator("presence", "unsure", "", 0.8, True, "the network's own probability that it is a hand"),
    Indicator("rest", "fit not at rest", "", 0.5, True, "1 where the solver converged"),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Indicators:
    """The measures of one hand, by name; NaN where one was not taken."""

    values: dict[str, float]

    @property
    def failures(self) -> tuple[str, ...]:
        """The classes of failure that the measures point to, in the order of :data:`INDICATORS`."""
        return tuple(i.failure for i in INDICATORS if i.flags(self.values.get(i.name, np.nan)))


def measure(
    image: Image,
    camera: Camera,
    reading: Reading,
    verdict: SideVerdict,
    model: HandModel,
    vertices: Array,
    others: Sequence[Region],
    detector: Detector | None,
) -> Indicators:
    """Take all measures of one hand.

    Args:
        image: (H, W, 3) RGB.
        camera: the picture's, at the origin.
        reading, verdict, model, vertices: the hand as read and fitted.
        others: regions of the other hands of the picture.
        detector: for reading again; None to leave that out.
    """
    fit = verdict.fit
    size = float(np.linalg.norm(np.ptp(reading.xy, axis=0)))
    values = {
        "gap": 100.0 * fit.reprojection_px / size,
        "limits": float(np.degrees(fit.limit_excess)),
        "bones": np.nan if reading.world is None else bone_deviation(reading.world, model),
        "outside": 100.0 * _outside(reading.xy, image.shape[1], image.shape[0]),
        "extent": size,
        "near": fit.distance_m,
        "contact": max((reading.region.overlap(other) for other in others), default=0.0),
        "presence": reading.presence,
        "rest": float(fit.converged),
        "edge": _facing(fit.T_camera_wrist, fit.keypoints),
    }
    values |= _light(image, reading.region)
    mask, hidden = silhouette(camera, model, vertices, fit.keypoints, image.shape[1], image.shape[0])
    values["hidden"] = 100.0 * hidden
    values["mask"] = colour_overlap(image, mask)
    values["side"] = float(verdict.doubtful)
    if detector is not None:
        mirrored, right = mirrored_again(image, reading, detector)
        values["mirrored"] = 100.0 * mirrored / size
        values["turned"] = 100.0 * turned_again(image, reading, detector) / size
        # Mirrored, a right hand must read as a left one.
        values["side"] = float(verdict.doubtful or (right > 0.5) == (reading.right > 0.5))
    return Indicators({name: float(value) for name, value in values.items()})


def mirrored_again(image: Image, reading: Reading, detector: Detector) -> tuple[float, float]:
    """Mean pixels by which keypoints move in the mirrored picture, and its probability of a right hand."""
    width = image.shape[1]
    region = reading.region
    flipped = Region(width - 1 - region.x, region.y, region.size, -region.angle)
    again = detector.read(np.ascontiguousarray(image[:, ::-1]), flipped)
    xy = np.array([width - 1.0, 0.0]) + again.xy * [-1.0, 1.0]
    return float(np.linalg.norm(xy - reading.xy, axis=1).mean()), again.right


def turned_again(image: Image, reading: Reading, detector: Detector) -> float:
    """Mean pixels by which keypoints spread over turned and zoomed crops."""
    region = reading.region
    crops = [Region(region.x, region.y, region.size, region.angle + np.deg2rad(a)) for a in TURNS_DEG]
    crops += [Region(region.x, region.y, region.size * zoom, region.angle) for zoom in ZOOMS]
    moved = [np.linalg.norm(detector.read(image, crop).xy - reading.xy, axis=1).mean() for crop in crops]
    return float(np.mean(moved))


def bone_deviation(world: Array, model: HandModel) -> float:
    """Largest deviation of (21, 3) joints' bone lengths from the model's proportions, standard deviations.

    A bone's spread is that of the model's shapes and 12 % of its length for what networks leave open.
    """
    parent, child = np.array(HAND.bone_indices).T
    rest = model.rest_keypoints[child] - model.rest_keypoints[parent]
    length = np.linalg.norm(rest, axis=1)
    slopes = np.einsum(
        "bi,bis->bs",
        rest / length[:, None],
        model.keypoint_directions[child] - model.keypoint_directions[parent],
    )
    found = np.linalg.norm(world[child] - world[parent], axis=1)
    found = found * np.median(length / np.maximum(found, 1e-9))
    spread = np.sqrt(np.square(slopes).sum(axis=1) + np.square(0.12 * length))
    return float(np.abs((found - length) / spread).max())


def silhouette(
    camera: Camera, model: HandModel, vertices: Array, keypoints: Array, width: int, height: int
) -> tuple[NDArray[np.bool_], float]:
    """(H, W) pixels that the mesh covers, and the share of joints that lie behind other parts of the hand."""
    pixels = camera.project(vertices)
    drawn = rasterise(pixels, vertices[:, 2], model.faces, (width, height), cull=False)
    at = camera.project(keypoints)
    inside = np.isfinite(at).all(axis=1) & (at >= 0).all(axis=1) & (at <= [width - 1, height - 1]).all(axis=1)
    if not inside.any():
        return drawn.mask, np.nan
    column, row = np.rint(at[inside]).astype(int).T
    return drawn.mask, float((keypoints[inside, 2] - drawn.depth[row, column] > HIDDEN_M).mean())


def colour_overlap(image: Image, mask: NDArray[np.bool_]) -> float:
    """Intersection over union of a mesh's mask with GrabCut's segment (Rother et al. 2004) around it.

    The segment starts from the mesh, so the figure is friendly to it: a low one is a sign of failure, a high
    one no proof. NaN where the mesh covers too little of the picture.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if mask.sum() < 100 or not len(rows):
        return np.nan
    margin = int(0.6 * max(np.ptp(rows), np.ptp(columns))) + 4
    top, left = max(0, rows[0] - margin), max(0, columns[0] - margin)
    window = np.s_[top : rows[-1] + margin, left : columns[-1] + margin]
    crop, inside = np.ascontiguousarray(image[window]), mask[window].astype(np.uint8)
    scale = 160.0 / max(crop.shape[:2])
    if scale < 1.0:
        size = (max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale)))
        crop = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        inside = cv2.resize(inside, size, interpolation=cv2.INTER_NEAREST)  # type: ignore[assignment]
    reach = max(2, round(0.12 * np.sqrt(float(inside.sum()))))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    near = cv2.dilate(inside, kernel)
    core = cv2.erode(inside, kernel)
    labels = np.full(inside.shape, cv2.GC_BGD, np.uint8)
    labels[near > 0] = cv2.GC_PR_BGD
    labels[inside > 0] = cv2.GC_PR_FGD
    labels[core > 0] = cv2.GC_FGD
    if not (labels == cv2.GC_BGD).any():
        return np.nan
    cv2.setRNGSeed(0)
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(crop, labels, (0, 0, 1, 1), background, foreground, _GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK)
    segment = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return float((segment & (inside > 0)).sum() / max((segment | (inside > 0)).sum(), 1))


def _light(image: Image, region: Region) -> dict[str, float]:
    inner = Region(region.x, region.y, 0.6 * region.size, region.angle)
    grey = cv2.cvtColor(inner.crop(image, _CROP), cv2.COLOR_RGB2GRAY).astype(np.float64)
    laplacian = cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), 1.0), cv2.CV_64F)
    spread = float(grey.std())
    mean = float(grey.mean())
    sharpness = float(laplacian.std()) / max(spread, 1.0)
    return {"dark": mean, "bright": mean, "contrast": spread, "sharpness": sharpness}


def _outside(xy: Array, width: int, height: int) -> float:
    return float(((xy < 1.0) | (xy > np.array([width, height]) - 2.0)).any(axis=1).mean())


def _facing(T_camera_wrist: Array, keypoints: Array) -> float:
    sight = keypoints.mean(axis=0)
    return float(abs(T_camera_wrist[:3, 2] @ sight) / np.linalg.norm(sight))
