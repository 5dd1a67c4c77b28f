"""Every error of every hand that a protocol asks for, and the figures made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.evaluation.alignment import procrustes_aligned
from handloom.evaluation.hands import Hands
from handloom.evaluation.joints import auc, distances, mean, pck, per_joint_mean, summary
from handloom.evaluation.motion import following
from handloom.evaluation.protocols import Protocol, Thresholds
from handloom.evaluation.surface import f_scores
from handloom.evaluation.two_hands import relative_root_errors

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

MM = 1000.0
PIXELS = "2D EPE"
ACCELERATION = "acceleration error, mm/frame²"


@dataclass(frozen=True, eq=False)
class HandErrors:
    """What was measured of N hands.

    Attributes:
        mm: (N, 21) or (N, V) errors of each measure, NaN where the truth does not say.
        px: (N, 21) distances in the picture; None where the protocol or the truth has none.
        f: (N, K) F-scores at the protocol's thresholds, of meshes as they are and aligned.
        relative_root_mm: (N,) errors of the wrists to each other, at the right hand's row; NaN elsewhere.
        acceleration_mm: (N,) errors of the second differences over time about this frame; None without
            three frames that follow each other.
        notes: why something that the protocol asks for was not measured.
    """

    mm: Mapping[str, Array]
    px: Array | None
    f: Mapping[str, Array]
    relative_root_mm: Array | None
    acceleration_mm: Array | None = None
    notes: tuple[str, ...] = ()


def measure(protocol: Protocol, predictions: Hands, truth: Hands) -> HandErrors:
    """Errors of predictions in the rows of the truth, both with the protocol's root.

    A joint without a prediction must have been filled before (:func:`filled`); what is NaN here does not
    count.
    """
    seen = truth.visible if protocol.visible_only else np.ones_like(truth.visible)
    mm: dict[str, Array] = {}
    notes: list[str] = []
    if not np.isfinite(truth.xyz).any():
        notes.append("The data set labels no joints in space.")
    else:
        for one in protocol.measures:
            if one.of == "joints":
                mm[one.name] = MM * distances(one.align(predictions.xyz, truth.xyz), truth.xyz, seen)
    f: dict[str, Array] = {}
    if any(one.of == "vertices" for one in protocol.measures):
        found, scores, why = _surfaces(protocol, predictions, truth)
        mm, f = _in_order(protocol, mm | found), scores
        notes += why
    px = None
    if protocol.pixels is not None and np.isfinite(truth.xy).any():
        px = distances(predictions.xy, truth.xy, seen)
    relative = relative_roots(predictions, truth) if protocol.two_hands else None
    acceleration = acceleration_errors(predictions, truth) if mm else None
    return HandErrors(mm, px, f, relative, acceleration, tuple(notes))


def figures(protocol: Protocol, errors: HandErrors, truth: Hands, rows: Flags) -> dict[str, float]:
    """What a table shows of some of the hands: name, with its unit, to value; NaN of nothing.

    Args:
        rows: (N,) which hands.
    """
    pooled = protocol.averaging == "pooled"
    table: dict[str, float] = {}
    for name, values in errors.mm.items():
        columns = _columns(protocol, values, truth)[rows]
        averages = summary(columns)
        first, other = averages.mean, averages.pooled_mean
        middle = averages.median
        if pooled:
            first, other, middle = other, first, averages.pooled_median
        table[f"{name}, mm"] = first
        table[f"{name} median, mm"] = middle
        table[f"{name} {'per joint' if pooled else 'pooled'}, mm"] = other
        for limits in (protocol.thresholds, *protocol.further):
            curve = pck(columns, MM * limits.values, pooled=pooled)
            table[f"{name} AUC {_range(limits, MM)} mm"] = auc(curve, limits.values)
    for name, scores in errors.f.items():
        for k, limit in enumerate(protocol.f_thresholds):
            table[f"F@{MM * limit:g}{name}"] = mean(scores[rows, k])
    if errors.px is not None and protocol.pixels is not None:
        averages = summary(errors.px[rows])
        curve = pck(errors.px[rows], protocol.pixels.values, pooled=pooled)
        table[f"{PIXELS}, px"] = averages.pooled_mean if pooled else averages.mean
        table[f"{PIXELS} median, px"] = averages.pooled_median if pooled else averages.median
        table[f"{PIXELS} AUC {_range(protocol.pixels, 1.0)} px"] = auc(curve, protocol.pixels.values)
    if errors.relative_root_mm is not None:
        table["MRRPE, mm"] = mean(errors.relative_root_mm[rows])
    if errors.acceleration_mm is not None:
        table[ACCELERATION] = mean(errors.acceleration_mm[rows])
    return table


def curve_of(protocol: Protocol, errors: HandErrors, name: str, rows: Flags) -> tuple[Array, Array]:
    """Thresholds from zero on (mm, or px for :data:`PIXELS`) and the PCK of a measure at them."""
    limits = protocol.pixels if name == PIXELS else protocol.thresholds
    assert limits is not None
    x = np.linspace(0.0, limits.high * (1.0 if name == PIXELS else MM), 101)
    values = errors.px if name == PIXELS else errors.mm[name]
    assert values is not None
    return x, pck(values[rows], x, pooled=protocol.averaging == "pooled")


def filled(predictions: Hands, truth: Hands) -> Hands:
    """Predictions with zeros where there is none: what an official submission has to hold in its place.

    A single joint that is missing in a predicted hand is put on the hand's own root. Meshes are filled
    alike.
    """
    xyz, xy = (_without_gaps(points) for points in (predictions.xyz, predictions.xy))
    vertices = predictions.vertices
    if vertices is not None:
        vertices = np.where(np.isfinite(vertices), vertices, 0.0)
    return Hands(
        truth.keys, predictions.sides, xyz, xy, predictions.visible, vertices, predictions.right,
        truth.conditions, root=predictions.root,
    )  # fmt: skip


def interacting(truth: Hands) -> Flags:
    """(N,) hands in samples with both a left and a right hand."""
    sides: dict[str, set[str]] = {}
    for key, side in zip(truth.keys, truth.sides, strict=True):
        sides.setdefault(key, set()).add(side)
    return np.array([{"left", "right"} <= sides[key] for key in truth.keys], dtype=bool)


def _without_gaps(points: Array) -> Array:
    root = np.where(np.isfinite(points[:, :1]), points[:, :1], 0.0)
    return np.where(np.isfinite(points), points, root)


def _surfaces(
    protocol: Protocol, predictions: Hands, truth: Hands
) -> tuple[dict[str, Array], dict[str, Array], list[str]]:
    ours, theirs = predictions.vertices, truth.vertices
    if theirs is None:
        return {}, {}, ["The data set has no meshes."]
    if ours is None:
        return {}, {}, ["The predictions have no meshes."]
    plain = _f_of(ours, theirs, protocol.f_thresholds)
    if ours.shape != theirs.shape:
        says = (
            f"The predicted meshes have {ours.shape[1]} vertices, the true ones {theirs.shape[1]}: "
            "distances of vertices and aligned F-scores need one mesh."
        )
        return {}, {"": plain}, [says]
    mm = {
        one.name: MM * distances(one.align(ours, theirs), theirs)
        for one in protocol.measures
        if one.of == "vertices"
    }
    aligned = procrustes_aligned(ours, theirs, reflection=True)
    return mm, {"": plain, " aligned": _f_of(aligned, theirs, protocol.f_thresholds)}, []


def _f_of(ours: Array, theirs: Array, thresholds: tuple[float, ...]) -> Array:
    scores = np.full((len(theirs), len(thresholds)), np.nan)
    for n, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if np.isfinite(b).any():
            scores[n] = [score.f for score in f_scores(a, b, thresholds)]
    return scores


def relative_roots(predictions: Hands, truth: Hands) -> Array:
    """(N,) millimetres by which wrists of a sample's two hands are misplaced to each other.

    At the right hand's row; NaN elsewhere, and where one of the wrists is not known.
    """
    errors = np.full(len(truth), np.nan)
    ours, theirs = predictions.xyz[:, 0], truth.xyz[:, 0]
    for left, right in side_pairs(truth):
        apart = relative_root_errors(ours[left], ours[right], theirs[left], theirs[right])
        errors[right] = MM * float(apart)
    return errors


def side_pairs(truth: Hands) -> list[tuple[int, int]]:
    """Rows of the left and the right hand of every sample that has both."""
    rows: dict[str, dict[str, int]] = {}
    for row, (key, side) in enumerate(zip(truth.keys, truth.sides, strict=True)):
        rows.setdefault(key, {})[side] = row
    return [(pair["left"], pair["right"]) for pair in rows.values() if {"left", "right"} <= set(pair)]


def acceleration_errors(predictions: Hands, truth: Hands) -> Array | None:
    """(N,) mean distance of second differences over time about each row's frame, relative to the root.

    NaN where a frame beside it or one of the predictions is missing; None where no three frames of a video
    follow each other.
    """
    before, here, after = following(truth)
    if not len(here) or not np.isfinite(truth.xyz).any():
        return None
    errors = np.full(len(truth), np.nan)
    second = []
    for hands in (predictions, truth):
        xyz = hands.xyz - hands.xyz[:, :1]
        second.append(xyz[before] - 2 * xyz[here] + xyz[after])
    # The root itself stands still by this.
    errors[here] = MM * per_joint_mean(np.linalg.norm(second[0] - second[1], axis=-1)[:, 1:].T)
    return errors


def _columns(protocol: Protocol, values: Array, truth: Hands) -> Array:
    """Errors by joint; of two hands the joints of left and right are different ones (InterHand2.6M)."""
    if not protocol.two_hands:
        return values
    left = np.array([side == "left" for side in truth.sides])[:, None]
    return np.concatenate([np.where(left, np.nan, values), np.where(left, values, np.nan)], axis=1)


def _in_order(protocol: Protocol, mm: dict[str, Array]) -> dict[str, Array]:
    return {one.name: mm[one.name] for one in protocol.measures if one.name in mm}


def _range(limits: Thresholds, unit: float) -> str:
    return f"{unit * limits.low:.4g}–{unit * limits.high:.4g}"
