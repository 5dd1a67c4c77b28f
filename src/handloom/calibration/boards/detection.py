"""Square markers in a picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.calibration.boards.board import Array
from handloom.calibration.boards.dictionaries import dictionary
from handloom.calibration.boards.picture import Picture, bilinear, shrunk

LIKE = 0.6
_WINDOWS = {"coarse": (7, 7), "fine": (17, 17), "thorough": (5, 53), "exact": (17, 17)}


@dataclass(frozen=True, eq=False)
class Markers:
    """Markers found in a picture.

    Attributes:
        ids: (K,) their numbers.
        corners: (K, 4, 2) pixels, from the marker's own upper left corner clockwise as printed.
    """

    ids: NDArray[np.int32]
    corners: Array

    def __len__(self) -> int:
        return len(self.ids)

    def where(self, rows: NDArray[np.generic]) -> Markers:
        """Some of them."""
        return Markers(self.ids[rows], self.corners[rows])


@cache
def _detector(name: str, count: int, effort: str, border: int) -> cv2.aruco.ArucoDetector:
    """A detector that knows only the first ``count`` markers: reading costs time for every marker known."""
    full = dictionary(name)
    known = cv2.aruco.Dictionary(full.bytesList[:count], full.markerSize, full.maxCorrectionBits)
    parameters = cv2.aruco.DetectorParameters()
    parameters.adaptiveThreshWinSizeMin, parameters.adaptiveThreshWinSizeMax = _WINDOWS[effort]
    parameters.adaptiveThreshWinSizeStep = 12
    parameters.markerBorderBits = border
    if effort == "exact":
        parameters.errorCorrectionRate = 0.0
    return cv2.aruco.ArucoDetector(known, parameters)


def find_markers(
    picture: Picture, name: str, count: int, *, effort: str = "fine", mirrored: bool = False, border: int = 1
) -> Markers:
    """Markers of a dictionary.

    Args:
        picture: (H, W).
        name: of the dictionary.
        count: how many of the dictionary's markers, from the first, may occur.
        effort: ``"coarse"`` looks in a picture of about 800 pixels, ``"fine"`` in the picture itself,
            ``"thorough"`` with many windows of brightness as well; ``"exact"`` is fine but takes no marker
            with a wrong bit.
        mirrored: look for markers seen in a mirror or from behind.
        border: width of the markers' black border, cells.
    """
    small, shrink = shrunk(picture) if effort == "coarse" else (picture, 1)
    if mirrored:
        small = np.ascontiguousarray(small[:, ::-1])
    found, ids, _ = _detector(name, count, effort, border).detectMarkers(small)
    if ids is None or not len(ids):
        return Markers(np.zeros(0, np.int32), np.zeros((0, 4, 2)))
    corners = np.concatenate(found).reshape(-1, 4, 2).astype(np.float64)
    if mirrored:
        corners[..., 0] = small.shape[1] - 1 - corners[..., 0]
    return Markers(ids.ravel().astype(np.int32), (corners + 0.5) * shrink - 0.5)


def find_quads(picture: Picture) -> Array:
    """(K, 4, 2) everything with four sides and dark inside, clockwise; pixels."""
    found, _, others = _detector("APRILTAG_36h11", 1, "thorough", 1).detectMarkers(picture)
    quads = [np.asarray(q, dtype=np.float64).reshape(4, 2) for q in (*found, *others)]
    if not quads:
        return np.zeros((0, 4, 2))
    corners = np.stack(quads)
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 1]
    mirrored = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] < 0
    corners[mirrored] = corners[mirrored][:, ::-1]
    return corners


def consistent(markers: Markers, layout: Array) -> Markers:
    """Those that lie to one another as on the board, each number once; none if no two do.

    Args:
        markers: found in a picture.
        layout: (M, 4, 2) corners of the board's markers, in any unit.
    """
    markers = markers.where(np.flatnonzero(markers.ids < len(layout)))
    if len(markers) < 2:
        return markers.where(np.zeros(0, np.int64))
    plan = layout[markers.ids]
    plan_middle, middle = plan.mean(axis=1), markers.corners.mean(axis=1)
    # each marker says, by an affine map of its own, where the others are
    P, Q = plan - plan_middle[:, None], markers.corners - middle[:, None]
    A = np.linalg.inv(np.einsum("kci,kcj->kij", P, P)) @ np.einsum("kci,kcj->kij", P, Q)
    ways = plan_middle[None] - plan_middle[:, None]
    error = np.linalg.norm(middle[:, None] + ways @ A - middle[None], axis=-1)
    size = np.sqrt(np.abs(np.linalg.det(A))) * np.linalg.norm(P[:, 0] - P[:, 2], axis=-1)
    away = np.linalg.norm(ways, axis=-1) / np.linalg.norm(P[:, 0] - P[:, 2], axis=-1)[:, None]
    agree = (error < size[:, None] * (0.1 + 0.35 * away)) & (away > 0) & (away < 6.0)
    agree |= agree.T  # one of the two may be read badly
    # and that they are the same way up
    expected = (plan[:, 2] - plan[:, 0])[None] @ A
    seen = markers.corners[:, 2] - markers.corners[:, 0]
    lengths = np.linalg.norm(expected, axis=-1) * np.linalg.norm(seen, axis=-1)
    agree &= np.sum(expected * seen, axis=-1) > 0.7 * lengths
    votes = agree.sum(axis=1)
    best = int(np.argmax(votes))
    if not votes[best]:
        return markers.where(np.zeros(0, np.int64))
    # whoever agrees with somebody that agrees
    group = np.zeros(len(markers), dtype=bool)
    group[best] = True
    for _ in range(len(markers)):
        grown = group | agree[group].any(axis=0)
        if (grown == group).all():
            break
        group = grown
    rows = np.flatnonzero(group)
    _, first = np.unique(markers.ids[rows], return_index=True)
    chosen = rows[np.sort(first)]
    return markers.where(chosen[np.argsort(markers.ids[chosen])])


def likeness(picture: Picture, middles: Array, J: Array, cells: NDArray[np.uint8]) -> Array:
    """(K,) correlation of the picture with markers where they should be; one that is there has over ``LIKE``.

    Args:
        picture: (H, W).
        middles: (K, 2) of the markers, pixels.
        J: (K, 2, 2) pixels per side of a marker along its x and y, as columns.
        cells: (K, B, B) the markers, 1 where white.
    """
    t = (np.arange(cells.shape[-1]) + 0.5) / cells.shape[-1] - 0.5
    v, u = np.meshgrid(t, t, indexing="ij")
    at = middles[:, None] + np.stack([u.ravel(), v.ravel()], axis=-1) @ J.transpose(0, 2, 1)
    shade = bilinear(picture, at)
    shade = shade - shade.mean(axis=1, keepdims=True)
    expected = cells.reshape(len(cells), -1).astype(np.float64)
    expected = expected - expected.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(shade, axis=1) * np.linalg.norm(expected, axis=1)
    result: Array = np.sum(shade * expected, axis=1) / np.maximum(norms, 1e-9)
    return result
