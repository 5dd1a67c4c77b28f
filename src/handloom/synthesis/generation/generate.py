"""Making a data set: parts of consecutive pictures, each whole or absent, whoever makes them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from handloom.errors import SynthesisError
from handloom.progress import SILENT, Progress
from handloom.session.files import alone_in, explained, make_folder, partial
from handloom.session.layout import PARTIAL
from handloom.synthesis.generation.drawing import Drawing
from handloom.synthesis.generation.executors import Executor, InProcess, LocalPool
from handloom.synthesis.generation.part import PartMaker
from handloom.synthesis.generation.record import RECORD, Record, read_record

_LARGEST_PART, _SMALLEST_PART, _PARTS = 250, 10, 16


@dataclass(frozen=True)
class Generated:
    """A finished data set.

    Attributes:
        folder, layout: of the set.
        pictures: it has.
        made: so many of them this run.
        parts: it was made in.
    """

    folder: Path
    layout: str
    pictures: int
    made: int
    parts: int


def generate(
    drawing: Drawing,
    count: int,
    folder: str | Path,
    layout: str = "webdataset",
    *,
    seed: int = 0,
    part_size: int | None = None,
    executor: Executor | int = 1,
    resume: bool = False,
    writer_options: Mapping[str, Any] | None = None,
    progress: Progress = SILENT,
) -> Generated:
    """Make a data set of the pictures 0, 1, 2, … of a drawing.

    The files depend on the arguments up to ``part_size`` and on ``writer_options`` alone: not on who makes
    the parts, nor on whether the run was stopped and resumed. Everything a resumed run has to know is in the
    folder's ``synth.toml``.

    Args:
        drawing: source of the pictures.
        count: how many; rounded up to what whole indices of the drawing give.
        folder: of the set, whose parent exists.
        layout: one that :func:`~handloom.datasets.writer.get_writer` knows.
        seed: for the drawing.
        part_size: pictures in a part, rounded up likewise: the least that is done again after a stop, and
            the shards of ``webdataset``. By default a sixteenth of the set, from 10 to 250 pictures.
        executor: who makes the parts, or a number of processes on this machine.
        resume: go on with what is in the folder. A larger ``count`` than it was begun with makes it longer.
        writer_options: of the layout's writer.
        progress: counts the pictures that are left.

    Raises:
        SynthesisError: if the folder holds something else, or a set made otherwise; if a
            picture cannot be drawn; if workers keep dying.
        DataSetError: if the layout cannot hold the pictures.
        SessionError: if another run is writing into it, or the file system refuses.
    """
    if count < 1 or (part_size is not None and part_size < 1):
        raise SynthesisError(
            f"{count} pictures in parts of {part_size} cannot be made.", "Ask for one at least."
        )
    folder = Path(folder).expanduser().resolve()
    if isinstance(executor, int):
        executor = InProcess() if executor == 1 else LocalPool(executor)
    make_folder(folder)
    with alone_in(folder):
        found = _record_in(folder, resume)
        if part_size is None and found is not None:
            part_size = found.part_size
        wanted = _wanted(drawing, count, layout, seed, part_size, writer_options or {})
        record = wanted if found is None else _continued(found, wanted, folder, progress)
        return _complete(record, drawing, folder, executor, progress)


def _wanted(
    drawing: Drawing,
    count: int,
    layout: str,
    seed: int,
    part_size: int | None,
    writer_options: Mapping[str, Any],
) -> Record:
    each = drawing.samples_per_index
    usual = min(_LARGEST_PART, max(_SMALLEST_PART, -(-count // _PARTS)))
    return Record(
        source=drawing.name,
        layout=layout,
        seed=seed,
        pictures=-(-count // each) * each,
        pictures_per_index=each,
        part_size=-(-(part_size or usual) // each) * each,
        options=drawing.options,
        writer=writer_options,
    )


def _record_in(folder: Path, resume: bool) -> Record | None:
    """The record of what was begun in a folder that a run may write into, None if nothing was."""
    found = read_record(folder)
    with explained(folder):
        names = {path.name for path in folder.iterdir()}
    if found is None and names - {partial(folder / RECORD).name}:
        raise SynthesisError(
            f"{folder} is not empty and holds no data set begun here.", "Choose a new or empty folder."
        )
    if found is not None and not resume:
        state = "a finished" if found.finished else "an unfinished"
        raise SynthesisError(
            f"{folder} already holds {state} data set of {found.pictures} pictures.",
            "Add --resume to go on with it (a larger --count makes it longer), or choose another folder.",
        )
    return found


def _continued(found: Record, wanted: Record, folder: Path, progress: Progress) -> Record:
    """The record to go on with, once it is sure that the old and the new pictures belong together."""
    differences = found.differences(wanted)
    if differences:
        raise SynthesisError(
            f"{folder} was begun otherwise: {'; '.join(differences)}.",
            f"Use the options in its {RECORD} (--recipe {folder / RECORD}), or choose another folder.",
        )
    changed = found.other_versions(wanted)
    if changed:
        progress.note(
            f"{folder} was begun with {', '.join(changed)}: pictures made now may differ in details."
        )
    if wanted.pictures < found.pictures:
        raise SynthesisError(
            f"{folder} was begun with {found.pictures} pictures, more than {wanted.pictures}.",
            f"Go on with --count {found.pictures}, or choose another folder.",
        )
    if wanted.pictures == found.pictures:
        return found
    return _extended(found, wanted, folder)


def _extended(found: Record, wanted: Record, folder: Path) -> Record:
    """A longer set. Its last part may have to grow, and is marked before it is touched."""
    if found.finished and not _can_grow(found.layout):
        raise SynthesisError(
            f"{folder} is a finished set of {found.pictures} pictures, and the layout {found.layout} "
            "cannot be added to.",
            "Make another set with another seed, make a larger one anew, or use the layout webdataset.",
        )
    grows = found.pictures % found.part_size
    last = (found.pictures // found.part_size,) if grows else ()
    return replace(
        found, pictures=wanted.pictures, finished=False, remake=tuple(sorted({*found.remake, *last}))
    )


def _can_grow(layout: str) -> bool:
    """Whether parts of a finished set stand alone: others join them in files of the whole set."""
    return layout == "webdataset"


def _complete(
    record: Record, drawing: Drawing, folder: Path, executor: Executor, progress: Progress
) -> Generated:
    maker = PartMaker(
        drawing,
        record.seed,
        record.pictures // record.pictures_per_index,
        record.part_size // record.pictures_per_index,
        record.layout,
        folder,
        record.writer,
        frozenset(record.remake),
    )
    writer = maker.writer()
    made = 0
    if not record.finished:
        _sweep(folder)
        record.write(folder)
        left = [part for part in range(maker.parts) if part in maker.remake or not writer.done(part)]
        pictures = sum(map(maker.samples, left))
        if pictures < record.pictures:
            progress.note(f"{record.pictures - pictures} of {record.pictures} pictures are there already.")
        with (
            progress.task("Pictures", pictures, unit="pictures") as task,
            closing(_run(executor, maker, left, progress)) as done,
        ):
            for part in done:
                made += maker.samples(part)
                task.advance(maker.samples(part))
        writer.finish(maker.parts)
        replace(record, finished=True, remake=()).write(folder)
    return Generated(folder, record.layout, record.pictures, made, maker.parts)


def _run(
    executor: Executor, maker: PartMaker, left: list[int], progress: Progress
) -> Generator[int, None, None]:
    yield from executor.run(maker, left, progress.note)


def _sweep(folder: Path) -> None:
    """Remove what a killed run was about to write."""
    with explained(folder):
        for leftover in folder.glob(f"{PARTIAL}*"):
            leftover.unlink()
