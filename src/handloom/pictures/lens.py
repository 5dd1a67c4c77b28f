"""Through which lens a picture was taken: as calibrated, as told, as EXIF says, or assumed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handloom.cameras import Camera
from handloom.errors import RigError
from handloom.pictures.exif import focal_length_35mm
from handloom.pictures.options import ImageOptions

ASSUMED_FOV_DEG = 65.0
"""Across the longer side: between a telephone's main camera (69°) and a webcam (60°)."""

ASSUMED_SPREAD, TOLD_SPREAD, EXIF_SPREAD = 0.15, 0.02, 0.05
"""Relative standard deviations of the focal length."""

_FILM_DIAGONAL_MM = 43.27
_ASPECT_TOLERANCE = 0.02


@dataclass(frozen=True, eq=False)
class PictureLens:
    """A camera, how well its focal length is known, and who says so.

    Attributes:
        camera: of the picture's size, at the origin of its own axes.
        focal_spread: relative standard deviation of the focal length; depth inherits it.
        source: ``"intrinsics"``, ``"field of view"``, ``"EXIF"`` or ``"assumed"``.
    """

    camera: Camera
    focal_spread: float
    source: str


def lens_of(path: Path, image_size: tuple[int, int], options: ImageOptions) -> PictureLens:
    """The lens of one picture.

    Args:
        path: of the picture, for its EXIF data.
        image_size: (width, height).

    Raises:
        RigError: if the intrinsics are those of a picture of another form, or absurd.
    """
    width, height = image_size
    if options.intrinsics is not None:
        return PictureLens(_calibrated(options.intrinsics, path, image_size), 0.0, "intrinsics")
    focal_mm = focal_length_35mm(path) if options.fov_deg is None else None
    if focal_mm is not None and 5.0 <= focal_mm <= 500.0:
        focal = focal_mm / _FILM_DIAGONAL_MM * float(np.hypot(width, height))
        return PictureLens(_pinhole(image_size, focal), EXIF_SPREAD, "EXIF")
    told = options.fov_deg is not None
    fov = np.deg2rad(options.fov_deg if options.fov_deg is not None else ASSUMED_FOV_DEG)
    focal = max(width, height) / 2 / float(np.tan(fov / 2))
    source, spread = ("field of view", TOLD_SPREAD) if told else ("assumed", ASSUMED_SPREAD)
    return PictureLens(_pinhole(image_size, focal), spread, source)


def _pinhole(image_size: tuple[int, int], focal: float) -> Camera:
    width, height = image_size
    K = np.array([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]])
    return Camera("picture", image_size, K, np.zeros(5), np.eye(4))


def _calibrated(camera: Camera, path: Path, image_size: tuple[int, int]) -> Camera:
    width, height = image_size
    lens = Camera(
        "picture", camera.image_size or image_size, camera.K, camera.distortion, np.eye(4), camera.model
    )
    if lens.image_size != image_size:
        assert lens.image_size is not None
        own = lens.image_size[0] / lens.image_size[1]
        if abs(own * height / width - 1.0) > _ASPECT_TOLERANCE:
            raise RigError(
                f"{path.name} has {width} × {height} pixels, the intrinsics are for "
                f"{lens.image_size[0]} × {lens.image_size[1]}.",
                "Give the intrinsics of this camera and orientation, or --fov.",
            )
        lens = lens.scaled(width, height)
    longer = max(image_size)
    focal = float(lens.K[0, 0])
    centre = lens.K[:2, 2] / np.array(image_size)
    if not 0.08 * longer <= focal <= 12.0 * longer or (centre < -0.5).any() or (centre > 1.5).any():
        raise RigError(
            f"The intrinsics do not belong to {path.name}: a focal length of {focal:.4g} px and a centre at "
            f"({lens.K[0, 2]:.4g}, {lens.K[1, 2]:.4g}) for {width} × {height} pixels.",
            "Calibrate the camera that took the picture, or give --fov.",
        )
    return lens
