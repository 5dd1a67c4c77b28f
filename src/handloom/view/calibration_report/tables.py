"""Figures in rows: lenses, poses, fit, and what two cameras share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera
from handloom.keypoints import Array
from handloom.view.calibration_report.evidence import CameraEvidence, CameraResult
from handloom.view.calibration_report.wording import decimals, parameter, signed, two_digits
from handloom.view.units import LengthUnit, number, percent

Cell = tuple[str, str]
"""What is written, and smaller beneath it."""

_BROWN = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
_FISHEYE = ("k1", "k2", "k3", "k4")
_MISSING: Cell = ("–", "")


@dataclass(frozen=True)
class Table:
    """Rows of a camera each.

    Attributes:
        caption: above it.
        head: one word per column after the camera's.
        rows: name of the camera and the cells after it.
    """

    caption: str
    head: tuple[str, ...]
    rows: list[tuple[str, list[Cell]]]


@dataclass(frozen=True)
class Square:
    """A cell of a matrix: its words, how deep its colour is (0 to 1) and what hovering says."""

    text: str
    depth: float
    hint: str


@dataclass(frozen=True)
class Matrix:
    """Cameras against cameras."""

    names: tuple[str, ...]
    rows: list[list[Square]]


def lens_table(cameras: Sequence[CameraEvidence]) -> Table:
    """Focal lengths, principal points, fields of view."""

    def row(result: CameraResult) -> list[Cell]:
        K, known = result.camera.K, result.uncertainty
        return [
            (result.lens.model, ""),
            *(parameter(K[axis, axis], known.focal_px[axis], 2) for axis in (0, 1)),
            *(parameter(K[axis, 2], known.principal_px[axis], 2) for axis in (0, 1)),
            _field_of_view(result.camera),
        ]

    head = ("Lens", "fx, px", "fy, px", "cx, px", "cy, px", "Field of view")
    return _table("Focal length and principal point, with standard deviations", head, cameras, row)


def distortion_tables(cameras: Sequence[CameraEvidence]) -> list[Table]:
    """Distortion coefficients, a table for each kind of lens there is."""
    tables = []
    for model, names, caption in (
        ("brown-conrady", _BROWN, "Distortion, with standard deviations"),
        ("fisheye", _FISHEYE, "Distortion of fisheye lenses, with standard deviations"),
    ):
        own = [seen for seen in cameras if seen.result is not None and seen.result.camera.model == model]
        if not own:
            continue
        most = max(_coefficients(seen.result) for seen in own if seen.result is not None)

        def row(result: CameraResult, most: int = most) -> list[Cell]:
            count = _coefficients(result)
            values = zip(result.camera.distortion[:count], result.uncertainty.distortion[:count], strict=True)
            return [*(parameter(v, s, 4, 5) for v, s in values), *([_MISSING] * (most - count))]

        if most:
            tables.append(_table(caption, names[:most], own, row))
    return tables


def choice_table(cameras: Sequence[CameraEvidence]) -> Table | None:
    """Held-out error of every lens model that was tried; None where none was."""
    models: dict[str, None] = {}
    for seen in cameras:
        if seen.result is not None:
            models.update(dict.fromkeys(seen.result.lens.held_out_px))
    if not models:
        return None

    def row(result: CameraResult) -> list[Cell]:
        tried, own = result.lens.held_out_px, result.lens.model
        return [(number(tried[m]), "chosen" if m == own else "") if m in tried else _MISSING for m in models]

    caption = (
        "Why this lens: RMS error in pixels at views that took no part, by lens model. The simplest is taken "
        "that predicts them as well as the best, but for chance, and that reaches the picture's corners"
    )
    return _table(caption, tuple(models), [s for s in cameras if s.result and s.result.lens.held_out_px], row)


def pose_table(cameras: Sequence[CameraEvidence], unit: LengthUnit) -> Table:
    """Where the cameras stand and look."""

    def row(result: CameraResult) -> list[Cell]:
        place = unit.factor * result.camera.center
        spread = unit.factor * result.uncertainty.center_m
        largest = float(np.nan_to_num(spread).max(initial=0.0))
        places = decimals(largest, 4) if largest > 0.0 else 1 if unit.metric else 3
        return [
            *((signed(f"{value:.{places}f}"), "") for value in place),
            (_spreads(spread), ""),
            (signed(", ".join(f"{value:.4f}" for value in result.camera.axis)), ""),
            (_spreads(np.degrees(result.uncertainty.rotation_rad)), ""),
        ]

    head = (*(f"{a}, {unit.shown}" for a in "xyz"), f"±, {unit.shown}", "Looks along", "±, degrees")
    caption = (
        "Position and direction in the world; standard deviations are along and about the camera's own axes "
        "(right, down, ahead), against the first camera"
    )
    return _table(caption, head, cameras, row)


def fit_table(cameras: Sequence[CameraEvidence]) -> Table:
    """How much each camera saw, how much of it was used, and how well it fits."""
    timed = [seen.result for seen in cameras if seen.result is not None]
    late = any(math.isfinite(result.offset_s) for result in timed)
    rolling = any(math.isfinite(result.readout_s) for result in timed)
    if not timed:
        counts = [(seen.name, [(str(seen.views), ""), (str(len(seen.pixels)), "")]) for seen in cameras]
        return Table("What was seen", ("Views", "Corners"), counts)
    rows: list[tuple[str, list[Cell]]] = []
    for seen in cameras:
        result = seen.result
        cells = [(str(seen.views), ""), (str(len(seen.pixels)), "")]
        if result is None:
            blanks = [_MISSING] * (2 + late + rolling)
            rows.append((seen.name, [*cells, ("not calibrated", ""), *blanks]))
            continue
        lengths = seen.lengths_px[seen.used & np.isfinite(seen.lengths_px)]
        tail = float(np.quantile(lengths, 0.95)) if len(lengths) else math.nan
        cells += [(percent(seen.used_share), ""), (number(seen.rms_px), ""), (number(tail), "")]
        if late:
            cells.append((_milliseconds(result.offset_s, "+.2f"), ""))
        if rolling:
            cells.append((_milliseconds(result.readout_s, ".2f"), ""))
        rows.append((seen.name, cells))
    head = ["Views", "Corners", "Used", "RMS, px", "95 % below, px"]
    head += ["Late by, ms"] * late + ["Readout, ms"] * rolling
    return Table("What was seen, what of it was used, and how it fits", tuple(head), rows)


def shared_matrix(sightings: Sightings) -> Matrix:
    """Moments at which two cameras saw the board; on the diagonal the moments of each."""
    seen = (sightings.counts > 0).astype(np.int64)
    shared = seen.T @ seen
    names = sightings.cameras
    apart = shared[~np.eye(len(names), dtype=bool)]
    most = max(1, int(apart.max(initial=0)))
    return Matrix(
        names,
        [
            [
                Square(
                    str(shared[a, b]),
                    0.0 if a == b else math.sqrt(shared[a, b] / most),
                    f"{names[a]}: {shared[a, a]} moments"
                    if a == b
                    else f"{names[a]} and {names[b]}: {shared[a, b]} moments",
                )
                for b in range(len(names))
            ]
            for a in range(len(names))
        ],
    )


def pair_matrix(names: tuple[str, ...], by_pair: Array, unit: LengthUnit) -> Matrix:
    """Root mean square error of the squares as two cameras alone measure them."""
    values = unit.factor * by_pair
    most = float(values[np.isfinite(values)].max(initial=1e-12))
    return Matrix(
        names,
        [
            [
                Square("", 0.0, "")
                if not math.isfinite(values[a, b])
                else Square(
                    two_digits(values[a, b]),
                    float(values[a, b] / most),
                    f"{names[a]} and {names[b]}: {number(values[a, b])} {unit.shown}",
                )
                for b in range(len(names))
            ]
            for a in range(len(names))
        ],
    )


def _table(
    caption: str,
    head: tuple[str, ...],
    cameras: Sequence[CameraEvidence],
    row: Callable[[CameraResult], list[Cell]],
) -> Table:
    rows = [(seen.name, row(seen.result)) for seen in cameras if seen.result is not None]
    return Table(caption, head, rows)


def _coefficients(result: CameraResult) -> int:
    """How many coefficients the lens has that are not all held at nothing."""
    values, spread = result.camera.distortion, result.uncertainty.distortion
    alive = np.flatnonzero((values != 0.0) | (np.nan_to_num(spread[: len(values)], nan=1.0) != 0.0))
    return int(alive[-1]) + 1 if len(alive) else 0


def _field_of_view(camera: Camera) -> Cell:
    if camera.image_size is None:
        return _MISSING
    width, height = camera.image_size
    cx, cy = camera.K[:2, 2]
    ends = camera.undistort([[-0.5, cy], [width - 0.5, cy], [cx, -0.5], [cx, height - 0.5]])
    angles = np.degrees(np.arctan([ends[0, 0], ends[1, 0], ends[2, 1], ends[3, 1]]))
    across, down = angles[1] - angles[0], angles[3] - angles[2]
    words = " × ".join(f"{angle:.1f}°" if math.isfinite(angle) else "–" for angle in (across, down))
    return words, "" if math.isfinite(across + down) else "lens model ends before the edge"


def _spreads(deviations: Array) -> str:
    """Three standard deviations, or a word where they have none."""
    if not deviations.any():
        return "held"
    return ", ".join(two_digits(value) if math.isfinite(value) else "undetermined" for value in deviations)


def _milliseconds(seconds: float, form: str) -> str:
    return signed(format(1000.0 * seconds, form)) if math.isfinite(seconds) else "–"
