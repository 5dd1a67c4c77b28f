"""Qualisys calibrations (``.qca.txt``), which are XML.

A camera's ``transform`` holds its centre C in millimetres and a matrix M; with OpenCV axes
x_cam = diag(1, -1, -1) M (X - C). Focal lengths and principal point are in 1/64 pixel of the sensor, of which
``fov_video`` is the recorded part. The world's up is +Z, as Qualisys calibrates it.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from handloom.cameras.camera import Camera
from handloom.cameras.files._text import peek, read_text, write_texts
from handloom.cameras.files._values import (
    build_camera,
    build_rig,
    numbers,
    require_brown_conrady,
    require_metres,
)
from handloom.cameras.rig import CameraRig
from handloom.errors import CameraFileError, RigError

Array = NDArray[np.float64]

TITLE = "Qualisys XML (Calib.qca.txt)"
FILE_NAME = "Calib.qca.txt"

_ROOT = re.compile(r"<calibration[\s>]")
_SUBPIXELS = 64.0
_MILLIMETRE = 0.001
_OPENCV_AXES = np.diag([1.0, -1.0, -1.0])
_UP = (0.0, 0.0, 1.0)
_DISTORTION_KEYS = (
    "radialDistortion1",
    "radialDistortion2",
    "tangentalDistortion1",
    "tangentalDistortion2",
    "radialDistortion3",
)
_ROTATION_KEYS = tuple(f"r{row}{column}" for row in (1, 2, 3) for column in (1, 2, 3))


def sniff(path: Path) -> bool:
    """Whether this is an XML file with a ``calibration``."""
    text = peek(path)
    return text.lstrip().startswith("<") and bool(_ROOT.search(text))


def read(path: Path) -> CameraRig:
    """Read a rig, in metres; named by their serial; inactive cameras are left out."""
    text = read_text(path)
    if "<!DOCTYPE" in text.upper() or "<!ENTITY" in text.upper():
        raise CameraFileError(
            f"{path} declares a DOCTYPE or entities, which a calibration never needs; it was not read.",
            "Export the calibration from Qualisys again.",
        )
    try:
        root = ElementTree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    except ElementTree.ParseError as error:
        raise CameraFileError(
            f"{path} is not valid XML: {error}.", "It may be cut short; export or copy it again."
        ) from error
    active = [element for element in root.findall("cameras/camera") if element.get("active") != "0"]
    cameras = [_camera(path, i, element) for i, element in enumerate(active)]
    return build_rig(path, cameras, "m", _UP)


def write(rig: CameraRig, path: Path) -> None:
    """Write a rig, whole or not at all.

    Raises:
        RigError: if the rig is not in metres, its up is not +Z, or a lens has more coefficients than the
            format has places.
    """
    require_metres(rig, TITLE)
    require_brown_conrady(rig, TITLE)
    if rig.up is None or not np.allclose(rig.up, _UP, atol=1e-3):
        stated = "unknown" if rig.up is None else str(np.round(rig.up, 3).tolist())
        raise RigError(f"{TITLE} means +Z to be up, in this rig up is {stated}.", "Turn the world first.")
    root = ElementTree.Element("calibration", {"type": "regular", "source": "handloom"})
    cameras = ElementTree.SubElement(root, "cameras")
    for camera in rig:
        _append(cameras, camera)
    ElementTree.indent(root)
    text = "<?xml version='1.0' encoding='UTF-8'?>\n" + ElementTree.tostring(root, encoding="unicode") + "\n"
    write_texts({path / FILE_NAME if path.is_dir() else path: text})


def _camera(path: Path, index: int, element: ElementTree.Element) -> Camera:
    name = element.get("serial") or f"cam{index}"
    fov = element.find("fov_video")
    edges = _attributes(path, name, fov, ("left", "top", "right", "bottom"), "fov_video")
    fx, fy, cx, cy, skew = (
        _attributes(
            path,
            name,
            element.find("intrinsic"),
            ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV", "skew"),
            "intrinsic",
        )
        / _SUBPIXELS
    )
    left, top, right, bottom = edges
    transform = element.find("transform")
    M = _attributes(path, name, transform, _ROTATION_KEYS, "transform").reshape(3, 3)
    center = _attributes(path, name, transform, ("x", "y", "z"), "transform") * _MILLIMETRE
    R = _OPENCV_AXES @ M
    return build_camera(
        path,
        name,
        image_size=(right - left + 1, bottom - top + 1),
        K=[[fx, skew, cx - left], [0.0, fy, cy - top], [0.0, 0.0, 1.0]],
        distortion=_attributes(path, name, element.find("intrinsic"), _DISTORTION_KEYS, "intrinsic"),
        rotation=R,
        translation=-R @ center,
    )


def _attributes(
    path: Path, name: str, element: ElementTree.Element | None, keys: tuple[str, ...], what: str
) -> Array:
    if element is None:
        raise CameraFileError(f"{path}: camera {name!r} has no {what}.", "Export the calibration again.")
    missing = [key for key in keys if key not in element.attrib and key != "skew"]
    if missing:
        raise CameraFileError(
            f"{path}: {what} of camera {name!r} lacks {', '.join(missing)}.", "Export the calibration again."
        )
    return numbers(path, name, [element.get(key, "0") for key in keys], what, (len(keys),))


def _append(cameras: ElementTree.Element, camera: Camera) -> None:
    if len(camera.distortion) > len(_DISTORTION_KEYS):
        raise RigError(
            f"{TITLE} holds 5 distortion coefficients, camera {camera.name!r} has {len(camera.distortion)}.",
            "Write the native format instead.",
        )
    if camera.image_size is None:
        raise RigError(
            f"{TITLE} needs the picture size, unknown for {camera.name!r}.",
            "Write the native format instead.",
        )
    width, height = camera.image_size
    K = camera.K * _SUBPIXELS
    M = _OPENCV_AXES @ camera.T_camera_world[:3, :3]
    center = camera.center / _MILLIMETRE
    coefficients = [*camera.distortion.tolist(), 0.0]
    element = ElementTree.SubElement(cameras, "camera", {"active": "1", "serial": camera.name})
    ElementTree.SubElement(
        element, "fov_video", _text({"left": 0, "top": 0, "right": width - 1, "bottom": height - 1})
    )
    ElementTree.SubElement(
        element,
        "transform",
        _text(dict(zip("xyz", center, strict=True)) | dict(zip(_ROTATION_KEYS, M.ravel(), strict=True))),
    )
    ElementTree.SubElement(
        element,
        "intrinsic",
        _text(
            {
                "focalLengthU": K[0, 0],
                "focalLengthV": K[1, 1],
                "centerPointU": K[0, 2],
                "centerPointV": K[1, 2],
                "skew": K[0, 1],
            }
            | dict(zip(_DISTORTION_KEYS, coefficients, strict=False))
        ),
    )


def _text(values: dict[str, float]) -> dict[str, str]:
    return {key: repr(float(value)) for key, value in values.items()}
