"""The lens models on trial: which parameters each has, and what is believed of them before.

The parameters of a lens are twelve numbers in all models: logarithm of the focal length, logarithm of the
aspect fx / fy, cx, cy, and eight coefficients d0 to d7 in OpenCV's order, those a model lacks being zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.cameras.camera import LensModel as CameraModel

Array = NDArray[np.float64]
PARAMETERS = 12
FOCAL, ASPECT, CX, CY, COEFFICIENTS = 0, 1, 2, 3, 4

_TYPICAL_FOCAL = 0.9  # of the picture's longer side
_TYPICAL_FISHEYE_FOCAL = 0.5
_FOCAL_STD = 0.5  # of the logarithm: from half to twice the typical one is nothing unusual
_ASPECT_STD = 0.005
_CENTRE_STD = 0.04  # of the picture's longer side
_RADIAL_STD = 0.3  # of each term, at the picture's corner
_RATIONAL_STD = 1.0  # likewise, where terms above and below the line make up for one another
_TANGENTIAL_STD = 0.01  # likewise
_POWERS = {0: 1, 1: 2, 4: 3, 5: 1, 6: 2, 7: 3}  # of the squared radius, by number of the coefficient


@dataclass(frozen=True)
class LensModel:
    """A lens model.

    Attributes:
        name: as in :class:`handloom.calibration.calibration.LensChoice`.
        camera_model: the family it belongs to.
        length: how many coefficients a :class:`Camera` of this model has.
        free: which of them are estimated.
    """

    name: str
    camera_model: CameraModel
    length: int
    free: tuple[int, ...]


#: The models by name, simple ones first.
MODELS = {
    model.name: model
    for model in (
        LensModel("pinhole", "brown-conrady", 5, ()),
        LensModel("radial-2", "brown-conrady", 5, (0, 1)),
        LensModel("brown-conrady-4", "brown-conrady", 5, (0, 1, 2, 3)),
        LensModel("brown-conrady-5", "brown-conrady", 5, (0, 1, 2, 3, 4)),
        LensModel("fisheye", "fisheye", 4, (0, 1, 2, 3)),
        LensModel("rational-8", "brown-conrady", 8, (0, 1, 2, 3, 4, 5, 6, 7)),
    )
}

OUTER = ("fisheye", "rational-8")
"""Models that differ from the others only where the lens bends much, far from the picture's middle."""


@dataclass(frozen=True, eq=False)
class Belief:
    """What is known of a lens before any picture is looked at.

    Attributes:
        mean: (12,) parameters.
        std: (12,) standard deviations, 0 for what is held.
    """

    mean: Array
    std: Array

    @property
    def free(self) -> NDArray[np.intp]:
        """Numbers of the parameters that are estimated."""
        return np.flatnonzero(self.std > 0)


def believe(
    model: LensModel,
    image_size: tuple[int, int],
    known_focal: tuple[float, float] | None = None,
    rough_focal_px: float | None = None,
) -> Belief:
    """Weak beliefs that hold for any camera: pixels nearly square, the axis near the picture's middle, and
    a distortion that leaves the picture's corners somewhere near.

    With enough pictures they have no say; with few they decide what the pictures cannot.

    Args:
        model: the lens model.
        image_size: (width, height) in pixels.
        known_focal: focal length in pixels and its relative standard deviation, 0 to hold it.
        rough_focal_px: a first idea of the focal length, by which the coefficients are scaled.
    """
    width, height = image_size
    longer = max(image_size)
    mean, std = np.zeros(PARAMETERS), np.zeros(PARAMETERS)
    typical = longer * (_TYPICAL_FISHEYE_FOCAL if model.camera_model == "fisheye" else _TYPICAL_FOCAL)
    focal, focal_std = known_focal or (typical, _FOCAL_STD)
    mean[FOCAL], std[FOCAL] = np.log(focal), focal_std
    std[ASPECT] = _ASPECT_STD if focal_std > 0 else 0.0  # one that is stated holds for both axes
    mean[CX], mean[CY] = (width - 1) / 2, (height - 1) / 2
    std[CX] = std[CY] = _CENTRE_STD * longer
    corner = np.hypot(width, height) / 2 / (rough_focal_px or focal)
    radial_std = _RATIONAL_STD if len(model.free) == 8 else _RADIAL_STD
    for i in model.free:
        if model.camera_model == "brown-conrady" and i in (2, 3):
            std[COEFFICIENTS + i] = _TANGENTIAL_STD / corner
        else:
            power = i + 1 if model.camera_model == "fisheye" else _POWERS[i]
            std[COEFFICIENTS + i] = radial_std / corner ** (2 * power)
    return Belief(mean, std)


def focal_lengths(lens: Array) -> Array:
    """(..., 2) fx, fy of (..., 12) parameters."""
    half = lens[..., ASPECT] / 2
    return np.exp(np.stack([lens[..., FOCAL] + half, lens[..., FOCAL] - half], axis=-1))


def to_camera(name: str, image_size: tuple[int, int], lens: Array, model: LensModel) -> Camera:
    """The camera with such a lens, at the origin."""
    fx, fy = focal_lengths(lens)
    K = np.array([[fx, 0.0, lens[CX]], [0.0, fy, lens[CY]], [0.0, 0.0, 1.0]])
    coefficients = lens[COEFFICIENTS : COEFFICIENTS + model.length]
    return Camera(name, image_size, K, coefficients, np.eye(4), model.camera_model)


def from_camera(camera: Camera) -> Array:
    """(12,) parameters of a camera's lens."""
    fx, fy = camera.K[0, 0], camera.K[1, 1]
    lens = np.zeros(PARAMETERS)
    lens[:COEFFICIENTS] = np.log(fx * fy) / 2, np.log(fx / fy), camera.K[0, 2], camera.K[1, 2]
    lens[COEFFICIENTS : COEFFICIENTS + len(camera.distortion)] = camera.distortion
    return lens


def ideal_coordinates(
    pixels: Array, lens: Array, camera_model: CameraModel
) -> tuple[Array, NDArray[np.bool_]]:
    """Ideal image coordinates of pixels for a lens without coefficients, and where there are any.

    Args:
        pixels: (V, M, 2).
        lens: (12,) parameters, of which the coefficients are not looked at.
        camera_model: the family: an ideal pinhole, or an equidistant fisheye.
    """
    drawn = (pixels - lens[[CX, CY]]) / focal_lengths(lens)
    if camera_model != "fisheye":
        return drawn, np.ones(drawn.shape[:-1], dtype=bool)
    angle = np.maximum(np.hypot(drawn[..., 0], drawn[..., 1]), 1e-12)
    inside = angle < np.deg2rad(80.0)
    return drawn * (np.tan(np.where(inside, angle, 0.1)) / angle)[..., None], inside
