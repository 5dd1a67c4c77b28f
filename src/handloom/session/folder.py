"""What an output folder holds before a run begins, and what may be done to it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from handloom.errors import SessionError
from handloom.session.files import explained, make_folder
from handloom.session.journal import is_journal, remove_journal
from handloom.session.layout import JOURNAL, PARTIAL, RUN
from handloom.session.record import read_record


class FolderState(Enum):
    """What a folder is to a run that would write into it."""

    MISSING = "missing"
    EMPTY = "empty"
    UNFINISHED = "unfinished"
    FINISHED = "finished"
    FOREIGN = "foreign"


def folder_state(folder: str | Path) -> FolderState:
    """Look, without touching anything.

    Raises:
        SessionError: if the folder cannot be listed.
    """
    folder = Path(folder)
    with explained(folder):
        if not folder.exists():
            return FolderState.MISSING
        if not folder.is_dir():
            return FolderState.FOREIGN
        names = {entry.name for entry in folder.iterdir()}
    if RUN in names:
        return FolderState.FINISHED if _is_record(folder / RUN) else FolderState.FOREIGN
    if is_journal(folder / JOURNAL):
        return FolderState.UNFINISHED
    if all(name.startswith(PARTIAL) for name in names):
        return FolderState.UNFINISHED if names else FolderState.EMPTY
    return FolderState.FOREIGN


def claim_folder(folder: str | Path, *, overwrite: bool = False, resume: bool = False) -> FolderState:
    """Make sure that a run may write its session into ``folder``; nothing but our own files is ever removed.

    Args:
        overwrite: replace a session that is there. A finished one stays readable until the new one is.
        resume: continue an unfinished one.

    Returns:
        What the folder holds for the run: ``EMPTY``, ``UNFINISHED`` (only with ``resume``: there is a
        journal to continue) or ``FINISHED`` (with ``resume``: nothing is left to do; with ``overwrite``:
        an older session that will be replaced).

    Raises:
        SessionError: if there is a session and neither was asked for, if the folder holds something else,
            or if it cannot be written.
    """
    folder = Path(folder)
    state = folder_state(folder)
    if state is FolderState.FOREIGN:
        raise SessionError(
            f"{folder} is not empty and holds no session.",
            "Choose a new or empty folder; this one is left alone.",
        )
    if state is FolderState.FINISHED and not (overwrite or resume):
        raise SessionError(
            f"{folder} already holds a finished session.",
            "Add --overwrite to replace it, or choose another folder.",
        )
    if state is FolderState.UNFINISHED and not (overwrite or resume):
        raise SessionError(
            f"{folder} holds an unfinished session.",
            "Add --resume to continue it, --overwrite to start again, or choose another folder.",
        )
    if resume and state is FolderState.FINISHED and is_journal(folder / JOURNAL):
        # A run that was to replace the session here was interrupted: it goes on.
        state = FolderState.UNFINISHED
    make_folder(folder)
    if not resume:
        with explained(folder):
            remove_journal(folder / JOURNAL)
            for leftover in folder.glob(f"{PARTIAL}*"):
                leftover.unlink()
        return FolderState.FINISHED if state is FolderState.FINISHED else FolderState.EMPTY
    return FolderState.EMPTY if state is FolderState.MISSING else state


def _is_record(path: Path) -> bool:
    """Whether this is our ``run.toml``, be it damaged or newer: only a readable stranger is not."""
    try:
        read_record(path)
    except SessionError as error:
        return "not the record" not in error.problem
    return True
