"""aniposelib TOML, and the project's own ``rig.toml``, which adds the unit, the up direction and
reasons not to trust it.

One table per camera (``[cam_0]``: name, size, matrix, distortions, rotation as a Rodrigues vector,
translation, fisheye), world to camera, OpenCV axes. aniposelib, FreeMoCap and Pose2Sim write no unit: theirs
is unknown. Our ``[metadata]`` states it.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w

from handloom.cameras.camera import Camera
from handloom.cameras.files._text import peek, read_text, write_texts
from handloom.cameras.files._values import build_camera, build_rig, rodrigues
from handloom.cameras.rig import CameraRig
from handloom.errors import CameraFileError

TITLE = "aniposelib TOML (rig.toml)"
FILE_NAME = "rig.toml"

_CAMERA_KEYS = re.compile(r"^\s*(matrix|distortions|rotation|translation)\s*=", re.MULTILINE)
_CALISCOPE_TABLE = re.compile(r"^\s*\[cameras\.", re.MULTILINE)


def sniff(path: Path) -> bool:
    """Whether this is a TOML file with camera tables at its top level, or a folder with a ``rig.toml``."""
    text = peek(path / FILE_NAME if path.is_dir() else path)
    # Two of the keys: a file that lacks one is better told so than called foreign.
    return len(set(_CAMERA_KEYS.findall(text))) > 1 and not _CALISCOPE_TABLE.search(text)


def read(path: Path) -> CameraRig:
    """Read a rig; see :func:`handloom.cameras.files.read_rig`."""
    path = path / FILE_NAME if path.is_dir() else path
    tables = parse_toml(path)
    metadata = tables.get("metadata", {})
    if not isinstance(metadata, dict):
        raise CameraFileError(f"{path}: metadata is not a table.", "Correct the file.")
    cameras = [
        _camera(path, key, table)
        for key, table in tables.items()
        if isinstance(table, dict) and ("matrix" in table or "distortions" in table)
    ]
    rig = build_rig(path, cameras, metadata.get("unit", "unknown"), metadata.get("up"))
    warnings = metadata.get("warnings", [])
    if not (isinstance(warnings, list) and all(isinstance(warning, str) for warning in warnings)):
        raise CameraFileError(f"{path}: warnings are not a list of sentences.", "Correct the file.")
    return replace(rig, warnings=tuple(warnings))


def write(rig: CameraRig, path: Path) -> None:
    """Write a rig, whole or not at all."""
    document: dict[str, Any] = {f"cam_{i}": _table(camera) for i, camera in enumerate(rig)}
    document["metadata"] = {"unit": rig.unit} | ({} if rig.up is None else {"up": rig.up.tolist()})
    if rig.warnings:
        document["metadata"]["warnings"] = list(rig.warnings)
    write_texts({path / FILE_NAME if path.is_dir() else path: tomli_w.dumps(document)})


def parse_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        CameraFileError: if it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CameraFileError(
            f"{path} is not valid TOML: {error}.", "It may be cut short; write or copy it again."
        ) from error


def _camera(path: Path, key: str, table: dict[str, Any]) -> Camera:
    return build_camera(
        path,
        str(table.get("name", key)),
        image_size=table.get("size"),
        K=table.get("matrix"),
        distortion=table.get("distortions"),
        rotation=table.get("rotation"),
        translation=table.get("translation"),
        model="fisheye" if table.get("fisheye") else "brown-conrady",
    )


def _table(camera: Camera) -> dict[str, Any]:
    size = {} if camera.image_size is None else {"size": list(camera.image_size)}
    T = camera.T_camera_world
    return {
        "name": camera.name,
        **size,
        "matrix": camera.K.tolist(),
        "distortions": camera.distortion.tolist(),
        "rotation": rodrigues(T[:3, :3]).tolist(),
        "translation": T[:3, 3].tolist(),
        "fisheye": camera.model == "fisheye",
    }
