"""What the names of pictures say: which camera took them, and which were taken at the same moment."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from handloom.calibration.sightings import natural_order
from handloom.errors import CalibrationError, VideoError
from handloom.video.images import read_image

Key = tuple[int, ...] | str
Groups = dict[str, tuple[Path, ...]]

_DATE = re.compile(r"(19|20)\d\d\D?[01]\d\D?[0-3]\d")
_SHARED = 0.5  # of the pictures have a number that another camera has too, if the names tell cameras apart


def split_by_camera(pictures: Sequence[Path], folder: Path) -> tuple[Groups, list[str]]:
    """The cameras that the names of the pictures in one folder tell apart.

    A number in the name counts the moments, what is around it names the camera. The last number is tried
    first, then those before it (``frame07_cam2.png``). A reading holds if at least half of the pictures have
    a moment that another camera has too, and there are no more cameras than moments. If the names differ in
    nothing but the last number, or are dates, or have nothing in common, all are of one camera. A picture
    without a number among numbered ones, or a single one of another size, belongs to none.

    Returns:
        The pictures of every camera by its name, and notes about what was left out.

    Raises:
        CalibrationError: if the names fall into groups whose numbers have too little in common to be moments.
    """
    numbered = [path for path in pictures if re.search(r"\d", path.stem)]
    by_name = _read(numbered, 0)
    if not any(len(group) > 1 for group in by_name.values()):
        return {"": tuple(pictures)}, []
    plain = [path for path in pictures if not re.search(r"\d", path.stem)]
    strays = [path for path in plain if _camera_name(path.stem, "") not in by_name]
    notes = [f"{path} is left out: it has no number like the pictures beside it." for path in strays]
    if len(by_name) == 1:
        ((name, group),) = by_name.items()
        kept = {*group, *plain} - set(strays)
        return {name: tuple(path for path in pictures if path in kept)}, notes
    most = max(len(_numbers(path)) for path in numbered)
    for position in range(most):
        groups = _read(numbered, position)
        if not _tells_cameras(groups, position):
            continue
        groups, odd = _without_odd_sizes(groups)
        notes += odd
        for path in set(plain) - set(strays):
            name = _camera_name(path.stem, "")
            if name in groups:
                groups[name] = (path, *groups[name])
        return {name: groups[name] for name in sorted(groups, key=natural_order)}, notes
    if all(_DATE.search(path.stem) for path in numbered):
        return {"": tuple(pictures)}, []
    listed = ", ".join(f"{name}… ({len(group)})" for name, group in list(by_name.items())[:4])
    raise CalibrationError(
        f"It is not clear whether the {len(pictures)} pictures in {folder} are of one camera or of several: "
        f"their names begin {listed}, with few numbers in common.",
        "Put the pictures of each camera into a folder of its own.",
    )


def moment_keys(cameras: Mapping[str, Sequence[Path]]) -> dict[str, list[Key]]:
    """What the pictures of each camera call their moment; equal keys are the same moment.

    The key is the last number of the name. Where that does not tell the pictures of some camera apart, it is
    all the numbers that vary within a camera, and failing that the name without its ending.
    """
    numbers = {name: [_numbers(path) for path in paths] for name, paths in cameras.items()}
    everything = [row for rows in numbers.values() for row in rows]
    if all(everything):
        last: dict[str, list[Key]] = {name: [row[-1:] for row in rows] for name, rows in numbers.items()}
        if all(len(set(keys)) == len(keys) for keys in last.values()):
            return last
        if len({len(row) for row in everything}) == 1:
            varying = [
                at
                for at in range(len(everything[0]))
                if any(len({row[at] for row in rows}) > 1 for rows in numbers.values())
            ]
            chosen: dict[str, list[Key]] = {
                name: [tuple(row[at] for at in varying) for row in rows] for name, rows in numbers.items()
            }
            if all(len(set(keys)) == len(keys) for keys in chosen.values()):
                return chosen
    stems = {name: [path.stem for path in paths] for name, paths in cameras.items()}
    if all(len(set(names)) == len(names) for names in stems.values()):
        return {name: list(names) for name, names in stems.items()}
    return {name: [path.name for path in paths] for name, paths in cameras.items()}


def key_order(key: Key) -> tuple[int, tuple[int, ...], tuple[tuple[int, int, str], ...]]:
    """Sorting key of moments: numbers first, then names in natural order."""
    return (1, (), natural_order(key)) if isinstance(key, str) else (0, key, ())


def _numbers(path: Path) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", path.stem))


def _read(pictures: Sequence[Path], position: int) -> Groups:
    """Pictures by what surrounds the number at a position from the end; those without one stay out."""
    groups: dict[str, list[Path]] = {}
    for path in pictures:
        found = list(re.finditer(r"\d+", path.stem))
        if len(found) > position:
            number = found[-1 - position]
            name = _camera_name(path.stem[: number.start()], path.stem[number.end() :])
            groups.setdefault(name, []).append(path)
    return {name: tuple(group) for name, group in groups.items()}


def _camera_name(before: str, after: str) -> str:
    return "_".join(part for part in (before.strip(" _-.()"), after.strip(" _-.()")) if part)


def _tells_cameras(groups: Groups, position: int) -> bool:
    moments: dict[int, int] = {}
    for group in groups.values():
        for number in {_numbers(path)[-1 - position] for path in group}:
            moments[number] = moments.get(number, 0) + 1
    pictures = sum(len(group) for group in groups.values())
    shared = sum(count for count in moments.values() if count > 1)
    return 1 < len(groups) <= len(moments) and shared >= _SHARED * pictures


def _without_odd_sizes(groups: Groups) -> tuple[Groups, list[str]]:
    """Leave out single pictures of a size that no camera with more pictures has."""
    if all(len(group) > 1 for group in groups.values()):
        return groups, []
    sizes = {name: _size(group[0]) for name, group in groups.items()}
    usual = {sizes[name] for name, group in groups.items() if len(group) > 1}
    odd = [name for name, group in groups.items() if len(group) == 1 and sizes[name] not in usual]
    notes = [
        f"{groups[name][0]} is left out: a single picture of another size than the others." for name in odd
    ]
    return {name: group for name, group in groups.items() if name not in odd}, notes


def _size(path: Path) -> tuple[int, int] | None:
    try:
        height, width = read_image(path).shape[:2]
    except VideoError:
        return None
    return width, height
