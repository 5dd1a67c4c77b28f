"""OpenCV's YAML storage in its three customs.

* EasyMocap: ``intri.yml`` (K_NAME, dist_NAME, optionally H_NAME and W_NAME) with ``extri.yml`` (Rot_NAME or
  R_NAME, T_NAME); read and written.
* A stereo pair as OpenCV's samples write it: M1, D1, M2, D2 in one file, R, T in the same or another file of
  the folder. The first camera is the world.
* One camera: camera_matrix, distortion_coefficients. The camera is the world, in metres: alone it has no
  length that could be in another unit.

The customs of several cameras state no unit; what we write adds it, under a key that other readers ignore.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.cameras.files._opencv_storage import parse_storage
from handloom.cameras.files._text import peek, read_text, write_texts
from handloom.cameras.files._values import build_camera, build_rig, require_brown_conrady, rodrigues
from handloom.cameras.rig import CameraRig
from handloom.errors import CameraFileError, RigError

Array = NDArray[np.float64]

TITLE = "OpenCV YAML (intri.yml with extri.yml, stereo M1 D1 M2 D2 R T, or camera_matrix)"
INTRINSIC_NAME = "intri.yml"
EXTRINSIC_NAME = "extri.yml"

_KEY = re.compile(r"^([A-Za-z_][A-Za-z0-9_ -]*):", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9_-]+")


def sniff(path: Path) -> bool:
    """Whether this is OpenCV YAML with cameras in it, or a folder with several such files or a pair."""
    if path.is_dir():
        return any(_is_rig(_keys(file)) for file in _storages(path))
    keys = _keys(path)
    return _is_rig(keys) or _is_pose(keys) or "camera_matrix" in keys


def read(path: Path) -> CameraRig:
    """Read the cameras of a file; extrinsics are also looked for in the other files of its folder."""
    if path.is_dir():
        path = next(file for file in _storages(path) if _is_rig(_keys(file)))
    values = _parse(path)
    if "camera_matrix" in values:
        return _single(path, values)
    if not (_is_rig(values.keys()) and _is_pose(values.keys())):
        for neighbour in _storages(path.parent):
            if neighbour != path and (_is_rig(_keys(neighbour)) or _is_pose(_keys(neighbour))):
                values = _parse(neighbour) | values
    return _stereo(path, values) if "M1" in values else _easymocap(path, values)


def write(rig: CameraRig, path: Path) -> None:
    """Write ``intri.yml`` and ``extri.yml`` into a folder.

    Raises:
        RigError: if the rig holds a fisheye, or a name that is no key of OpenCV's YAML.
    """
    require_brown_conrady(rig, TITLE)
    unfit = [name for name in rig.names if not _NAME.fullmatch(name)]
    if unfit:
        raise RigError(
            f"{TITLE} takes names of letters, digits, - and _ only, not {', '.join(map(repr, unfit))}.",
            "Rename these cameras.",
        )
    intrinsics: dict[str, Any] = {"names": rig.names}
    extrinsics: dict[str, Any] = {"names": rig.names, "unit": rig.unit}
    if rig.up is not None:
        extrinsics["up"] = rig.up[:, None]
    for camera in rig:
        name, T = camera.name, camera.T_camera_world
        intrinsics |= {f"K_{name}": camera.K, f"dist_{name}": camera.distortion[None]}
        if camera.image_size is not None:
            intrinsics |= {f"W_{name}": camera.image_size[0], f"H_{name}": camera.image_size[1]}
        extrinsics |= {
            f"R_{name}": rodrigues(T[:3, :3])[:, None],
            f"Rot_{name}": T[:3, :3],
            f"T_{name}": T[:3, 3:],
        }
    write_texts({path / INTRINSIC_NAME: _dump(intrinsics), path / EXTRINSIC_NAME: _dump(extrinsics)})


def _single(path: Path, values: dict[str, Any]) -> CameraRig:
    camera = build_camera(
        path,
        str(values.get("camera_name", "cam0")),
        image_size=_size(values, "image_width", "image_height"),
        K=values["camera_matrix"],
        distortion=values.get("distortion_coefficients"),
        rotation=np.eye(3),
        translation=np.zeros(3),
        model="fisheye" if values.get("fisheye_model") else "brown-conrady",
    )
    return build_rig(path, [camera], "m")


def _stereo(path: Path, values: dict[str, Any]) -> CameraRig:
    if "R" not in values or "T" not in values:
        raise CameraFileError(
            f"{path} has no extrinsics: R and T stand neither in it nor in a YAML file beside it.",
            "Copy the extrinsics file of the stereo calibration into the same folder.",
        )
    poses = ((np.eye(3), np.zeros(3)), (values["R"], values["T"]))
    cameras = [
        build_camera(
            path,
            f"cam{i}",
            image_size=_size(values, "image_width", "image_height"),
            K=values.get(f"M{i + 1}"),
            distortion=values.get(f"D{i + 1}"),
            rotation=rotation,
            translation=translation,
        )
        for i, (rotation, translation) in enumerate(poses)
    ]
    return build_rig(path, cameras, values.get("unit", "unknown"))


def _easymocap(path: Path, values: dict[str, Any]) -> CameraRig:
    names = _names(path, values)
    unposed = [n for n in names if f"T_{n}" not in values or not {f"Rot_{n}", f"R_{n}"} & values.keys()]
    if unposed:
        raise CameraFileError(
            f"{path}: no extrinsics for {', '.join(map(repr, unposed))}.",
            f"Put the {EXTRINSIC_NAME} of this calibration beside it.",
        )
    cameras = [
        build_camera(
            path,
            name,
            image_size=_size(values, f"W_{name}", f"H_{name}"),
            K=values.get(f"K_{name}"),
            distortion=values.get(f"dist_{name}", values.get(f"D_{name}")),
            rotation=values.get(f"Rot_{name}", values.get(f"R_{name}")),
            translation=values[f"T_{name}"],
        )
        for name in names
    ]
    up = values.get("up")
    return build_rig(path, cameras, values.get("unit", "unknown"), None if up is None else np.ravel(up))


def _names(path: Path, values: dict[str, Any]) -> list[str]:
    """The cameras' names: the list of the file, or what follows K_ where there is none."""
    listed = values.get("names")
    if not isinstance(listed, list):
        return [key[2:] for key in values if key.startswith("K_")]
    if len(set(listed)) != len(listed):
        raise CameraFileError(f"{path}: its list of names repeats one.", "Give every camera its own name.")
    return listed


def _size(values: dict[str, Any], width: str, height: str) -> tuple[float, float] | None:
    return (values[width], values[height]) if width in values and height in values else None


def _storages(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in (".yml", ".yaml"))


def _keys(path: Path) -> set[str]:
    text = peek(path)
    return set(_KEY.findall(text)) if text.startswith("%YAML") else set()


def _is_rig(keys: Set[str]) -> bool:
    return {"M1", "M2"} <= keys or any(key.startswith("K_") for key in keys)


def _is_pose(keys: Set[str]) -> bool:
    return {"R", "T"} <= keys or any(key.startswith("T_") for key in keys)


def _parse(path: Path) -> dict[str, Any]:
    try:
        return parse_storage(read_text(path))
    except ValueError as error:
        raise CameraFileError(
            f"{path} is not valid: {error}.", "It may be cut short; write or copy it again."
        ) from error


def _dump(values: dict[str, Any]) -> str:
    storage = cv2.FileStorage(".yml", cv2.FILE_STORAGE_WRITE | cv2.FILE_STORAGE_MEMORY)
    for key, value in values.items():
        if isinstance(value, tuple):
            storage.startWriteStruct(key, cv2.FileNode_SEQ)
            _write_all(storage, value)
            storage.endWriteStruct()
        else:
            storage.write(key, value)
    return storage.releaseAndGetString()


def _write_all(storage: cv2.FileStorage, items: Iterable[str]) -> None:
    for item in items:
        storage.write("", item)
