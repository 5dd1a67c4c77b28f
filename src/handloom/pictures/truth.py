"""True keypoints for pictures: FreiHAND's lists or COCO's annotations, and the errors against them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from handloom.datasets.coco import CocoHands
from handloom.errors import HandloomError
from handloom.evaluation.alignment import procrustes_aligned, root_aligned
from handloom.evaluation.joints import distances
from handloom.pictures.result import FoundHand, PictureResult
from handloom.skeleton import HAND

Array = NDArray[np.float64]

_REMEDY = "Give 21 joints per picture in the pictures' order (FreiHAND), or COCO's images and annotations."


@dataclass(frozen=True, eq=False)
class PictureTruth:
    """The true hands of one picture.

    Attributes:
        xy: (H, 21, 2) pixels, NaN where not labelled; None where only joints in space are given.
        xyz: (H, 21, 3) metres in the camera's axes; None where only pixels are given.
    """

    xy: Array | None
    xyz: Array | None


@dataclass(frozen=True, eq=False)
class HandError:
    """Errors of one found hand.

    Attributes:
        px: (21,) distances in the picture; NaN where not labelled.
        root_mm: (21,) distances with the wrists on each other; NaN without a truth in space.
        aligned_mm: (21,) distances after the best similarity without reflection (PA); NaN likewise.
        place_mm: distance of the wrists in the camera's axes.
    """

    px: Array
    root_mm: Array
    aligned_mm: Array
    place_mm: float


def read_truth(path: str | Path, pictures: Sequence[Path]) -> dict[Path, PictureTruth]:
    """The truth of pictures, by their paths.

    Args:
        path: JSON. FreiHAND: a list of (21, 3) joints in metres, one for each picture in natural order, or
            ``{"xyz": [...], "K": [...]}`` with intrinsics that give the pixels too; a list of (21, 2) is of
            pixels. COCO: ``{"images": [...], "annotations": [...]}``, see :mod:`handloom.datasets.coco`.
        pictures: what it must fit.

    Raises:
        HandloomError: if the file cannot be read, is none of these, or does not fit the pictures.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HandloomError(
            f"The truth {path} cannot be read: {error.strerror}.", "Check the path."
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise HandloomError(f"The truth {path} is no JSON: {error}.", _REMEDY) from error
    try:
        if isinstance(content, dict) and "annotations" in content:
            return _coco(path, pictures)
        if isinstance(content, dict) and "xyz" in content:
            return _in_order(content["xyz"], content.get("K"), path, pictures)
        if isinstance(content, list):
            return _in_order(content, None, path, pictures)
    except (KeyError, TypeError, ValueError) as error:
        raise HandloomError(f"The truth {path} is damaged: {error!r}.", _REMEDY) from error
    raise HandloomError(f"The truth {path} has neither FreiHAND's nor COCO's layout.", _REMEDY)


def errors(result: PictureResult, truth: PictureTruth) -> dict[int, HandError]:
    """Errors of the found hands, by their number; every true hand is matched to the nearest found one."""
    if not result.hands or result.lens is None:
        return {}
    count = len(truth.xyz if truth.xyz is not None else truth.xy if truth.xy is not None else ())
    xy = truth.xy
    if xy is None:
        assert truth.xyz is not None
        xy = result.lens.camera.project(truth.xyz)
    found = np.stack([hand.reading.xy for hand in result.hands])
    with np.errstate(invalid="ignore"):
        distance = np.nanmean(np.linalg.norm(found[:, None] - xy[None], axis=-1), axis=-1)
    rows, columns = linear_sum_assignment(np.nan_to_num(distance, nan=1e9))
    matched = {}
    for number, k in zip(rows, columns, strict=True):
        if k < count and np.isfinite(distance[number, k]):
            xyz = None if truth.xyz is None else truth.xyz[k]
            matched[int(number)] = _error(result.hands[number], xy[k], xyz)
    return matched


def _error(hand: FoundHand, xy: Array, xyz: Array | None) -> HandError:
    px = distances(hand.reading.xy, xy)
    if xyz is None:
        nothing = np.full(len(HAND), np.nan)
        return HandError(px, nothing, nothing, float("nan"))
    ours = hand.verdict.fit.keypoints
    root = distances(root_aligned(ours, xyz, HAND.index("wrist")), xyz)
    pa = distances(procrustes_aligned(ours, xyz), xyz)
    return HandError(px, 1e3 * root, 1e3 * pa, 1e3 * float(np.linalg.norm(ours[0] - xyz[0])))


def _in_order(values: Any, K: Any, path: Path, pictures: Sequence[Path]) -> dict[Path, PictureTruth]:
    if len(values) != len(pictures):
        raise HandloomError(f"{path} has {len(values)} hands for {len(pictures)} pictures.", _REMEDY)
    if K is not None and len(K) != len(pictures):
        raise HandloomError(f"{path} has {len(K)} intrinsics for {len(pictures)} pictures.", _REMEDY)
    truth = {}
    for number, picture in enumerate(pictures):
        points = np.array(values[number], dtype=np.float64)
        if points.shape not in ((len(HAND), 3), (len(HAND), 2)):
            raise HandloomError(f"Hand {number} of {path} has shape {points.shape}, not (21, 3).", _REMEDY)
        if points.shape[1] == 2:
            truth[picture] = PictureTruth(points[None], None)
            continue
        xy = None
        if K is not None:
            homogeneous = points @ np.array(K[number], dtype=np.float64).reshape(3, 3).T
            xy = (homogeneous[:, :2] / homogeneous[:, 2:])[None]
        truth[picture] = PictureTruth(xy, points[None])
    return truth


def _coco(path: Path, pictures: Sequence[Path]) -> dict[Path, PictureTruth]:
    by_name = {picture.name: picture for picture in pictures}
    labelled = CocoHands(path)
    truth = {}
    for index, name in enumerate(labelled.file_names):
        picture = by_name.get(Path(name).name)
        if picture is not None:
            truth[picture] = PictureTruth(np.stack([hand.xy for hand in labelled.labels(index).hands]), None)
    if not truth:
        raise HandloomError(
            f"{path} labels none of the {len(pictures)} pictures.",
            "Its file_name must be the pictures' names.",
        )
    return truth
