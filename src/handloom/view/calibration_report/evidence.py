"""A calibration sorted by camera: what each one saw, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.calibration import Calibration, LensChoice, Uncertainty
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera
from handloom.keypoints import Array
from handloom.view.colours import Colour, view_colour


@dataclass(frozen=True, eq=False)
class CameraResult:
    """What a calibration says of one camera.

    Attributes:
        camera: lens and pose.
        uncertainty: of them.
        lens: why it is this lens.
        offset_s: by which its clock is late; NaN if not estimated.
        readout_s: from the first to the last row of a picture; NaN if not estimated.
        distances: (V,) from the camera to the middle of the board in each of its views, in the rig's unit.
        tilts_rad: (V,) angles between the board's normal and the optical axis.
    """

    camera: Camera
    uncertainty: Uncertainty
    lens: LensChoice
    offset_s: float
    readout_s: float
    distances: Array
    tilts_rad: Array


@dataclass(frozen=True, eq=False)
class CameraEvidence:
    """All corners of one camera.

    Attributes:
        name: of the camera.
        number: in the sightings.
        image_size: (width, height) in pixels.
        moments: (N,) when a corner was seen.
        pixels: (N, 2) where.
        residuals: (N, 2) seen minus projected; NaN where nothing is projected.
        used: (N,) corners that were not set aside.
        result: None for a camera that was not calibrated.
    """

    name: str
    number: int
    image_size: tuple[int, int]
    moments: NDArray[np.int32]
    pixels: Array
    residuals: Array
    used: NDArray[np.bool_]
    result: CameraResult | None

    @property
    def colour(self) -> Colour:
        """What it is drawn in everywhere."""
        return view_colour(self.number)

    @property
    def views(self) -> int:
        """Number of pictures that show the board."""
        return len(np.unique(self.moments))

    @property
    def used_share(self) -> float:
        """Share of the corners that were not set aside; NaN without corners."""
        return float(self.used.mean()) if len(self.used) else float("nan")

    @property
    def lengths_px(self) -> Array:
        """(N,) lengths of the residuals."""
        return np.asarray(np.linalg.norm(self.residuals, axis=-1))

    @property
    def rms_px(self) -> float:
        """Root mean square length of the residuals that were used; NaN without any."""
        squares = self.lengths_px[self.used] ** 2
        return float(np.sqrt(np.nanmean(squares))) if np.isfinite(squares).any() else float("nan")


def gathered(sightings: Sightings, calibration: Calibration | None = None) -> list[CameraEvidence]:
    """The cameras of the sightings, in their order, calibrated or not."""
    count = len(sightings)
    residuals = np.full((count, 2), np.nan) if calibration is None else calibration.residuals
    used = np.zeros(count, dtype=bool) if calibration is None else calibration.used
    cameras = []
    for number, name in enumerate(sightings.cameras):
        rows = np.flatnonzero(sightings.camera == number)
        width, height = sightings.image_sizes[number].tolist()
        moments = sightings.moment[rows]
        result = None if calibration is None else _result(calibration, name, number, np.unique(moments))
        cameras.append(
            CameraEvidence(
                name,
                number,
                (width, height),
                moments,
                sightings.pixels[rows],
                residuals[rows],
                used[rows],
                result,
            )
        )
    return cameras


def board_corners(calibration: Calibration) -> Array:
    """(T, 4, 3) outermost points of the board at every moment, around it, in the rig's unit."""
    points = calibration.sightings.board.points * board_scale(calibration)
    (left, top), (right, bottom) = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    outline = np.array([[left, top, 0.0], [right, top, 0.0], [right, bottom, 0.0], [left, bottom, 0.0]])
    T = calibration.T_world_board
    return np.asarray(outline @ T[:, :3, :3].swapaxes(1, 2) + T[:, None, :3, 3])


def board_scale(calibration: Calibration) -> float:
    """Units of the rig in a metre of the board; 1 where the board says nothing about the rig's scale."""
    return 1.0 / calibration.sightings.board.square_m if calibration.rig.unit == "board-square" else 1.0


def _result(
    calibration: Calibration, name: str, number: int, moments: NDArray[np.int32]
) -> CameraResult | None:
    uncertainty = calibration.uncertainty[number]
    if name not in calibration.rig.names or uncertainty is None:
        return None
    camera = calibration.rig[name]
    T_camera_board = camera.T_camera_world @ calibration.T_world_board[moments]
    points = calibration.sightings.board.points * board_scale(calibration)
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
    away = T_camera_board[:, :3, :3] @ middle + T_camera_board[:, :3, 3]
    known = np.isfinite(away).all(axis=-1)
    return CameraResult(
        camera=camera,
        uncertainty=uncertainty,
        lens=calibration.lenses[number],
        offset_s=float(calibration.offsets_s[number]),
        readout_s=float(calibration.readout_s[number]),
        distances=np.linalg.norm(away[known], axis=-1),
        tilts_rad=np.arccos(np.clip(np.abs(T_camera_board[known, 2, 2]), 0.0, 1.0)),
    )
