"""Writing a data set part by part, so that many processes can, and a killed run goes on where it stopped.

A part is a run of consecutive samples. Everything it adds to the set is made under a temporary name and put
in place at its end, the mark that it is whole last; what a part of the annotations needs is kept beside it
until :meth:`LayoutWriter.finish` joins all parts into the layout's own files.
"""

from __future__ import annotations

import importlib
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from handloom.datasets.sample import Sample
from handloom.errors import DataSetError
from handloom.session.files import explained, make_folder, sync_folder, whole_file

WRITERS = {
    "freihand": "handloom.datasets.freihand_writer:FreiHandWriter",
    "rhd": "handloom.datasets.rhd_writer:RhdWriter",
    "webdataset": "handloom.datasets.webdataset_writer:WebDatasetWriter",
    "interhand": "handloom.datasets.interhand_writer:InterHandWriter",
    "coco-wholebody": "handloom.datasets.coco:CocoWholeBodyWriter",
}
"""Layouts that can be written, and where their writers are."""

_WORKSHOP = ".parts"


class LayoutWriter(Protocol):
    """Something that writes samples in a layout. The same samples give the same bytes."""

    layout: str

    def write_part(self, part: int, start: int, samples: Iterable[Sample]) -> None:
        """Write consecutive samples, the first of which is number ``start`` of the set: whole, or not at all.

        Parts may be written in any order and by several processes.
        """
        ...

    def done(self, part: int) -> bool:
        """Whether a part is whole."""
        ...

    def finish(self, parts: int) -> None:
        """Join the annotations of all parts into the layout's own files. A second time nothing changes.

        Raises:
            DataSetError: if a part is missing.
        """
        ...


def get_writer(layout: str, folder: str | Path, **options: Any) -> LayoutWriter:
    """The writer of a layout into a folder, which is made if its parent exists.

    Args:
        layout: one of :data:`WRITERS`.
        folder: of the set.
        options: of the layout's writer, such as ``split`` or ``jpg_quality``.

    Raises:
        DataSetError: if the layout cannot be written.
        SessionError: if the folder cannot be made.
    """
    if layout not in WRITERS:
        raise DataSetError(
            f"The layout {layout!r} cannot be written.", f"Choose one of {', '.join(sorted(WRITERS))}."
        )
    module, _, name = WRITERS[layout].partition(":")
    writer: LayoutWriter = getattr(importlib.import_module(module), name)(Path(folder), **options)
    return writer


class PartWriter(ABC):
    """What writers of layouts with joint annotation files share.

    A layout says how one sample becomes pictures and a record (:meth:`add`), and how records become the
    layout's files (:meth:`join`). Pictures may have any path below the set's folder.

    Args:
        folder: of the set.
        split: parts of several splits of a set are kept apart.
    """

    layout: str

    def __init__(self, folder: Path, split: str) -> None:
        self.folder, self.split = Path(folder), split
        make_folder(self.folder)

    @abstractmethod
    def add(self, stage: Path, index: int, sample: Sample) -> Any:
        """Write a sample's pictures below ``stage``, at their paths in the set.

        Returns:
            The sample's record: plain numbers, strings, lists and dictionaries.
        """

    @abstractmethod
    def join(self, stage: Path, records: Iterator[Any]) -> None:
        """Write the layout's files below ``stage``, at their paths in the set.

        Args:
            stage: an empty folder.
            records: of all samples, in order; read once.
        """

    @property
    @abstractmethod
    def main_file(self) -> str:
        """Path in the set of the one of the layout's files that is put in place last."""

    def write_part(self, part: int, start: int, samples: Iterable[Sample]) -> None:
        """See :class:`LayoutWriter`."""
        with explained(self.folder):
            stage = _fresh(self._workshop / f"{part:06d}.partial")
        records = []
        for index, sample in enumerate(samples, start):
            with explained(self.folder):
                records.append(self.add(stage, index, sample))
        with explained(self.folder):
            _put_in_place(stage, self.folder)
        with whole_file(self._records(part)) as temporary:
            lines = (json.dumps(record, separators=(",", ":"), allow_nan=False) for record in records)
            temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def done(self, part: int) -> bool:
        """See :class:`LayoutWriter`."""
        return self._records(part).exists() or self.finished

    @property
    def finished(self) -> bool:
        """Whether the layout's own files are there."""
        return (self.folder / self.main_file).exists()

    def finish(self, parts: int) -> None:
        """See :class:`LayoutWriter`."""
        require_parts(self, parts)
        with explained(self.folder):
            if not self.finished:
                stage = _fresh(self._workshop / "joined.partial")
                self.join(stage, self._all_records(parts))
                _put_in_place(stage, self.folder, last=self.main_file)
            shutil.rmtree(self._workshop, ignore_errors=True)
            if self._workshop.parent.exists() and not any(self._workshop.parent.iterdir()):
                self._workshop.parent.rmdir()

    @property
    def _workshop(self) -> Path:
        return self.folder / _WORKSHOP / self.split

    def _records(self, part: int) -> Path:
        return self._workshop / f"{part:06d}.jsonl"

    def _all_records(self, parts: int) -> Iterator[Any]:
        for part in range(parts):
            with self._records(part).open(encoding="utf-8") as lines:
                yield from map(json.loads, lines)


def require_parts(writer: LayoutWriter, parts: int) -> None:
    """Raises :class:`DataSetError` naming the first part of ``parts`` that is not whole."""
    missing = [part for part in range(parts) if not writer.done(part)]
    if missing:
        raise DataSetError(
            f"{len(missing)} of {parts} parts of the data set are not written yet, first part {missing[0]}.",
            "Write them first: the command that began the set goes on from here.",
        )


def _fresh(stage: Path) -> Path:
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    return stage


def _put_in_place(stage: Path, folder: Path, last: str = "") -> None:
    """Move every file below ``stage`` to the same path below ``folder``, ``last`` after all others."""
    files = sorted(path.relative_to(stage) for path in stage.rglob("*") if path.is_file())
    for file in sorted(files, key=lambda file: file.as_posix() == last):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (stage / file).replace(folder / file)
    shutil.rmtree(stage)
    sync_folder(folder)
