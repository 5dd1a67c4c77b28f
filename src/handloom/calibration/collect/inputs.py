"""From what a user names to cameras: videos, folders of pictures, and folders that hold several cameras."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from handloom.calibration.collect.picture_names import split_by_camera
from handloom.calibration.sightings import natural_order
from handloom.errors import CalibrationError
from handloom.video.images import is_image

VIDEO_SUFFIXES = frozenset(
    [
        ".3gp",
        ".avi",
        ".flv",
        ".h264",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".ogv",
        ".ts",
        ".webm",
        ".wmv",
    ]
)


@dataclass(frozen=True)
class CameraInput:
    """What one camera recorded: a video, or pictures.

    Attributes:
        name: of the camera, unique among the cameras.
        video: the video file, if it is one.
        pictures: otherwise the picture files, in natural order.
    """

    name: str
    video: Path | None = None
    pictures: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Inputs:
    """Cameras in natural order of their names, and how the folders were read.

    Attributes:
        cameras: what each camera recorded.
        notes: decisions worth telling: how a folder was understood, what was left out.
    """

    cameras: tuple[CameraInput, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Found:
    """A camera with the names it may be given, the plainest first."""

    names: tuple[str, ...]
    video: Path | None = None
    pictures: tuple[Path, ...] = ()


def find_cameras(recordings: Sequence[str | Path]) -> Inputs:
    """The cameras in the files and folders a user names, whatever their order.

    * A video file is a camera, named after the file.
    * A folder with videos is one camera per video.
    * A folder with sub-folders of pictures (or one video each) is one camera per sub-folder.
    * A folder of pictures is one camera, unless the names tell several apart: ``left01.jpg, right01.jpg``
      (:func:`~handloom.calibration.collect.picture_names.split_by_camera` has the rule).
    * Picture files named one by one are read like a folder that holds just these.

    Videos of equal name are named after the folders they lie in.

    Raises:
        CalibrationError: if something is missing, empty, named twice, or can be read in more than one way.
    """
    notes: list[str] = []
    found: list[_Found] = []
    loose: dict[Path, list[Path]] = {}
    places = [Path(recording) for recording in recordings]
    for path in sorted(places, key=lambda p: natural_order(str(p))):
        if path.is_dir():
            found += _in_folder(path, notes)
        elif not path.exists():
            raise CalibrationError(f"There is no video, picture or folder {path}.", "Check the path.")
        elif is_image(path):
            loose.setdefault(path.parent, []).append(path)
        else:
            found.append(_video(path))
    for folder, pictures in loose.items():
        found += _pictures(folder, pictures, notes, whole=False)
    _check_once(found)
    cameras = [
        CameraInput(name, camera.video, camera.pictures)
        for name, camera in zip(_unique_names(found), found, strict=True)
    ]
    return Inputs(tuple(sorted(cameras, key=lambda camera: natural_order(camera.name))), tuple(notes))


def given_order(inputs: Inputs, recordings: Sequence[str | Path]) -> list[str]:
    """Names of the cameras in the order in which their recordings were given."""
    places = [Path(recording) for recording in recordings]

    def rank(camera: CameraInput) -> int:
        own = camera.video or camera.pictures[0]
        return min(i for i, place in enumerate(places) if own == place or place in own.parents)

    return [camera.name for camera in sorted(inputs.cameras, key=rank)]


def find_lens_recordings(
    recordings: Mapping[str, str | Path | Sequence[str | Path]],
) -> dict[str, tuple[CameraInput, ...]]:
    """The recordings of a board for single cameras' lenses: videos, pictures, and folders of either.

    Args:
        recordings: by the name of the camera.

    Raises:
        CalibrationError: if something is missing, empty or named twice.
    """
    found: dict[str, tuple[CameraInput, ...]] = {}
    for name, places in recordings.items():
        parts: list[_Found] = []
        pictures: list[Path] = []
        for path in [Path(places)] if isinstance(places, str | Path) else [Path(place) for place in places]:
            if path.is_dir():
                videos, shots, _ = _contents(path)
                if not videos and not shots:
                    raise CalibrationError(
                        f"The folder {path} holds no videos or pictures of the board for camera {name}.",
                        "Name the folder that directly holds them.",
                    )
            elif not path.exists():
                raise CalibrationError(f"There is no video, picture or folder {path}.", "Check the path.")
            else:
                videos, shots = ([], [path]) if is_image(path) else ([path], [])
            parts += [_video(video) for video in videos]
            pictures += shots
        if pictures:
            parts.append(
                _Found((name,), pictures=tuple(sorted(pictures, key=lambda p: natural_order(str(p)))))
            )
        _check_once(parts)
        parts.sort(key=lambda part: natural_order(str(part.video or "")))
        found[name] = tuple(CameraInput(name, part.video, part.pictures) for part in parts)
    return found


def match_lens_recordings(
    recordings: Sequence[str | Path], cameras: Sequence[str]
) -> dict[str, tuple[Path, ...]]:
    """Which recordings are for which camera's lens, by their names.

    A recording belongs to the camera of its name, or to the only camera whose name is a part of its own:
    ``int_cam01_img`` to ``cam01``, but not to ``cam0``.

    Args:
        recordings: as for :func:`find_cameras`.
        cameras: names of the cameras.

    Raises:
        CalibrationError: if a recording is no camera's, or more than one camera's.
    """
    matched: dict[str, list[Path]] = {}
    for found in find_cameras(recordings).cameras:
        fitting = [found.name] if found.name in cameras else [c for c in cameras if _is_part(c, found.name)]
        longest = [camera for camera in fitting if all(_is_part(other, camera) for other in fitting)]
        if len(longest) != 1:
            fault = "more than one camera" if fitting else "no camera"
            raise CalibrationError(
                f"The name of {found.name}, recorded for a lens, fits {fault} of {', '.join(cameras)}.",
                "Give the recording the name of its camera.",
            )
        matched.setdefault(longest[0], []).extend((found.video,) if found.video else found.pictures)
    return {camera: tuple(paths) for camera, paths in matched.items()}


def _is_part(name: str, whole: str) -> bool:
    return re.search(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", whole) is not None


def _in_folder(folder: Path, notes: list[str]) -> list[_Found]:
    videos, pictures, folders = _contents(folder)
    if videos:
        groups, _ = split_by_camera(pictures, folder) if len(pictures) > 1 else ({}, [])
        if any(len(group) > 1 for group in groups.values()):
            raise CalibrationError(
                f"The folder {folder} holds {len(videos)} videos and {len(pictures)} pictures, so it is not "
                "clear which are the cameras.",
                "Name the videos themselves, or move the pictures into a folder of their own.",
            )
        notes += [f"{path} is left out: it lies beside videos." for path in pictures]
        return [_video(path) for path in videos]
    if pictures:
        return _pictures(folder, pictures, notes)
    filled = [(sub, *_contents(sub)[:2]) for sub in folders]
    filled = [
        (sub, subvideos, subpictures) for sub, subvideos, subpictures in filled if subvideos + subpictures
    ]
    if not filled:
        raise CalibrationError(
            f"The folder {folder} holds no videos or pictures, nor do the folders in it.",
            "Name the recordings of the board: video files, folders of pictures, or a folder of either.",
        )
    if len(filled) == 1:
        return _in_folder(filled[0][0], notes)
    return [_sub_folder(*entry) for entry in filled]


def _sub_folder(folder: Path, videos: list[Path], pictures: list[Path]) -> _Found:
    """One of several folders side by side: a camera."""
    names = _names(folder.resolve() / "_")
    several = len(videos) > 1 or bool(videos and pictures)
    if not videos:
        several = len(split_by_camera(pictures, folder)[0]) > 1
    if several:
        raise CalibrationError(
            f"The folder {folder} holds several recordings, and lies beside other folders with recordings.",
            f"Name {folder} itself if its recordings are the cameras, or keep one recording per folder.",
        )
    return _Found(names, videos[0]) if videos else _Found(names, pictures=tuple(pictures))


def _pictures(folder: Path, pictures: list[Path], notes: list[str], whole: bool = True) -> list[_Found]:
    """The cameras in a folder of pictures, or in some of its pictures."""
    pictures = sorted(pictures, key=lambda path: natural_order(path.name))
    groups, left_out = split_by_camera(pictures, folder)
    notes += left_out
    parents = _names(folder.resolve() / "_")
    if len(groups) == 1:
        ((name, group),) = groups.items()
        names = parents if whole or not name else (name, *(f"{parent}_{name}" for parent in parents))
        return [_Found(names, pictures=group)]
    listed = ", ".join(f"{name} ({len(group)})" for name, group in groups.items())
    notes.append(f"The pictures in {folder} are read as {len(groups)} cameras: {listed}.")
    return [
        _Found((name, *(f"{parent}_{name}" for parent in parents)), pictures=group)
        for name, group in groups.items()
    ]


def _video(path: Path) -> _Found:
    parents = _names(path.resolve())
    return _Found((path.stem, *parents, *(f"{parent}_{path.stem}" for parent in parents)), path)


def _names(path: Path) -> tuple[str, ...]:
    """Names of the folders a file lies in, the nearest first, each with those between."""
    folders = [part for part in path.parent.parts if part != path.anchor]
    return tuple("_".join(folders[-depth:]) for depth in range(1, len(folders) + 1)) or ("camera",)


def _contents(folder: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """Videos, pictures and folders in a folder, hidden ones left out, in natural order."""
    try:
        entries = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise CalibrationError(
            f"The folder {folder} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error
    entries.sort(key=lambda path: natural_order(path.name))
    return (
        [path for path in entries if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()],
        [path for path in entries if is_image(path) and path.is_file()],
        [path for path in entries if path.is_dir()],
    )


def _check_once(found: Sequence[_Found]) -> None:
    if not found:
        raise CalibrationError("There is nothing to calibrate from.", "Name the recordings of the board.")
    files = [path.resolve() for camera in found for path in (camera.video, *camera.pictures) if path]
    twice = sorted({path for path in files if files.count(path) > 1}) if len(set(files)) < len(files) else []
    if twice:
        raise CalibrationError(
            f"{twice[0]} is named twice" + (f", as are {len(twice) - 1} others." if twice[1:] else "."),
            "Name every recording once, by itself or by its folder.",
        )


def _unique_names(found: Sequence[_Found]) -> list[str]:
    """The plainest name of each camera that no other has; those that clash all take a longer one."""
    level = [0] * len(found)
    while True:
        names = [camera.names[at] for camera, at in zip(found, level, strict=True)]
        clashing = [
            i for i, name in enumerate(names) if names.count(name) > 1 and level[i] + 1 < len(found[i].names)
        ]
        if not clashing:
            break
        for i in clashing:
            level[i] += 1
    if len(set(names)) < len(names):
        name = next(name for name in names if names.count(name) > 1)
        raise CalibrationError(
            f"More than one recording is of a camera {name}.", "Rename the files after their cameras."
        )
    return names
