"""Decodes single-shot detectors: anchors, boxes with keypoints, weighted non-maximum suppression.

Liu et al. 2016 (SSD) with the fixed-size anchors and the blended suppression of BlazeFace
(Bazarevsky et al. 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """A detection in units of the network's square input.

    Attributes:
        centre: (2,) in [0, 1].
        extent: (2,) width and height.
        keypoints: (K, 2).
        score: in [0, 1].
    """

    centre: Array
    extent: Array
    keypoints: Array
    score: float


def anchor_centres(grids: tuple[tuple[int, int], ...]) -> Array:
    """(A, 2) anchor centres of grids given as (cells a side, anchors a cell), in storage order."""
    layers = []
    for cells, repeats in grids:
        centre = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(centre, centre, indexing="ij")
        layers.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), repeats, axis=0))
    return np.concatenate(layers)


def decode(
    values: NDArray, logits: NDArray, anchors: Array, side: int, *, threshold: float, suppression: float = 0.3
) -> list[Box]:
    """Turn raw outputs into detections, best first.

    Args:
        values: (A, 4 + 2K) offsets to the anchors, in pixels of the input: centre, extent, keypoints.
        logits: (A,) scores before the sigmoid.
        anchors: (A, 2) centres in [0, 1].
        side: the input's side in pixels.
        threshold: least score kept.
        suppression: intersection over union from which two boxes are the same thing.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -100, 100)))
    keep = np.flatnonzero(scores >= threshold)
    keep = keep[np.argsort(-scores[keep], kind="stable")]
    points = values.reshape(len(values), -1, 2)[keep].astype(np.float64) / side
    extent = points[:, 1].copy()
    points += anchors[keep, None]
    points[:, 1] = extent
    return _suppress(points, scores[keep], suppression)


def _suppress(points: Array, scores: Array, suppression: float) -> list[Box]:
    """Blend every group of overlapping boxes into one, weighted by score (BlazeFace, section 3.4)."""
    boxes = []
    remaining = np.arange(len(points))
    while len(remaining):
        best = remaining[0]
        alike = _overlap(points[best], points[remaining]) > suppression
        alike[0] = True
        group, remaining = remaining[alike], remaining[~alike]
        centre, extent = points[group, 0], points[group, 1]
        corners = np.stack([centre - extent / 2, centre + extent / 2], axis=1)
        weights = scores[group] / scores[group].sum()
        low, high = np.tensordot(weights, corners, axes=1)
        keypoints = np.tensordot(weights, points[group, 2:], axes=1)
        boxes.append(Box((low + high) / 2, high - low, keypoints, float(scores[best])))
    return boxes


def _overlap(box: Array, others: Array) -> Array:
    low = np.maximum(box[0] - box[1] / 2, others[:, 0] - others[:, 1] / 2)
    high = np.minimum(box[0] + box[1] / 2, others[:, 0] + others[:, 1] / 2)
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    union = np.prod(box[1]) + np.prod(others[:, 1], axis=1) - shared
    return shared / np.maximum(union, 1e-12)
