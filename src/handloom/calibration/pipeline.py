"""From recordings of a board to a calibrated rig: corners, lenses, links, adjustment, check, diagnosis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.adjustment.bundle import INTRINSIC_COUNT, BundleOptions, BundleResult, adjust_boards
from handloom.calibration.boards import parse_board
from handloom.calibration.boards.board import Board
from handloom.calibration.calibration import Calibration, LensChoice, Uncertainty, rms
from handloom.calibration.collect import Facts, collect
from handloom.calibration.diagnosis import Evidence, diagnose
from handloom.calibration.findings import Finding
from handloom.calibration.held_out import held_out_residuals
from handloom.calibration.lenses.intrinsics import calibrate_lenses
from handloom.calibration.lenses.models import ASPECT, COEFFICIENTS, CX, FOCAL, MODELS, believe
from handloom.calibration.lenses.result import LensResult
from handloom.calibration.linking.extrinsics import link
from handloom.calibration.placing import placed
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera, CameraRig
from handloom.errors import CalibrationError
from handloom.progress import SILENT, Progress

Array = NDArray[np.float64]

LENSES_ONLY = "lenses-only: the cameras' places are unknown, all stand at the origin."
"""What a rig says of itself that is none."""

_UNSURE_FOCAL = 0.005  # relative; a camera whose pictures tell less gets square pixels


@dataclass(frozen=True, eq=False)
class CalibrateOptions:
    """What is known beforehand, and what world is wanted.

    Attributes:
        known_lenses: cameras whose lens is known, by name; it is held, the pose in them is ignored.
        known_focal_px: focal lengths that are known, by name; the rest of the lens is estimated.
        shared_lens: whether all cameras are of one make, with one lens.
        models: names of the lens models to choose from.
        timing: whether the cameras' clocks are estimated along with their poses.
        world: origin and axes, see :func:`handloom.calibration.world.placed`.
        lenses_only: whether recordings do not belong together, so that only lenses can come of them.
        distances_m: measured distances between the lenses of two cameras, by their names. They set the scale,
            which the board must not contradict.
    """

    known_lenses: Mapping[str, Camera] = field(default_factory=dict)
    known_focal_px: Mapping[str, float] = field(default_factory=dict)
    shared_lens: bool = False
    models: Sequence[str] = tuple(MODELS)
    timing: bool = False
    world: str = "first-camera"
    distances_m: Mapping[tuple[str, str], float] = field(default_factory=dict)
    lenses_only: bool = False


class NotCalibrated(CalibrationError):
    """Nothing came of a calibration.

    Args:
        findings: why, the most important first.
        sightings: what was seen.
    """

    def __init__(self, findings: Sequence[Finding], sightings: Sightings) -> None:
        super().__init__(f"{findings[0].name}: {findings[0].problem}", findings[0].remedy)
        self.findings = tuple(findings)
        self.sightings = sightings


def calibrate(
    recordings: Sequence[str | Path],
    board: Board | str,
    options: CalibrateOptions | None = None,
    *,
    lens_recordings: Mapping[str, str | Path | Sequence[str | Path]] | None = None,
    synchronous: bool = True,
    offsets_s: Mapping[str, float] | None = None,
    max_moments: int | None = 500,
    progress: Progress = SILENT,
) -> Calibration:
    """Calibrate a rig from recordings of a board.

    Args:
        recordings: videos, folders of pictures, or folders that hold several cameras.
        board: what was filmed, or its description, such as ``"charuco:5x7:40mm"``.
        options: what is known beforehand.
        lens_recordings: see :func:`handloom.calibration.collect.collect`, as for
        synchronous: whether recordings of different cameras belong together,
        offsets_s: when they began, and
        max_moments: how much of long videos is searched.
        progress: what to report to.

    Raises:
        CalibrationError: if the board's description or the options cannot be understood.
        NotCalibrated: if nothing can be calibrated; it says why.
        VideoError: if a recording cannot be read.
    """
    collected = collect(
        recordings,
        parse_board(board) if isinstance(board, str) else board,
        lens_recordings=lens_recordings,
        synchronous=synchronous,
        offsets_s=offsets_s,
        max_moments=max_moments,
        progress=progress,
    )
    return calibrate_sightings(collected.sightings, options, collected.facts, progress)


def calibrate_sightings(
    sightings: Sightings,
    options: CalibrateOptions | None = None,
    facts: Facts | None = None,
    progress: Progress = SILENT,
) -> Calibration:
    """Calibrate a rig from the corners of a board.

    Every camera's lens comes from its own pictures, the rig from the moments at which cameras saw the board
    together, and in the end everything is adjusted to everything seen, predicted where it took no part, and
    judged.

    Args:
        sightings: corners of the board.
        options: what is known beforehand.
        facts: what was noticed about the recordings, for the diagnosis.
        progress: what to report to.

    Returns:
        The calibration in metres. Its rig holds the cameras of the largest linked group.

    Raises:
        CalibrationError: if the options cannot be understood.
        NotCalibrated: if the board was not seen well enough by any camera.
    """
    options = options or CalibrateOptions()
    if options.lenses_only:
        sightings = sightings.unpaired()
    evidence = Evidence(sightings, facts, given=options.known_lenses, distances_m=options.distances_m)
    with progress.task("calibration", total=5, unit="steps") as task:
        groups = _shared_lenses(sightings) if options.shared_lens else []
        lenses = calibrate_lenses(
            sightings,
            groups=groups,
            known=options.known_lenses,
            known_focal_px=options.known_focal_px,
            models=options.models,
        )
        evidence = replace(evidence, lenses=lenses)
        if not any(lenses):
            raise NotCalibrated(diagnose(evidence), sightings)
        task.advance()
        cameras = tuple(None if lens is None else lens.camera for lens in lenses)
        adjustment = _adjustment(sightings, lenses, groups, options)
        if options.lenses_only:
            boards = _boards_alone(sightings, lenses)
            adjustment = replace(adjustment, free_poses=np.zeros(len(lenses), dtype=bool))
        else:
            links = link(sightings, cameras)
            evidence = replace(evidence, links=links)
            sightings, cameras, boards = links.sightings, links.cameras, links.T_world_board
        task.advance()
        bundle = adjust_boards(sightings, cameras, boards, adjustment)
        task.advance()
        unseen = held_out_residuals(sightings, bundle.cameras, bundle.T_world_board, adjustment, bundle.used)
        task.advance()
        calibration = _calibration(sightings, lenses, bundle, rms(unseen))
        calibration = replace(calibration, findings=diagnose(replace(evidence, calibration=calibration)))
        task.advance()
    if options.lenses_only:
        return replace(calibration, rig=replace(calibration.rig, warnings=(LENSES_ONLY,)))
    rig, boards = placed(
        calibration.rig,
        calibration.T_world_board,
        sightings.times_s,
        options.world,
        options.distances_m,
    )
    return replace(calibration, rig=rig, T_world_board=boards)


def _shared_lenses(sightings: Sightings) -> list[list[int]]:
    """All cameras together; those with pictures of another size cannot have the same lens in pixels."""
    sizes = [tuple(size) for size in sightings.image_sizes.tolist()]
    return [[c for c, own in enumerate(sizes) if own == size] for size in sorted(set(sizes))]


def _boards_alone(sightings: Sightings, lenses: Sequence[LensResult | None]) -> Array:
    """(T, 4, 4) the board of every moment in the frame of the only camera that saw it."""
    boards = np.full((len(sightings.times_s), 4, 4), np.nan)
    for view in sightings.views:
        lens = lenses[view.camera]
        if lens is not None:
            boards[view.moment] = lens.T_camera_board[view.moment]
    return boards


def _adjustment(
    sightings: Sightings,
    lenses: Sequence[LensResult | None],
    groups: Sequence[Sequence[int]],
    options: CalibrateOptions,
) -> BundleOptions:
    """Which of the lenses' parameters the final adjustment may change, and what it believes of them."""
    count = len(lenses)
    free = np.zeros((count, INTRINSIC_COUNT), dtype=bool)
    mean, std = np.zeros((count, INTRINSIC_COUNT)), np.full((count, INTRINSIC_COUNT), np.inf)
    square = np.zeros(count, dtype=bool)
    for c, lens in enumerate(lenses):
        if lens is None or lens.choice.model not in MODELS:
            continue
        model = MODELS[lens.choice.model]
        name = sightings.cameras[c]
        free[c, :4] = True
        free[c, :2] = name not in options.known_focal_px
        free[c, [4 + i for i in model.free]] = True
        width, height = sightings.image_sizes[c].tolist()
        fitted = float(lens.camera.K[0, 0])
        belief = believe(model, (width, height), rough_focal_px=fitted)
        focal = float(np.exp(belief.mean[FOCAL]))
        mean[c, :2], std[c, :2] = focal, focal * max(belief.std[FOCAL], belief.std[ASPECT])
        mean[c, 2:4], std[c, 2:4] = belief.mean[CX : CX + 2], belief.std[CX : CX + 2]
        known = np.flatnonzero(belief.std[COEFFICIENTS:] > 0)
        std[c, 4 + known] = belief.std[COEFFICIENTS + known]
        deviation = float(lens.uncertainty.focal_px[0]) / fitted
        square[c] = not deviation <= _UNSURE_FOCAL
    lens_of = np.arange(count)
    for group in groups:
        lens_of[list(group)] = group[0]
    return BundleOptions(
        free_intrinsics=free,
        square_pixels=square,
        lens_groups=lens_of,
        prior_mean=mean,
        prior_std=std,
        timing=options.timing,
    )


def _calibration(
    sightings: Sightings, lenses: Sequence[LensResult | None], bundle: BundleResult, held_out_px: float
) -> Calibration:
    uncertainty: list[Uncertainty | None] = []
    for lens, adjusted in zip(lenses, bundle.uncertainty, strict=True):
        uncertainty.append(adjusted if adjusted is not None or lens is None else lens.uncertainty)
    return Calibration(
        rig=CameraRig(tuple(camera for camera in bundle.cameras if camera is not None)),
        sightings=sightings,
        T_world_board=bundle.T_world_board,
        residuals=bundle.residuals,
        used=bundle.used,
        uncertainty=tuple(uncertainty),
        lenses=tuple(LensChoice("none") if lens is None else lens.choice for lens in lenses),
        offsets_s=bundle.offsets_s,
        readout_s=bundle.readout_s,
        held_out_px=held_out_px,
    )
