"""The seeds' folders of ``.dat`` files, in both of their naming schemes.

``c0.dat`` with ``rot_trans_c0.dat``, or ``camera0_intrinsics.dat`` with ``camera0_rot_trans.dat``; any number
of cameras. In the second scheme an optional ``world_to_camera0_rot_trans.dat`` sets another world frame; the
cameras without one follow by their pose relative to camera 0. Of several R and T blocks in a file the first
counts. The format knows neither unit nor picture size; what we write adds them, and the name, as comments
behind the numbers, where the seeds' scripts do not look. See algorithms.md §7.2 and §7.3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from handloom.cameras.camera import Camera
from handloom.cameras.files._text import peek, read_text, write_texts
from handloom.cameras.files._values import build_camera, build_rig, require_brown_conrady
from handloom.cameras.rig import CameraRig
from handloom.errors import CameraFileError

Array = NDArray[np.float64]

TITLE = ".dat pairs (c0.dat, rot_trans_c0.dat or camera0_intrinsics.dat, camera0_rot_trans.dat)"

_HEADER = re.compile(r"^\s*(intrinsic|R):\s*\n\s*[-+.\d]", re.MULTILINE)
_COMMENT = re.compile(r"^\s*#\s*(name|size|unit):\s*(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class _Scheme:
    intrinsics: re.Pattern[str]
    pose: str
    world_pose: str | None


_SCHEMES = (
    _Scheme(re.compile(r"c(\d+)\.dat"), "rot_trans_c{}.dat", None),
    _Scheme(
        re.compile(r"camera(\d+)_intrinsics\.dat"),
        "camera{}_rot_trans.dat",
        "world_to_camera{}_rot_trans.dat",
    ),
)


def sniff(path: Path) -> bool:
    """Whether this is a folder with intrinsics in one of the schemes, or a ``.dat`` file of such a folder."""
    if path.is_dir():
        return any(_intrinsics_files(path, scheme) for scheme in _SCHEMES)
    return bool(_HEADER.search(peek(path)))


def read(path: Path) -> CameraRig:
    """Read the cameras of a folder, named cam0, cam1, ... unless a comment says otherwise."""
    folder = path if path.is_dir() else path.parent
    for scheme in _SCHEMES:
        files = _intrinsics_files(folder, scheme)
        if files:
            return _read_scheme(folder, scheme, files)
    raise CameraFileError(
        f"{path} is one half of a camera; {folder} holds no intrinsics under the expected names.",
        "Name the files c0.dat and rot_trans_c0.dat, c1.dat and rot_trans_c1.dat, and so on.",
    )


def write(rig: CameraRig, path: Path) -> None:
    """Write a folder in the first scheme.

    Raises:
        RigError: if the rig holds a fisheye.
    """
    require_brown_conrady(rig, TITLE)
    texts: dict[Path, str] = {}
    for i, camera in enumerate(rig):
        size = "" if camera.image_size is None else f"# size: {camera.image_size[0]} {camera.image_size[1]}\n"
        texts[path / f"c{i}.dat"] = (
            f"intrinsic:\n{_lines(camera.K)}distortion:\n{_lines(camera.distortion[None])}"
            f"# name: {camera.name}\n{size}"
        )
        T = camera.T_camera_world
        texts[path / f"rot_trans_c{i}.dat"] = (
            f"R:\n{_lines(T[:3, :3])}T:\n{_lines(T[:3, 3:])}# unit: {rig.unit}\n"
        )
    write_texts(texts)


def _intrinsics_files(folder: Path, scheme: _Scheme) -> dict[int, Path]:
    found = {int(m[1]): p for p in folder.iterdir() if (m := scheme.intrinsics.fullmatch(p.name))}
    return dict(sorted(found.items()))


def _read_scheme(folder: Path, scheme: _Scheme, files: dict[int, Path]) -> CameraRig:
    poses: dict[int, tuple[Array, Array]] = {}
    world_poses: dict[int, tuple[Array, Array]] = {}
    units = set()
    for number, intrinsics in files.items():
        pose_file = folder / scheme.pose.format(number)
        if not pose_file.is_file():
            raise CameraFileError(
                f"{intrinsics} has no extrinsics: there is no {pose_file.name} beside it.",
                "Copy the file there, or calibrate the pair.",
            )
        poses[number] = _pose(pose_file)
        units.add(_comments(pose_file).get("unit", "unknown"))
        if scheme.world_pose and (world_file := folder / scheme.world_pose.format(number)).is_file():
            world_poses[number] = _pose(world_file)
    if world_poses:
        poses = _in_given_world(poses, world_poses)
    cameras = [_camera(number, file, *poses[number]) for number, file in files.items()]
    return build_rig(folder, cameras, units.pop() if len(units) == 1 else "unknown")


def _in_given_world(
    poses: dict[int, tuple[Array, Array]], world_poses: dict[int, tuple[Array, Array]]
) -> dict[int, tuple[Array, Array]]:
    """Poses in the world frame that is given for some of the cameras (§7.2, step 6)."""
    anchor = min(world_poses)
    R_anchor, t_anchor = poses[anchor]
    R_world, t_world = world_poses[anchor]
    moved = {}
    for number, (R, t) in poses.items():
        R_relative = R @ R_anchor.T
        t_relative = t - R_relative @ t_anchor
        moved[number] = (R_relative @ R_world, R_relative @ t_world + t_relative)
    return moved | world_poses


def _camera(number: int, path: Path, R: Array, t: Array) -> Camera:
    comments = _comments(path)
    blocks = _blocks(path)
    return build_camera(
        path,
        comments.get("name", f"cam{number}"),
        image_size=comments["size"].split() if "size" in comments else None,
        K=_block(path, blocks, "intrinsic", 9),
        distortion=_block(path, blocks, "distortion", 4, 5, 8),
        rotation=R,
        translation=t,
    )


def _pose(path: Path) -> tuple[Array, Array]:
    blocks = _blocks(path)
    return _block(path, blocks, "R", 9).reshape(3, 3), _block(path, blocks, "T", 3)


def _block(path: Path, blocks: dict[str, Array], header: str, *counts: int) -> Array:
    if header not in blocks:
        raise CameraFileError(f"{path} has no block '{header}:'.", "It may be cut short; copy it again.")
    values = blocks[header]
    if values.size not in counts:
        expected = " or ".join(map(str, counts))
        raise CameraFileError(
            f"{path}: block '{header}:' holds {values.size} numbers, expected {expected}.",
            "It may be cut short; copy it again.",
        )
    return values


def _blocks(path: Path) -> dict[str, Array]:
    """The numbers under each header; of headers that come twice the first."""
    found: dict[str, list[float]] = {}
    current: list[float] = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        content = line.split("#")[0].strip()
        if content.endswith(":"):
            current = []
            found.setdefault(content[:-1], current)
            continue
        try:
            current.extend(map(float, content.split()))
        except ValueError as error:
            raise CameraFileError(
                f"{path}, line {number}: {content!r} is neither a header nor numbers.", "Correct the file."
            ) from error
    return {header: np.array(values) for header, values in found.items()}


def _comments(path: Path) -> dict[str, str]:
    return dict(_COMMENT.findall(read_text(path)))


def _lines(matrix: Array) -> str:
    return "".join(" ".join(map(repr, row)) + "\n" for row in matrix.tolist())
