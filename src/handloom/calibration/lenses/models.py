"""The lens models on trial: which parameters each has, what is believed of them before, and projection
with derivatives.

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


def project(lens: Array, camera_model: CameraModel, points: Array) -> tuple[Array, Array, Array]:
    """Pixels of points, and how they change with the lens and with the points.

    Args:
        lens: (12,) or (V, 12) parameters, one set or one a view.
        camera_model: the family.
        points: (V, M, 3) in the camera's frame, before it.

    Returns:
        (V, M, 2) pixels, (V, M, 2, 12) derivatives by the lens, (V, M, 2, 3) derivatives by the points.
    """
    lens = np.broadcast_to(lens, (len(points), PARAMETERS))[:, None]
    x, y, inverse = points[..., 0], points[..., 1], 1.0 / points[..., 2]
    x, y = x * inverse, y * inverse
    d = [lens[..., COEFFICIENTS + i] for i in range(8)]
    by_lens = np.zeros((*x.shape, 2, PARAMETERS))
    distort = _fisheye if camera_model == "fisheye" else _brown_conrady
    xd, yd, xx, xy, yy = distort(x, y, d, by_lens[..., COEFFICIENTS:])
    focal = focal_lengths(lens)
    fx, fy = focal[..., 0], focal[..., 1]
    by_lens[..., 0, COEFFICIENTS:] *= fx[..., None]
    by_lens[..., 1, COEFFICIENTS:] *= fy[..., None]
    by_lens[..., 0, FOCAL], by_lens[..., 1, FOCAL] = fx * xd, fy * yd
    by_lens[..., 0, ASPECT], by_lens[..., 1, ASPECT] = fx * xd / 2, -fy * yd / 2
    by_lens[..., 0, CX] = by_lens[..., 1, CY] = 1.0
    by_point = np.empty((*x.shape, 2, 3))
    for row, (along, across, f) in enumerate(((xx, xy, fx), (xy, yy, fy))):
        scale = f * inverse
        by_point[..., row, 0], by_point[..., row, 1] = along * scale, across * scale
        by_point[..., row, 2] = -(along * x + across * y) * scale
    pixels = np.stack([fx * xd + lens[..., CX], fy * yd + lens[..., CY]], axis=-1)
    return pixels, by_lens, by_point


def pixels_of(lens: Array, camera_model: CameraModel, points: Array) -> Array:
    """(V, M, 2) pixels alone, as of :func:`project`."""
    lens = np.broadcast_to(lens, (len(points), PARAMETERS))[:, None]
    ideal = points[..., :2] / points[..., 2:]
    x, y = ideal[..., 0], ideal[..., 1]
    k1, k2, p1, p2, k3, k4, k5, k6 = (lens[..., COEFFICIENTS + i] for i in range(8))
    u = x * x + y * y
    if camera_model == "fisheye":
        radius = np.maximum(np.sqrt(u), 1e-12)
        angle = np.arctan(radius)
        u = angle * angle
        factor = (1.0 + u * (k1 + u * (k2 + u * (p1 + u * p2)))) * angle / radius
        drawn = ideal * factor[..., None]
    else:
        factor = (1.0 + u * (k1 + u * (k2 + u * k3))) / (1.0 + u * (k4 + u * (k5 + u * k6)))
        factor = factor + 2 * (p2 * x + p1 * y)
        drawn = ideal * factor[..., None] + np.stack([p2 * u, p1 * u], axis=-1)
    return np.asarray(drawn * focal_lengths(lens) + lens[..., CX : CY + 1])


def _brown_conrady(
    x: Array, y: Array, d: list[Array], by_coefficients: Array
) -> tuple[Array, Array, Array, Array, Array]:
    """Distorted coordinates and the symmetric Jacobian xx, xy, yy; fills in the derivatives by d."""
    k1, k2, p1, p2, k3, k4, k5, k6 = d
    u = x * x + y * y
    below = 1.0 / (1.0 + u * (k4 + u * (k5 + u * k6)))
    factor = (1.0 + u * (k1 + u * (k2 + u * k3))) * below
    slope = ((k1 + u * (2 * k2 + 3 * u * k3)) - factor * (k4 + u * (2 * k5 + 3 * u * k6))) * below
    xy = x * y
    xd = x * factor + 2 * p1 * xy + p2 * (u + 2 * x * x)
    yd = y * factor + p1 * (u + 2 * y * y) + 2 * p2 * xy
    power = u * below
    for above, beneath in ((0, 5), (1, 6), (4, 7)):
        for row, ideal in ((0, x), (1, y)):
            by_coefficients[..., row, above] = ideal * power
            by_coefficients[..., row, beneath] = -ideal * power * factor
        power = power * u
    by_coefficients[..., 0, 2], by_coefficients[..., 1, 2] = 2 * xy, u + 2 * y * y
    by_coefficients[..., 0, 3], by_coefficients[..., 1, 3] = u + 2 * x * x, 2 * xy
    return (
        xd,
        yd,
        factor + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x,
        2 * xy * slope + 2 * p1 * x + 2 * p2 * y,
        factor + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x,
    )


def _fisheye(
    x: Array, y: Array, d: list[Array], by_coefficients: Array
) -> tuple[Array, Array, Array, Array, Array]:
    """The same for Kannala and Brandt's lens."""
    radius = np.maximum(np.sqrt(x * x + y * y), 1e-12)
    angle = np.arctan(radius)
    u = angle * angle
    drawn = angle * (1.0 + u * (d[0] + u * (d[1] + u * (d[2] + u * d[3]))))
    growth = 1.0 + u * (3 * d[0] + u * (5 * d[1] + u * (7 * d[2] + u * 9 * d[3])))
    factor = drawn / radius
    slope = (growth / (1.0 + radius * radius) - factor) / (radius * radius)
    power = angle * u / radius
    for i in range(4):
        by_coefficients[..., 0, i], by_coefficients[..., 1, i] = x * power, y * power
        power = power * u
    return x * factor, y * factor, factor + x * x * slope, x * y * slope, factor + y * y * slope


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
