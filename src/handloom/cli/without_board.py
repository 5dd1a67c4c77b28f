"""``handloom calibrate --from hands`` or ``body``: a rig from what all cameras follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from handloom.errors import HandloomError

if TYPE_CHECKING:
    from handloom.calibration import Finding
    from handloom.calibration.selfcalibration import SelfCalibration
    from handloom.cameras import CameraRig
    from handloom.progress import Progress


@dataclass(frozen=True)
class Outcome:
    """What to write and to say."""

    rig: CameraRig
    findings: tuple[Finding, ...]
    trusted: bool
    table: Table


def calibrate_without_board(
    videos: Sequence[Path],
    target: Any,
    lenses: Path | None,
    refine: Path | None,
    bones: Sequence[str],
    distances: Sequence[str],
    offset: str | None,
    progress: Progress,
) -> Outcome:
    """Follow hands or people through all videos, and find where the cameras are.

    Raises:
        HandloomError: if neither lenses nor a rig to refine are given, or both.
    """
    from handloom.calibration.selfcalibration import calibrate_from_keypoints, refine_from_keypoints
    from handloom.cameras import read_rig
    from handloom.cli import named_values as named

    known = lenses or refine
    if known is None or (lenses and refine):
        raise HandloomError(
            "Without a board the lenses must be known.",
            "Give an earlier calibration of these cameras: --lenses to start afresh, --refine to move its "
            "cameras a little.",
        )
    rig = read_rig(known)
    offsets = None
    if offset not in (None, "auto"):
        by_name = named.for_cameras(offset, rig.names, "--offset")
        offsets = [by_name.get(name, 0.0) for name in rig.names]
    if refine:
        result = refine_from_keypoints(videos, rig, target=target, offsets_s=offsets, progress=progress)
    else:
        apart = [(*two, metres) for two, metres in named.distances(distances, "--distance").items()]
        result = calibrate_from_keypoints(
            videos,
            rig,
            target=target,
            bone_length=named.lengths(bones, "--bone"),
            camera_distance=apart[0] if apart else None,
            synchronised=offset != "auto",
            offsets_s=offsets,
            progress=progress,
        )
    return Outcome(result.rig, result.findings, result.trusted, _table(result))


def _table(result: SelfCalibration) -> Table:
    title = f"{len(result.rig)} cameras, keypoints agree to {result.rms_px:.1f} px"
    table = Table(title=title, title_justify="left")
    for column in ("camera", "rms", "rotation, ±", "starts at"):
        table.add_column(column, justify="left" if column == "camera" else "right", no_wrap=True)
    for number, camera in enumerate(result.rig):
        spread = np.degrees(np.max(result.uncertainty[number].rotation_rad))
        start = f"{1000 * result.offsets_s[number]:.0f} ms"
        table.add_row(camera.name, f"{result.rms_of(number):.1f} px", f"{spread:.1f}°", start)
    return table
