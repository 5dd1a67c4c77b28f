"""``synth.toml``: how a made data set was made, how far it is, and whether a run may go on with it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from handloom.errors import SynthesisError
from handloom.session.files import explained, whole_file
from handloom.session.layout import package_version

RECORD = "synth.toml"
SCHEMA = 1

_PACKAGES = ("handloom", "numpy", "opencv-python-headless", "numba", "scipy")


@dataclass(frozen=True)
class Record:
    """What is known of a set. It says nothing of time, machine or workers: they do not change the set.

    Attributes:
        source: name of the drawing.
        layout, seed: of the set.
        pictures: it has, or will have.
        pictures_per_index: every index of the drawing gives.
        part_size: pictures in a part.
        options: of the drawing.
        writer: options of the layout's writer.
        versions: of the packages that the set was begun with.
        finished: whether it is complete.
        remake: parts that have to grow before the set is complete.
    """

    source: str
    layout: str
    seed: int
    pictures: int
    pictures_per_index: int
    part_size: int
    options: Mapping[str, Any]
    writer: Mapping[str, Any]
    versions: Mapping[str, str] = field(
        default_factory=lambda: {name: package_version(name) for name in _PACKAGES}
    )
    finished: bool = False
    remake: tuple[int, ...] = ()

    def write(self, folder: Path) -> None:
        """Write ``synth.toml`` in one piece.

        Raises:
            SessionError: if the file system refuses.
        """
        heading = {
            "schema": SCHEMA,
            "source": self.source,
            "layout": self.layout,
            "seed": self.seed,
            "pictures": self.pictures,
            "pictures_per_index": self.pictures_per_index,
            "part_size": self.part_size,
            "finished": self.finished,
        }
        if self.remake:
            heading["remake"] = list(self.remake)
        content = {"set": heading, "recipe": self.options, "writer": self.writer, "versions": self.versions}
        with whole_file(folder / RECORD) as temporary:
            temporary.write_text(tomli_w.dumps(_plain(content)), encoding="utf-8")

    def differences(self, other: Record) -> list[str]:
        """How ``other`` would make another set than this one; its number of pictures aside."""
        return [
            f"{name} was {mine!r} and is now {theirs!r}"
            for name, mine, theirs in _compared(_shaping(self), _shaping(other))
        ]

    def other_versions(self, other: Record) -> list[str]:
        """Packages of which ``other`` has another version."""
        return [
            f"{name} {mine} (now {theirs})"
            for name, mine, theirs in _compared(dict(self.versions), dict(other.versions))
        ]


def read_record(folder: Path) -> Record | None:
    """The record in a folder, None where there is none.

    Raises:
        SynthesisError: if it is damaged or of a newer handloom.
        SessionError: if it cannot be read.
    """
    path = folder / RECORD
    with explained(path):
        if not path.exists():
            return None
        content = path.read_bytes()
    try:
        tables = tomllib.loads(content.decode("utf-8"))
        heading = dict(tables["set"])
        if heading.pop("schema") != SCHEMA:
            raise SynthesisError(f"{path} was written by a newer handloom.", "Update handloom.")
        return Record(
            options=tables["recipe"],
            writer=tables["writer"],
            versions=tables["versions"],
            remake=tuple(heading.pop("remake", ())),
            **heading,
        )
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise SynthesisError(
            f"{path} is damaged: {error}.", "Make the data set again in another folder."
        ) from error


def _shaping(record: Record) -> dict[str, Any]:
    names = ("source", "layout", "seed", "pictures_per_index", "part_size")
    return {
        **{name: getattr(record, name) for name in names},
        **dict(_leaves(_plain(record.options), "")),
        **dict(_leaves(_plain(record.writer), "writer.")),
    }


def _leaves(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _compared(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in sorted({*mine, *theirs}):
        if mine.get(name) != theirs.get(name):
            yield name, mine.get(name), theirs.get(name)


def _plain(value: Any) -> Any:
    """As TOML can hold it: names in order, nothing that is None."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in sorted(value.items()) if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value
