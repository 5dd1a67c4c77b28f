"""From what a calibration file says to a valid camera: shapes, finiteness, rotations, lens coefficients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.cameras.camera import COEFFICIENT_COUNTS, Camera, LensModel
from handloom.cameras.rig import CameraRig
from handloom.errors import CameraFileError, RigError

Array = NDArray[np.float64]

_REMEDY = "Correct the file or calibrate again."
_ROTATION_TOLERANCE = 1e-3  # files round their numbers; worse than this is not rounding


def numbers(path: Path, name: str, value: Any, what: str, *shapes: tuple[int, ...]) -> Array:
    """A file's value as an array of one of the shapes; flat and of any length if no shape is given.

    Raises:
        CameraFileError: if it is missing, not numeric, of another size, or not finite.
    """
    if value is None:
        raise CameraFileError(f"{path}: camera {name!r} has no {what}.", _REMEDY)
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CameraFileError(f"{path}: the {what} of camera {name!r} is not numeric.", _REMEDY) from error
    shape = next((s for s in shapes or ((array.size,),) if array.size == np.prod(s)), None)
    if shape is None:
        expected = " or ".join("×".join(map(str, shape)) for shape in shapes)
        raise CameraFileError(
            f"{path}: the {what} of camera {name!r} holds {array.size} numbers, expected {expected}.", _REMEDY
        )
    if not np.isfinite(array).all():
        raise CameraFileError(
            f"{path}: the {what} of camera {name!r} holds NaN or infinite numbers.", _REMEDY
        )
    return array.reshape(shape)


def build_camera(
    path: Path,
    name: str,
    *,
    image_size: Any,
    K: Any,
    distortion: Any,
    rotation: Any,
    translation: Any,
    model: LensModel = "brown-conrady",
) -> Camera:
    """A camera from raw values of a file.

    Args:
        path: the file, for messages.
        name: the camera.
        image_size: (width, height), or None where the format does not say.
        K: 3×3 numbers.
        distortion: coefficients in OpenCV's order; too few are filled with zeros, superfluous zeros dropped.
        rotation: world to camera, 3×3 or Rodrigues vector.
        translation: 3 numbers.
        model: the lens.

    Raises:
        CameraFileError: if any value is missing, not finite, of the wrong size, or impossible.
    """
    T = np.eye(4)
    T[:3, :3] = _rotation(path, name, rotation)
    T[:3, 3] = numbers(path, name, translation, "translation", (3,))
    size = None if image_size is None else numbers(path, name, image_size, "image size", (2,))
    try:
        return Camera(
            name=name,
            image_size=None if size is None else (round(size[0]), round(size[1])),
            K=numbers(path, name, K, "intrinsic matrix", (3, 3)),
            distortion=_coefficients(path, name, distortion, model),
            T_camera_world=T,
            model=model,
        )
    except ValueError as error:
        raise CameraFileError(f"{path}: {error}.", _REMEDY) from error


def build_rig(path: Path, cameras: list[Camera], unit: Any, up: Any = None) -> CameraRig:
    """A rig from the cameras of a file, in metres if the unit is a length; see :meth:`CameraRig.in_unit`.

    Raises:
        CameraFileError: without cameras, for repeated names, or for an impossible unit or up.
    """
    try:
        return CameraRig(tuple(cameras), unit="unknown", up=up).in_unit(unit)
    except RigError as error:
        raise CameraFileError(f"{path}: {error.problem}", error.remedy) from error
    except (TypeError, ValueError) as error:
        raise CameraFileError(f"{path}: {error}.", _REMEDY) from error


def rodrigues(rotation: Array) -> Array:
    """(3,) axis times angle, radians, of a (3, 3) rotation.

    By way of the quaternion, since OpenCV's inverse is wrong by 1e-5 next to half turns, which is how a
    camera that looks straight down stands.
    """
    antisymmetric = rotation.T - rotation
    w_times_vector = np.array([antisymmetric[1, 2], antisymmetric[2, 0], antisymmetric[0, 1]])
    products = np.empty((4, 4))  # four times the products of the quaternion's components, w first
    products[0, 0] = 1.0 + np.trace(rotation)
    products[0, 1:] = products[1:, 0] = w_times_vector
    products[1:, 1:] = rotation + rotation.T + np.eye(3) * (1.0 - np.trace(rotation))
    row = products[np.argmax(np.diag(products))]
    w, *vector = (row if row[0] >= 0 else -row) / np.linalg.norm(row)
    sine = float(np.linalg.norm(vector))
    return np.array(vector) * (2.0 * np.arctan2(sine, w) / sine if sine > 1e-12 else 2.0)


def require_brown_conrady(rig: CameraRig, format_title: str) -> None:
    """Refuse to write a fisheye into a format that has no place for one.

    Raises:
        RigError: if the rig holds a fisheye.
    """
    fisheyes = [camera.name for camera in rig if camera.model == "fisheye"]
    if fisheyes:
        raise RigError(
            f"{format_title} cannot hold fisheye lenses: {', '.join(map(repr, fisheyes))}.",
            "Write the native format instead.",
        )


def require_metres(rig: CameraRig, format_title: str) -> None:
    """Refuse to write lengths of another unit into a format that means metres or millimetres.

    Raises:
        RigError: if the rig is not in metres.
    """
    if rig.unit != "m":
        raise RigError(
            f"{format_title} needs metric lengths, the unit of this rig is {rig.unit!r}.",
            "State the length of its unit first, for example unit='25 mm'.",
        )


def _rotation(path: Path, name: str, value: Any) -> Array:
    raw = numbers(path, name, value, "rotation", (3, 3), (3,))
    if raw.shape == (3,):
        return np.asarray(cv2.Rodrigues(raw)[0], dtype=np.float64)
    left, stretch, right = np.linalg.svd(raw)
    deviation = float(np.abs(stretch - 1.0).max())
    if deviation > _ROTATION_TOLERANCE:
        raise CameraFileError(
            f"{path}: the rotation of camera {name!r} is not orthonormal"
            f" (it stretches lengths by up to {deviation:.2g}).",
            _REMEDY,
        )
    return raw if deviation < 1e-12 else left @ right


def _coefficients(path: Path, name: str, value: Any, model: LensModel) -> Array:
    counts = COEFFICIENT_COUNTS[model]
    given = numbers(path, name, value, "distortion")
    used = int(np.max(np.nonzero(given)[0], initial=-1)) + 1
    count = next((n for n in counts if n >= max(used, min(len(given), counts[-1]))), None)
    if count is None:
        raise CameraFileError(
            f"{path}: camera {name!r} has {len(given)} {model} distortion coefficients,"
            f" at most {counts[-1]} are supported.",
            "Calibrate with a lens model of at most that many.",
        )
    return np.concatenate([given, np.zeros(8)])[:count]
