"""``intrinsic.json`` with ``extrinsic.json``: one camera that took several views of a board.

``{"intrinsic": 3×3, "distortion_coefficients": [5]}`` and ``{"extrinsicI": [{"rvec", "tvec"}, ...]}``, world
to camera, lengths in board squares (algorithms.md §6.1). Every view becomes a camera. What we write adds the
unit beside ``extrinsicI``, where other readers of the format do not look.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from handloom.cameras.files._text import peek, read_text, write_texts
from handloom.cameras.files._values import build_camera, build_rig, numbers, require_brown_conrady, rodrigues
from handloom.cameras.rig import CameraRig
from handloom.errors import CameraFileError, RigError

TITLE = "JSON pair (intrinsic.json with extrinsic.json)"
INTRINSIC_NAME = "intrinsic.json"
EXTRINSIC_NAME = "extrinsic.json"

_KEYS = re.compile(r'^\s*\{\s*"(intrinsic|distortion_coefficients|extrinsicI)"')


def sniff(path: Path) -> bool:
    """Whether this is a folder with an ``intrinsic.json``, or one of the two files."""
    return bool(_KEYS.match(peek(path / INTRINSIC_NAME if path.is_dir() else path)))


def read(path: Path) -> CameraRig:
    """Read every view as a camera: cam0, cam1, ..."""
    folder = path if path.is_dir() else path.parent
    intrinsic_path, extrinsic_path = folder / INTRINSIC_NAME, folder / EXTRINSIC_NAME
    if not extrinsic_path.is_file():
        raise CameraFileError(
            f"{intrinsic_path} has no extrinsics: there is no {EXTRINSIC_NAME} beside it.",
            "Copy the file there.",
        )
    intrinsic = _parse(intrinsic_path)
    extrinsic = _parse(extrinsic_path)
    views = extrinsic.get("extrinsicI")
    if not isinstance(views, list) or not all(isinstance(view, dict) for view in views):
        raise CameraFileError(f"{extrinsic_path} has no list 'extrinsicI' of views.", "Correct the file.")
    cameras = [
        build_camera(
            folder,
            f"cam{i}",
            image_size=intrinsic.get("image_size"),
            K=intrinsic.get("intrinsic"),
            distortion=intrinsic.get("distortion_coefficients"),
            rotation=numbers(extrinsic_path, f"cam{i}", view.get("rvec"), "rvec", (3,)),
            translation=view.get("tvec"),
        )
        for i, view in enumerate(views)
    ]
    return build_rig(extrinsic_path, cameras, extrinsic.get("unit", "board-square"))


def write(rig: CameraRig, path: Path) -> None:
    """Write both files into a folder; names become cam0, cam1, ...

    Raises:
        RigError: if the cameras differ in lens or picture size, of which the format holds only one.
    """
    require_brown_conrady(rig, TITLE)
    first = rig.cameras[0]
    for camera in rig:
        if (
            camera.K.tolist() != first.K.tolist()
            or camera.distortion.tolist() != first.distortion.tolist()
            or camera.image_size != first.image_size
        ):
            raise RigError(
                f"{TITLE} holds one lens for all views, {camera.name!r} and {first.name!r} differ.",
                "Write the native format instead.",
            )
    intrinsic: dict[str, Any] = {
        "intrinsic": first.K.tolist(),
        "distortion_coefficients": first.distortion.tolist(),
    }
    if first.image_size is not None:
        intrinsic["image_size"] = list(first.image_size)
    views = [
        {
            "rvec": [[value] for value in rodrigues(camera.T_camera_world[:3, :3]).tolist()],
            "tvec": camera.T_camera_world[:3, 3:].tolist(),
        }
        for camera in rig
    ]
    write_texts(
        {
            path / INTRINSIC_NAME: json.dumps(intrinsic, indent=1),
            path / EXTRINSIC_NAME: json.dumps({"extrinsicI": views, "unit": rig.unit}, indent=1),
        }
    )


def _parse(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise CameraFileError(
            f"{path} is not valid JSON: {error}.", "It may be cut short; write or copy it again."
        ) from error
    if not isinstance(document, dict):
        raise CameraFileError(f"{path} is not a JSON object.", "Correct the file.")
    return document
