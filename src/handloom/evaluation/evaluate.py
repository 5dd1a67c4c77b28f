"""Predictions held against the truth by a protocol, beside what needs no picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from handloom.evaluation.baselines import MeanPose, mean_pose, zeros
from handloom.evaluation.conditions import ConditionRow, condition_rows
from handloom.evaluation.contact import contact
from handloom.evaluation.diagnosis import Finding, diagnose
from handloom.evaluation.errors import (
    PIXELS,
    HandErrors,
    acceleration_errors,
    curve_of,
    figures,
    filled,
    interacting,
    measure,
    relative_roots,
)
from handloom.evaluation.hands import Coverage, Hands, matched
from handloom.evaluation.joints import by_finger, per_joint_mean
from handloom.evaluation.protocols import Protocol, protocol_named
from handloom.evaluation.two_hands import handedness_accuracy, handedness_ap

Array = NDArray[np.float64]

PREDICTED, ZERO, MEAN_POSE = "predictions", "zero", "mean pose"
OF_ITSELF = "the evaluated data themselves (optimistic: it knows the test set's mean)"


@dataclass(frozen=True, eq=False)
class Curve:
    """Share of errors within each threshold.

    Attributes:
        unit: ``"mm"`` or ``"px"``.
        thresholds: (K,) of that unit.
        shares: (K,) by who predicted: the predictions and the baselines.
    """

    unit: str
    thresholds: Array
    shares: Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class Result:
    """What an evaluation says.

    Attributes:
        protocol: that was followed.
        figures: of the predictions, hands without one counted as the zeros an official submission would hold.
        found: the same figures over the hands with a prediction only.
        baselines: the same figures of :data:`ZERO` and :data:`MEAN_POSE`.
        groups: the same figures of single and of interacting hands, where the protocol parts them.
        per_joint: (21,) mean error of every measure of joints, mm (px for 2D).
        per_finger: the same by finger.
        conditions: rows by condition.
        curves: PCK by measure.
        coverage: what was predicted of what there is.
        findings: what looks like a mistake in the predictions.
        mean_pose_of: the hands that the mean pose is the mean of.
        notes: what could not be measured, and the protocol's cautions.
        keys, sides: (N,) of the true hands.
        errors_mm: (N,) mean error of every hand by the protocol's first measure that could be taken.
        missing: (N,) hands without a prediction.
        predictions, truth: as they were compared.
    """

    protocol: Protocol
    figures: Mapping[str, float]
    found: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, float]]
    groups: Mapping[str, Mapping[str, float]]
    per_joint: Mapping[str, Array]
    per_finger: Mapping[str, Mapping[str, float]]
    conditions: Sequence[ConditionRow]
    curves: Mapping[str, Curve]
    coverage: Coverage
    findings: Sequence[Finding]
    mean_pose_of: str
    notes: Sequence[str]
    keys: Sequence[str]
    sides: Sequence[str]
    errors_mm: Array
    missing: NDArray[np.bool_]
    predictions: Hands
    truth: Hands

    @property
    def main(self) -> str:
        """Name of the figure by which hands are ranked."""
        return next(iter(self.figures), "")

    def worst(self, count: int = 12) -> list[int]:
        """Rows of the hands with the largest errors, worst first; those not found are not among them."""
        ranked = np.where(self.missing | ~np.isfinite(self.errors_mm), -np.inf, self.errors_mm)
        order = np.argsort(-ranked, kind="stable")[:count]
        return [int(row) for row in order if np.isfinite(ranked[row])]


def evaluate(
    protocol: str | Protocol,
    predictions: Hands,
    truth: Hands,
    *,
    reference: MeanPose | None = None,
    training: Hands | None = None,
) -> Result:
    """Hold predictions against the truth.

    Args:
        protocol: or its name.
        predictions: in any order, some samples may be missing.
        truth: the labelled hands of the data set.
        reference: the mean pose that stands beside; by default that of ``training``, else of the truth.
        training: hands the method was trained on, to see whether subjects are in both.

    Raises:
        HandloomError: for a name that is not known.
        DataSetError: if predictions and truth have no sample in common.
    """
    protocol = protocol_named(protocol) if isinstance(protocol, str) else protocol
    rows, coverage = matched(predictions, truth, by_side=protocol.two_hands)
    missing = np.asarray(~np.isfinite(np.concatenate([rows.xyz, rows.xy], axis=2)).any(axis=(1, 2)))
    findings = diagnose(protocol, rows, truth, coverage, training)
    if protocol.root == "palm":
        rows, truth = rows.rooted_at_palm(), truth.rooted_at_palm()
    pose = reference or _mean_pose(training, truth)
    protocol, notes = _possible(protocol, rows, missing)
    contenders = {PREDICTED: filled(rows, truth), ZERO: zeros(truth)}
    if pose is not None:
        contenders[MEAN_POSE] = pose.for_hands(truth)
    measured = {name: measure(protocol, hands, truth) for name, hands in contenders.items()}
    if measured[PREDICTED].acceleration_mm is not None:
        # A hand that was not found did not jump to the camera and back.
        measured[PREDICTED] = replace(measured[PREDICTED], acceleration_mm=acceleration_errors(rows, truth))
    everyone = np.ones(len(truth), bool)
    tables = {name: figures(protocol, errors, truth, everyone) for name, errors in measured.items()}
    ours = measured[PREDICTED]
    seen = ours
    if protocol.two_hands:
        # The place of two hands to each other is known where both were found.
        seen = replace(ours, relative_root_mm=relative_roots(rows, truth))
        tables[PREDICTED] |= _handedness(predictions, truth)
    touching, of_touching = contact(rows, truth)
    tables[PREDICTED] |= touching
    per_joint = {n: per_joint_mean(v) for n, v in _joint_errors(protocol, ours).items()}
    main = next(iter(ours.mm), None)
    ranked = _hand_means(ours.px if main is None else ours.mm[main], len(truth))
    both = interacting(truth)
    groups = (
        {"single": ~both, "interacting": both} if protocol.two_hands and 0 < both.sum() < len(both) else {}
    )
    return Result(
        protocol=protocol,
        figures=tables[PREDICTED],
        found=figures(protocol, seen, truth, ~missing) | touching,
        baselines={name: table for name, table in tables.items() if name != PREDICTED},
        groups={name: figures(protocol, ours, truth, own) for name, own in groups.items()},
        per_joint=per_joint,
        per_finger={name: by_finger(values) for name, values in per_joint.items()},
        conditions=condition_rows(truth, ranked, missing),
        curves=_curves(protocol, measured, everyone),
        coverage=coverage,
        findings=findings,
        mean_pose_of="" if pose is None else pose.source,
        notes=(*notes, *ours.notes, *of_touching, *protocol.caution),
        keys=truth.keys,
        sides=truth.sides,
        errors_mm=ranked,
        missing=missing,
        predictions=rows,
        truth=truth,
    )


def _possible(protocol: Protocol, rows: Hands, missing: NDArray[np.bool_]) -> tuple[Protocol, list[str]]:
    """The protocol without what the predictions do not speak of, and that said in words."""
    notes: list[str] = []
    if missing.all():
        return protocol, notes
    if not np.isfinite(rows.xyz).any():
        protocol = replace(protocol, measures=(), f_thresholds=(), two_hands=False)
        notes.append("The predictions have no joints in space.")
    if protocol.pixels is not None and not np.isfinite(rows.xy).any():
        protocol = replace(protocol, pixels=None)
        notes.append("The predictions have no pixels.")
    return protocol, notes


def _mean_pose(training: Hands | None, truth: Hands) -> MeanPose | None:
    if training is not None:
        training = training.rooted_at_palm() if truth.root == "palm" else training
        return mean_pose(training, f"{len(training)} hands of the training data")
    if not np.isfinite(truth.xyz).all(axis=(1, 2)).any():
        return None
    return mean_pose(truth, OF_ITSELF)


def _joint_errors(protocol: Protocol, errors: HandErrors) -> dict[str, Array]:
    joints = {one.name for one in protocol.measures if one.of == "joints"}
    found = {name: values for name, values in errors.mm.items() if name in joints}
    return found if errors.px is None else found | {PIXELS: errors.px}


def _hand_means(values: Array | None, count: int) -> Array:
    return np.full(count, np.nan) if values is None else per_joint_mean(values.T)


def _curves(
    protocol: Protocol, measured: Mapping[str, HandErrors], rows: NDArray[np.bool_]
) -> dict[str, Curve]:
    ours = measured[PREDICTED]
    names = [*ours.mm] + ([] if ours.px is None else [PIXELS])
    curves = {}
    for name in names:
        shares = {}
        for who, errors in measured.items():
            if name in errors.mm or (name == PIXELS and errors.px is not None):
                x, shares[who] = curve_of(protocol, errors, name, rows)
        curves[name] = Curve("px" if name == PIXELS else "mm", x, shares)
    return curves


def _handedness(predictions: Hands, truth: Hands) -> dict[str, float]:
    """Of every sample whether it has a right and a left hand: said, and true."""
    keys = list(dict.fromkeys(truth.keys))
    place = {key: k for k, key in enumerate(keys)}
    true, said = np.zeros((len(keys), 2), bool), np.zeros((len(keys), 2))
    for key, side in zip(truth.keys, truth.sides, strict=True):
        for column, name in enumerate(("right", "left")):
            true[place[key], column] |= side == name
    right = np.array([1.0 if side == "right" else 0.0 for side in predictions.sides])
    if predictions.right is not None:
        right = np.where(np.isfinite(predictions.right), predictions.right, right)
    for row, key in enumerate(predictions.keys):
        if key in place:
            answer = np.array([right[row], 1.0 - right[row]])
            said[place[key]] = np.maximum(said[place[key]], answer)
    return {
        "handedness accuracy": handedness_accuracy(said, true),
        "handedness AP": handedness_ap(said, true),
    }
