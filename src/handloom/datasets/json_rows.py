"""Long lists of arrays in JSON files, read one row at a time: FreiHAND's vertices take gigabytes as text."""

from __future__ import annotations

import mmap
import re
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from handloom.datasets.files import AGAIN, require
from handloom.errors import DataSetError

Array = NDArray[np.float64]

_ROW_END = re.compile(rb"\]\s*\]")
_TO_SPACES = bytes.maketrans(b"[],\n\r\t", b"      ")


class JsonRows:
    """The rows of a JSON file ``[[[x, y, z], …], …]``, of numbers.

    Rows are found in one pass when the first is asked for; of the file only what is read stays in memory.

    Args:
        path: of the file.
        what: the file is, for messages.
        columns: numbers in the innermost lists.
        count: of rows.

    Raises:
        DataSetError: if there is no such file; on reading, if it is malformed.
    """

    def __init__(self, path: Path, what: str, columns: int, count: int) -> None:
        self.path, self.what, self.columns, self._count = require(path, what), what, columns, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, row: int) -> Array:
        """(n, columns) numbers of one row."""
        text = self._text[self._ends[row] : self._ends[row + 1]].translate(_TO_SPACES)
        try:
            values = np.array(text.split(), dtype=np.float64)
            return values.reshape(-1, self.columns)
        except ValueError as error:
            raise self._malformed(f"row {row} does not hold {self.columns} numbers in each list") from error

    @cached_property
    def _text(self) -> mmap.mmap:
        with self.path.open("rb") as file:
            try:
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as error:
                raise self._malformed("it is empty") from error

    @cached_property
    def _ends(self) -> list[int]:
        """Where each row ends, after a 0: every row ends with the brackets of its last list and its own."""
        text = self._text
        if text[: text.find(b"[") + 1].strip() != b"[" or not text[-16:].rstrip().endswith(b"]"):
            raise self._malformed("it does not hold one list, or is cut off")
        ends = [0, *(match.end() for match in _ROW_END.finditer(text))]
        if len(ends) - 1 != self._count:
            raise self._malformed(f"it has {len(ends) - 1} rows, where {self._count} are needed")
        return ends

    def _malformed(self, problem: str) -> DataSetError:
        return DataSetError(f"{self.what} {self.path} is malformed: {problem}.", AGAIN)
