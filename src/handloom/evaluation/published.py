"""Figures of ColorHandPose3D as published, and ours of the same kind beside them.

From the paper's tables and from what its authors' code prints for the weights they released ("public"), with
the palm's centre as root. The AUC in space is over 0 to 50 mm in 20 steps; the "upper range", which the paper
calls 30 to 50 mm, begins at 21.05 mm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from handloom.evaluation.detectors import TRUE_CROPS, TRUE_MAPS, WHOLE, DetectorRun
from handloom.evaluation.errors import filled
from handloom.evaluation.evaluate import Result, evaluate
from handloom.evaluation.joints import auc, distances, mean, pck, summary

MASK = "mask of all hands"
_PX = np.linspace(0.0, 30.0, 20)
_PAPER = "chp3d"  # the protocol of the paper itself
_KEYS_3D = (
    ("mean, mm", "scaled MPJPE, mm"),
    ("median, mm", "scaled MPJPE median, mm"),
    ("AUC 0–50 mm", "scaled MPJPE AUC 0–50 mm"),
    ("AUC of the upper range", "scaled MPJPE AUC 21.05–50 mm"),
)


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        way: how it was measured, of :data:`handloom.evaluation.detectors.WAYS`, or :data:`MASK`.
        name: of the figure, with its unit.
        ours: NaN where it cannot be measured.
        published: by who published it.
    """

    way: str
    name: str
    ours: float
    published: Mapping[str, float]


# By data set, way and figure. RHD's figures of keypoints are those of PoseNet.
_PUBLISHED: dict[str, dict[tuple[str, str], dict[str, float]]] = {
    "rhd": {
        (TRUE_CROPS, "2D mean, px of a 256 px crop"): {"paper": 9.135, "public": 7.630},
        (TRUE_CROPS, "2D median, px of a 256 px crop"): {"paper": 5.001, "public": 3.939},
        (TRUE_CROPS, "2D AUC 0–30 px of a 256 px crop"): {"paper": 0.724, "public": 0.771},
        (WHOLE, "2D mean, px of the picture"): {"paper": 17.041, "public": 15.469},
        (WHOLE, "2D median, px of the picture"): {"paper": 5.833, "public": 4.374},
        (WHOLE, "2D AUC 0–30 px of the picture"): {"paper": 0.663, "public": 0.715},
        (WHOLE, "3D mean, mm"): {"public": 35.606},
        (WHOLE, "3D median, mm"): {"public": 28.686},
        (WHOLE, "3D AUC 0–50 mm"): {"public": 0.424},
        (WHOLE, "3D AUC of the upper range"): {"public": 0.603},
        (TRUE_MAPS, "3D median, mm"): {"paper": 18.840},
    },
    "stb": {
        (WHOLE, "3D mean, mm"): {"public": 12.210},
        (WHOLE, "3D median, mm"): {"public": 9.405},
        (WHOLE, "3D AUC 0–50 mm"): {"public": 0.764},
        (WHOLE, "3D AUC of the upper range"): {"public": 0.941},
    },
}

SAMPLES = {
    "rhd": "the 2728 pictures of RHD's evaluation split",
    "stb": "the 6000 pictures of STB's sequences B1Counting and B1Random",
}
"""On what the published figures were measured."""

DATA_SETS = tuple(_PUBLISHED)


def beside_published(run: DetectorRun, data: str) -> list[Row]:
    """Our figures of every kind that was published for RHD or STB, and those of the other ways.

    Args:
        run: on a set of that layout.
        data: ``"rhd"`` or ``"stb"``.
    """
    published = _PUBLISHED[data]
    rows = []
    if np.isfinite(run.mask_iou).any():
        rows.append(Row(MASK, "mean IoU", mean(run.mask_iou), {}))
    for way, results in _results(run).items():
        for name, value in _ours(run, way, results).items():
            rows.append(Row(way, name, value, published.get((way, name), {})))
    return rows


def what_differs(data: str, detector: str, count: int, variant: str | None) -> Sequence[str]:
    """Why our figures and the published ones are not of the same experiment, in sentences.

    Args:
        data: ``"rhd"`` or ``"stb"``.
        detector: that was run.
        count: of the pictures.
        variant: of its networks, for ColorHandPose3D.
    """
    said = [f"Published: {SAMPLES[data]}. Ours: the {count} pictures of the folder given."]
    if variant == "paper":
        said.append("Networks as in the paper, with other weights.")
    elif variant is not None:
        said.append(f"Other networks than the paper's: variant {variant!r}.")
    else:
        said.append(f"Another method: {detector}.")
    said.append(
        "True crops: ours are the detector's own region around all true keypoints; the paper's lie about the "
        "middle knuckle and just hold the visible ones."
    )
    said.append(
        "Where no hand is found, ours counts zeros; the published code reads a crop in the picture's middle."
    )
    if detector == "chp3d":
        said.append("The side is given to the lifting, as in the paper.")
    else:
        said.append("The side is not given; the paper's lifting is told it.")
    if data == "stb":
        said.append(
            "Our wrist becomes STB's palm by halving the way to the middle knuckle; STB's palm is labelled."
        )
    return said


def _results(run: DetectorRun) -> dict[str, Result]:
    return {way: evaluate(_PAPER, found, run.truth) for way, found in run.predictions.items()}


def _ours(run: DetectorRun, way: str, result: Result) -> dict[str, float]:
    table: dict[str, float] = {}
    if way != TRUE_MAPS:
        found = filled(result.predictions, result.truth)
        px = distances(found.xy, result.truth.xy, result.truth.visible)
        table |= _pixels(px * run.crop_px[:, None], "px of a 256 px crop")
        table |= _pixels(px, "px of the picture")
    names = {f"3D {short}": result.figures.get(key, np.nan) for short, key in _KEYS_3D}
    return table | {name: float(value) for name, value in names.items()}


def _pixels(errors: np.ndarray, unit: str) -> dict[str, float]:
    averages = summary(errors)
    return {
        f"2D mean, {unit}": averages.mean,
        f"2D median, {unit}": averages.median,
        f"2D AUC 0–30 {unit}": auc(pck(errors, _PX), _PX),
    }
