"""Caliscope's ``camera_array.toml``: one ``[cameras.N]`` table per camera, metres.

``rotation`` is a 3×3 matrix or, in newer files, a Rodrigues vector. ``rotation_count`` turns the picture for
display only, the calibration holds for the picture as recorded. Ignored cameras are left out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import tomli_w

from handloom.cameras.camera import Camera
from handloom.cameras.files._text import peek, write_texts
from handloom.cameras.files._values import build_camera, build_rig, require_metres
from handloom.cameras.files.aniposelib_toml import parse_toml
from handloom.cameras.rig import CameraRig
from handloom.errors import CameraFileError, RigError

TITLE = "Caliscope TOML (camera_array.toml)"
FILE_NAME = "camera_array.toml"

_CAMERA_TABLE = re.compile(r"^\s*\[cameras\.", re.MULTILINE)
_TRAILING_NUMBER = re.compile(r"(\d+)$")


def sniff(path: Path) -> bool:
    """Whether this is a file with ``[cameras.N]`` tables, or a folder with a ``camera_array.toml``."""
    return bool(_CAMERA_TABLE.search(peek(path / FILE_NAME if path.is_dir() else path)))


def read(path: Path) -> CameraRig:
    """Read a rig; cameras are named ``cam_N`` as Caliscope names their recordings."""
    path = path / FILE_NAME if path.is_dir() else path
    tables = parse_toml(path).get("cameras")
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise CameraFileError(f"{path}: its cameras are not tables.", "Correct the file.")
    used = {f"cam_{key}": table for key, table in tables.items() if not table.get("ignore")}
    unposed = [name for name, table in used.items() if not _is_posed(table)]
    if unposed:
        raise CameraFileError(
            f"{path}: no extrinsics for {', '.join(unposed)}.",
            "Finish the extrinsic calibration, or set ignore = true for these cameras.",
        )
    return build_rig(path, [_camera(path, name, table) for name, table in used.items()], "m")


def write(rig: CameraRig, path: Path) -> None:
    """Write a rig, whole or not at all. Names are reduced to their trailing numbers where these differ.

    Raises:
        RigError: if the rig is not in metres or a picture size is not known, which the format requires.
    """
    require_metres(rig, TITLE)
    unsized = [camera.name for camera in rig if camera.image_size is None]
    if unsized:
        raise RigError(
            f"{TITLE} needs the picture size, unknown for {', '.join(map(repr, unsized))}.",
            "Write the native format instead.",
        )
    document = {"cameras": {str(n): _table(c, n) for n, c in zip(_numbers(rig), rig, strict=True)}}
    write_texts({path / FILE_NAME if path.is_dir() else path: tomli_w.dumps(document)})


def _is_posed(table: dict[str, Any]) -> bool:
    # Caliscope writes the text "null" where it knows nothing.
    return all(table.get(key, "null") != "null" for key in ("rotation", "translation"))


def _camera(path: Path, name: str, table: dict[str, Any]) -> Camera:
    return build_camera(
        path,
        name,
        image_size=table.get("size"),
        K=table.get("matrix"),
        distortion=table.get("distortions"),
        rotation=table.get("rotation"),
        translation=table.get("translation"),
        model="fisheye" if table.get("fisheye") else "brown-conrady",
    )


def _table(camera: Camera, number: int) -> dict[str, Any]:
    T = camera.T_camera_world
    return {
        "cam_id": number,
        "rotation_count": 0,
        "ignore": False,
        "fisheye": camera.model == "fisheye",
        "size": list(camera.image_size or ()),
        "matrix": camera.K.tolist(),
        "distortions": camera.distortion.tolist(),
        "translation": T[:3, 3].tolist(),
        "rotation": T[:3, :3].tolist(),
    }


def _numbers(rig: CameraRig) -> list[int]:
    trailing = [_TRAILING_NUMBER.search(name) for name in rig.names]
    found = [int(match[1]) for match in trailing if match]
    return found if len(set(found)) == len(rig) else list(range(len(rig)))
