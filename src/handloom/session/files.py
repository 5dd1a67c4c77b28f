"""Writing files so that they are whole or absent, and saying what stands in the way."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from handloom.errors import SessionError
from handloom.session.layout import PARTIAL

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a failure of the file system under ``path`` into a :class:`SessionError` with a remedy."""
    try:
        yield
    except OSError as error:
        raise _explanation(path, error) from error


def _explanation(path: Path, error: OSError) -> SessionError:
    if error.errno in _NO_SPACE:
        return SessionError(
            f"There is no room left to write {path}.",
            "Free some space and run the same command again (with --resume if it was tracking), "
            "or choose a folder on another disk.",
        )
    if error.errno in _NOT_ALLOWED:
        return SessionError(
            f"{path} cannot be read or written: {os.strerror(error.errno).lower()}.",
            "Choose a folder you may write to, or change the permissions of this one.",
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return SessionError(
            f"{path} cannot be written: the folder around it does not exist.", "Create it first."
        )
    return SessionError(f"{path} cannot be written: {error}.", "Check the disk, or choose another folder.")


def make_folder(folder: Path) -> None:
    """Create a folder whose parent exists; an existing one is left as it is.

    Raises:
        SessionError: if the parent is missing, a file stands in the way or it may not be written.
    """
    with explained(folder):
        if folder.exists() and not folder.is_dir():
            raise SessionError(f"{folder} is a file, not a folder.", "Choose another folder.")
        folder.mkdir(exist_ok=True)


def partial(path: Path) -> Path:
    """Where a file is written until it is whole; the suffix is kept, as writers go by it."""
    return path.with_name(PARTIAL + path.name)


@contextmanager
def whole_file(path: Path, *, rivals: bool = False) -> Iterator[Path]:
    """Write ``path`` in one piece: yields a temporary name beside it that replaces it on success.

    Whatever fails, the temporary file is removed and a file that was there before stays as it was.

    Args:
        path: of the file.
        rivals: whether others may be writing the same file; each then has a temporary one of its own.

    Raises:
        SessionError: if the file system refuses.
    """
    temporary = partial(path.with_name(f"{secrets.token_hex(6)}-{path.name}") if rivals else path)
    try:
        with explained(path):
            yield temporary
            put_in_place(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def put_in_place(temporary: Path, path: Path) -> None:
    """Rename a file once its bytes are on the disk, so that a power cut leaves the old or the new."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames inside ``folder`` durable, where the system can (a folder cannot be opened on Windows)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder while this one writes; a killed run leaves no lock behind.

    Raises:
        SessionError: if another run is writing into it, or it cannot be opened.
    """
    if fcntl is None:
        yield
        return
    with explained(folder):
        handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Some network file systems know no locks; then nobody watches.
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise SessionError(
                    f"Another run is writing into {folder}.", "Wait for it, or choose another folder."
                ) from error
        yield
    finally:
        os.close(handle)
