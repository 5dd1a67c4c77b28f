"""From sightings of a board to a calibrated rig: lenses, links, adjustment, and a check on what was held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.bundle import INTRINSIC_COUNT, BundleOptions, BundleResult, adjust_boards
from handloom.calibration.calibration import Calibration, LensChoice, Uncertainty, rms
from handloom.calibration.extrinsics import Links, link
from handloom.calibration.held_out import held_out_residuals
from handloom.calibration.intrinsics import LensResult, calibrate_lenses
from handloom.calibration.lenses.models import ASPECT, COEFFICIENTS, CX, FOCAL, MODELS, believe
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera, CameraRig
from handloom.errors import CalibrationError
from handloom.progress import SILENT, Progress

Array = NDArray[np.float64]

_UNSURE_FOCAL = 0.005  # relative; a camera whose pictures tell less gets square pixels


@dataclass(frozen=True, eq=False)
class CalibrateOptions:
    """What is known beforehand.

    Attributes:
        known_lenses: cameras whose lens is known, by name; it is held, the pose in them is ignored.
        known_focal_px: focal lengths that are known, by name; the rest of the lens is estimated.
        shared_lens: whether all cameras are of one make, with one lens.
        models: names of the lens models to choose from.
        timing: whether the cameras' clocks are estimated along with their poses.
    """

    known_lenses: Mapping[str, Camera] = field(default_factory=dict)
    known_focal_px: Mapping[str, float] = field(default_factory=dict)
    shared_lens: bool = False
    models: Sequence[str] = tuple(MODELS)
    timing: bool = False


def calibrate(
    sightings: Sightings, options: CalibrateOptions | None = None, progress: Progress = SILENT
) -> tuple[Calibration, Links]:
    """Calibrate a rig.

    Every camera's lens comes from its own pictures, the rig from the moments at which cameras saw the board
    together, and in the end everything is adjusted to everything seen.

    Args:
        sightings: corners of the board.
        options: what is known beforehand.
        progress: what to report to.

    Returns:
        The calibration, in the frame of its first camera and in metres, and how the cameras hang together.
        The rig holds the cameras of the largest linked group. Nothing is judged yet; see
        :func:`handloom.calibration.diagnosis.diagnose`.

    Raises:
        CalibrationError: if the board was not seen well enough by any camera.
    """
    options = options or CalibrateOptions()
    with progress.task("calibration", total=4, unit="steps") as task:
        groups = _shared_lenses(sightings) if options.shared_lens else []
        lenses = calibrate_lenses(
            sightings,
            groups=groups,
            known=options.known_lenses,
            known_focal_px=options.known_focal_px,
            models=options.models,
        )
        if not any(lenses):
            raise CalibrationError(
                "No camera has a picture that shows enough of the board.",
                "Check the board's description, and that it is in view, flat and in focus.",
            )
        task.advance()
        links = link(sightings, [None if lens is None else lens.camera for lens in lenses])
        task.advance()
        adjustment = _adjustment(links.sightings, lenses, groups, options)
        bundle = adjust_boards(links.sightings, links.cameras, links.T_world_board, adjustment)
        task.advance()
        unseen = held_out_residuals(
            links.sightings, bundle.cameras, bundle.T_world_board, adjustment, bundle.used
        )
        task.advance()
    return _calibration(links.sightings, lenses, bundle, rms(unseen)), links


def _shared_lenses(sightings: Sightings) -> list[list[int]]:
    """All cameras together; those with pictures of another size cannot have the same lens in pixels."""
    sizes = [tuple(size) for size in sightings.image_sizes.tolist()]
    return [[c for c, own in enumerate(sizes) if own == size] for size in sorted(set(sizes))]


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
        belief = believe(model, (width, height))
        focal = float(np.exp(belief.mean[FOCAL]))
        mean[c, :2], std[c, :2] = focal, focal * max(belief.std[FOCAL], belief.std[ASPECT])
        mean[c, 2:4], std[c, 2:4] = belief.mean[CX : CX + 2], belief.std[CX : CX + 2]
        known = np.flatnonzero(belief.std[COEFFICIENTS:] > 0)
        std[c, 4 + known] = belief.std[COEFFICIENTS + known]
        deviation = float(lens.uncertainty.focal_px[0]) / float(lens.camera.K[0, 0])
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
