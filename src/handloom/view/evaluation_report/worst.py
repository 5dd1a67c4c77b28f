"""The samples with the largest errors: the picture with both skeletons, and both in space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from handloom.datasets.sample import DataSet
from handloom.errors import HandloomError
from handloom.evaluation import Result
from handloom.evaluation.alignment import root_aligned
from handloom.keypoints import Array
from handloom.skeleton import HAND
from handloom.view.overlay import draw_skeleton
from handloom.view.picture_report.overlays import around, data_uri
from handloom.view.picture_report.space import drawings
from handloom.view.units import number

_CROP_PX = 320
_TRUTH = (255, 255, 255)


@dataclass(frozen=True)
class WorstHand:
    """One hand.

    Attributes:
        key, side: of it.
        error: in words.
        images: caption and data URL: the picture with the truth in white and the prediction in colours.
        drawings: caption and SVG: prediction and truth, wrists on each other, from the camera.
    """

    key: str
    side: str
    error: str
    images: list[tuple[str, Markup]]
    drawings: list[tuple[str, Markup]]


def worst_hands(result: Result, dataset: DataSet | None, count: int) -> list[WorstHand]:
    """The hands with the largest errors by the protocol's first measure, worst first."""
    places = {} if dataset is None else {key: index for index, key in enumerate(dataset.keys)}
    hands = []
    for row in result.worst(count):
        key = result.keys[row]
        images = []
        if dataset is not None and key in places:
            images = _pictures(result, row, dataset, places[key])
        ours, theirs = result.predictions.xyz[row], result.truth.xyz[row]
        drawn = []
        if np.isfinite(ours).all() and np.isfinite(theirs).all():
            ours = root_aligned(ours, theirs, HAND.index("wrist"))
            drawn = [(who, drawings(points)[0][1]) for who, points in (("predicted", ours), ("true", theirs))]
        unit = "mm" if result.main.endswith("mm") else "px"
        error = f"{number(float(result.errors_mm[row]))} {unit}"
        hands.append(WorstHand(key, result.sides[row], error, images, drawn))
    return hands


def _pictures(result: Result, row: int, dataset: DataSet, index: int) -> list[tuple[str, Markup]]:
    try:
        sample = dataset[index]
    except HandloomError:
        return []
    if sample.image is None:
        return []
    true = result.truth.xy[row]
    ours = result.predictions.xy[row]
    if not np.isfinite(ours).any() and sample.camera is not None:
        # A prediction without pixels is shown where the data set's camera would see it.
        ours = sample.camera.project(_placed(result, row))
    picture = np.ascontiguousarray(sample.image).copy()
    extent = (
        float(np.linalg.norm(np.ptp(true[np.isfinite(true).all(axis=1)], axis=0))) if _any(true) else 90.0
    )
    thick = max(1, round(extent / 90))
    draw_skeleton(picture, HAND, true, thickness=thick, colour=_TRUTH)
    if _any(ours):
        draw_skeleton(picture, HAND, ours, thickness=thick)
    shown = around(picture, true) if _any(true) else picture
    return [
        (
            "picture",
            data_uri(
                np.ascontiguousarray(around(sample.image, true) if _any(true) else sample.image), _CROP_PX
            ),
        ),
        ("overlay", data_uri(np.ascontiguousarray(shown), _CROP_PX)),
    ]


def _placed(result: Result, row: int) -> Array:
    return root_aligned(result.predictions.xyz[row], result.truth.xyz[row], HAND.index("wrist"))


def _any(xy: Array) -> bool:
    return bool(np.isfinite(xy).any())
