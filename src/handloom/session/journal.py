"""What lets a killed run continue: results kept in numbered chunks, each whole or not there.

A chunk is an uncompressed ``.npz`` (its CRCs tell damage) of named arrays plus a JSON state. It is written
under a temporary name, brought to the disk and renamed: SIGKILL and power cuts leave only whole chunks.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handloom.errors import SessionError
from handloom.session.files import explained, whole_file
from handloom.session.layout import PARTIAL

_FINGERPRINT = "fingerprint.json"
_CHUNK = re.compile(r"chunk-\d{6,}\.npz")
_STATE = "state.json"
_DAMAGE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile)


@dataclass(frozen=True, eq=False)
class Chunk:
    """One committed step.

    Attributes:
        arrays: results, by name.
        state: what the next step needs to go on, as plain JSON.
    """

    arrays: Mapping[str, NDArray]
    state: Any


class Journal:
    """The chunks committed so far by a run, in a folder of its own.

    Opening a folder that already is a journal continues it: half-written files are removed and chunks at the
    end that are damaged are dropped, so that :attr:`committed` and :attr:`state` say where to go on.

    Args:
        folder: created if its parent exists.
        fingerprint: everything that shapes the results (inputs, options, model hashes), as plain JSON.

    Raises:
        SessionError: if the journal there belongs to a run with another fingerprint (the field is named),
            or the folder cannot be written.
    """

    def __init__(self, folder: str | Path, fingerprint: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        # Through JSON, so that tuples and lists compare equal with what was stored.
        self.fingerprint: dict[str, Any] = json.loads(json.dumps(fingerprint))
        self._state: Any = None
        with explained(self.folder):
            self.folder.mkdir(exist_ok=True)
            for leftover in self.folder.glob(f"{PARTIAL}*"):
                leftover.unlink()
        stored = self.folder / _FINGERPRINT
        if stored.exists():
            self._compare(stored)
        else:
            with whole_file(stored) as temporary:
                temporary.write_text(json.dumps(self.fingerprint, indent=1, sort_keys=True), encoding="utf-8")
        self._committed = self._recover()

    @property
    def committed(self) -> int:
        """Number of chunks that are safe."""
        return self._committed

    @property
    def state(self) -> Any:
        """State of the last chunk; None before the first."""
        return self._state

    def commit(self, arrays: Mapping[str, NDArray], state: Any) -> None:
        """Add a chunk; when this returns, it survives SIGKILL and a power cut.

        Raises:
            ValueError: if an array holds Python objects or is named like the state.
            SessionError: if the disk refuses; the chunks before stay.
        """
        if _STATE in arrays:
            raise ValueError(f"an array may not be named {_STATE!r}")
        for name, array in arrays.items():
            if np.asarray(array).dtype.hasobject:
                raise ValueError(f"array {name!r} holds Python objects")
        text = json.dumps(state)
        with whole_file(self._path(self._committed)) as temporary, temporary.open("wb") as file:
            encoded = np.frombuffer(text.encode(), dtype=np.uint8)
            np.savez(file, **{_STATE: encoded}, **arrays)  # type: ignore[arg-type]
        self._committed += 1
        self._state = json.loads(text)

    def load(self, index: int) -> Chunk:
        """Read one chunk back.

        Raises:
            IndexError: if it was never committed.
            SessionError: if it is damaged.
        """
        if not 0 <= index < self._committed:
            raise IndexError(f"chunk {index} of {self._committed}")
        path = self._path(index)
        try:
            return _read_chunk(path)
        except _DAMAGE as error:
            raise SessionError(f"{path} is damaged: {error}.", "Start again with --overwrite.") from error

    def __len__(self) -> int:
        return self._committed

    def __iter__(self) -> Iterator[Chunk]:
        """Chunks in order, one in memory at a time."""
        for index in range(self._committed):
            yield self.load(index)

    def discard(self) -> None:
        """Remove the journal: the run is complete."""
        with explained(self.folder):
            remove_journal(self.folder)
        self._committed, self._state = 0, None

    def _path(self, index: int) -> Path:
        return self.folder / f"chunk-{index:06d}.npz"

    def _compare(self, stored: Path) -> None:
        try:
            earlier = json.loads(stored.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SessionError(f"{stored} is damaged: {error}.", "Start again with --overwrite.") from error
        difference = _first_difference(earlier, self.fingerprint)
        if difference:
            raise SessionError(
                f"The unfinished run in {self.folder.parent} was begun with another {difference}.",
                "Repeat its command to continue it, or add --overwrite to start again.",
            )

    def _recover(self) -> int:
        """Count the chunks that follow each other from the first and end in a sound one; drop the others."""
        count = 0
        while self._path(count).exists():
            count += 1
        while count:
            try:
                self._state = _read_chunk(self._path(count - 1)).state
                break
            except _DAMAGE:
                count -= 1
        keep = {self._path(index).name for index in range(count)}
        with explained(self.folder):
            for path in self.folder.iterdir():
                if _CHUNK.fullmatch(path.name) and path.name not in keep:
                    path.unlink()
        return count


def is_journal(folder: Path) -> bool:
    """Whether ``folder`` is a journal."""
    return (folder / _FINGERPRINT).is_file()


def remove_journal(folder: Path) -> None:
    """Remove a journal, if there is one; files that are not its own, and then the folder too, stay.

    Raises:
        OSError: if the file system refuses.
    """
    if not is_journal(folder):
        return
    # The fingerprint goes last: without it the rest could not be told from somebody's files.
    for path in list(folder.iterdir()):
        if _CHUNK.fullmatch(path.name) or path.name.startswith(PARTIAL):
            path.unlink()
    (folder / _FINGERPRINT).unlink()
    if not any(os.scandir(folder)):
        folder.rmdir()


def _read_chunk(path: Path) -> Chunk:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return Chunk(arrays, json.loads(arrays.pop(_STATE).tobytes().decode()))


def _first_difference(earlier: Any, now: Any, field: str = "") -> str:
    """Say where two fingerprints differ: ``"inputs.cam0.size (1024, now 2048)"``; empty if they do not."""
    if isinstance(earlier, dict) and isinstance(now, dict):
        for key in sorted({*earlier, *now}):
            name = f"{field}.{key}" if field else key
            difference = _first_difference(earlier.get(key), now.get(key), name)
            if difference:
                return difference
        return ""
    return "" if earlier == now else f"{field} ({json.dumps(earlier)}, now {json.dumps(now)})"
