"""Reading a pickle of arrays without running what is in it: hand models, annotations of data sets.

A pickle is a program: every class or function it names is called on loading. Such files need few of them:
NumPy arrays and, for MANO, SciPy's column-sparse matrices and two classes of chumpy, a library that no longer
runs.
Three walls stand between such a file and this process:

1. Before anything is loaded the program is read (not run): names outside the list, unusual instructions,
   numbers that would claim memory, and a missing end are refused.
2. On loading, every name is answered by an inert stand-in of our own that only keeps what it is given; no
   constructor of NumPy, SciPy or chumpy is called.
3. Arrays are made afterwards, of plain numbers only, and only as large as the bytes that lie there.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handloom.errors import HandloomError, ModelError

MAX_FILE_BYTES = 512 * 2**20
MAX_DENSE_ENTRIES = 10_000_000
MAX_NESTING = 8

_INSTRUCTIONS = re.compile(
    r"PROTO|FRAME|STOP|(POP_)?MARK|POP|DUP|NONE|NEWTRUE|NEWFALSE|(BIN)?INT[12]?|LONG[14]?|(BIN)?FLOAT"
    r"|(SHORT_|BIN)*(STRING|BYTES8?|UNICODE8?)|BYTEARRAY8|(EMPTY_)?(LIST|TUPLE|DICT|SET)|TUPLE[123]|FROZENSET"
    r"|APPENDS?|SETITEMS?|ADDITEMS|(LONG_)?(BIN)?(PUT|GET)|MEMOIZE|(STACK_)?GLOBAL|REDUCE|BUILD|NEWOBJ"
)
"""All that writing arrays, numbers, strings and containers takes; no persistent ids, no extension codes."""
_REMEDY = "Give the file as it comes in the download of the model's authors."


class RefusedPickle(pickle.UnpicklingError):
    """The pickle asks for something that arrays do not need."""


def read_model_pickle(path: Path) -> dict[str, Any]:
    """The dictionary in a model pickle, its arrays plain NumPy.

    Args:
        path: a pickle; strings of Python 2 are read as Latin-1.

    Raises:
        ModelError: if the file is missing, truncated, no pickle or no dictionary, or asks for anything but
            arrays.
    """
    content = read_pickle(path, "hand model", ModelError, _REMEDY)
    if not isinstance(content, dict):
        raise ModelError(f"{path} is no hand model: it does not hold a dictionary.", _REMEDY)
    return {key: value for key, value in content.items() if isinstance(key, str)}


def read_pickle(path: Path, what: str, error: type[HandloomError], remedy: str) -> Any:
    """What is in a pickle of dictionaries, lists, strings and numbers, its arrays plain NumPy.

    Args:
        path: a pickle; strings of Python 2 are read as Latin-1.
        what: the file should be, for messages: ``"hand model"``.
        error: what is raised.
        remedy: the sentence that says what to do about a file that cannot be read.

    Raises:
        HandloomError: of the class ``error``, if the file is missing, truncated or no pickle, or asks for
            anything but arrays.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise error(f"{path} has {path.stat().st_size / 2**20:.0f} MiB, more than any {what}.", remedy)
        data = path.read_bytes()
    except OSError as failure:
        raise error(f"{path} cannot be read: {failure.strerror or failure}.", remedy) from failure
    try:
        _inspect(data)
        return _resolved(_Reader(data).load())
    except RefusedPickle as refusal:
        raise error(
            f"{path} was not loaded: {refusal}.",
            "Such a file holds arrays and nothing else; do not open it with other programs either.",
        ) from refusal
    # A damaged program may fail anywhere in the unpickler.
    except Exception as failure:
        state = "ends too early or is damaged" if data[:1] == b"\x80" else f"is no pickle, or no {what}"
        raise error(f"{path} {state} ({type(failure).__name__}).", remedy) from failure


def _inspect(data: bytes) -> None:
    """Read the program without running it.

    Raises:
        RefusedPickle: if it asks for anything that is not on the lists.
        ValueError: where it breaks off.
    """
    if not data.rstrip().endswith(pickle.STOP):
        raise ValueError("no end")  # said before a text's first letter is taken for an instruction
    for count, (instruction, argument, _) in enumerate(pickletools.genops(data)):
        if not _INSTRUCTIONS.fullmatch(instruction.name):
            raise RefusedPickle(f"it uses the instruction {instruction.name}")
        if instruction.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            _answer(module, name)
        # Memory for the notes of the program is claimed up to the highest number.
        if instruction.name in ("PUT", "LONG_BINPUT") and int(str(argument)) > count:
            raise RefusedPickle(f"it numbers a note {argument} where {count} would do")


class _Reader(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), fix_imports=True, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        return _answer(module, name)

    def persistent_load(self, pid: Any) -> Any:
        raise RefusedPickle("it refers to objects outside the file")


class _StandIn:
    """Keeps the state of a pickled object and does nothing with it."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        object.__setattr__(self, "state", state)

    def item(self, key: str) -> Any:
        """A part of the state, None where there is none."""
        parts = self.state if isinstance(self.state, tuple) else (self.state,)
        return next((part[key] for part in parts if isinstance(part, dict) and key in part), None)


class _ArrayStandIn(_StandIn):
    """``numpy.ndarray``."""

    def plain(self) -> NDArray[Any]:
        if not isinstance(self.state, tuple) or len(self.state) != 5:
            raise RefusedPickle("an array in it has no content")
        _, shape, dtype, fortran, raw = self.state
        return _array(raw, dtype, shape, "F" if fortran is True else "C")


class _DtypeStandIn(_StandIn):
    """``numpy.dtype``: a code such as ``f8``, and the byte order in the state."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code = code

    def plain(self) -> np.dtype[Any]:
        if not isinstance(self.code, str) or self.code[:1] not in tuple("biufSU") or len(self.code) > 6:
            raise RefusedPickle("an array in it holds something other than numbers")
        order = self.state[1] if isinstance(self.state, tuple) and len(self.state) > 1 else "|"
        return np.dtype(self.code).newbyteorder(">" if order == ">" else "=")


class _SparseStandIn(_StandIn):
    """``scipy.sparse.csc_matrix``."""

    def plain(self) -> NDArray[np.float64]:
        shape = self.item("_shape") or self.item("shape")
        if _size(shape) > MAX_DENSE_ENTRIES or len(shape) != 2:
            raise RefusedPickle("a sparse matrix in it claims to be larger than any hand model's")
        values, rows, starts = (np.ravel(_plain(self.item(key))) for key in ("data", "indices", "indptr"))
        starts = starts.astype(np.int64)
        counts = starts[1:] - starts[:-1]
        if len(counts) != shape[1] or (counts < 0).any() or not counts.sum() == len(rows) == len(values):
            raise RefusedPickle("a sparse matrix in it contradicts itself")
        dense = np.zeros(shape)
        np.add.at(dense, (rows.astype(np.int64), np.repeat(np.arange(shape[1]), counts)), values)
        return dense


class _ChumpyStandIn(_StandIn):
    """``chumpy.ch.Ch``, an array x, or ``chumpy.reordering.Select``, entries ``idxs`` of an array a."""

    def plain(self, depth: int = 0) -> NDArray[Any]:
        if self.item("x") is not None:
            return np.asarray(_plain(self.item("x"), depth + 1))
        source, chosen = self.item("a"), self.item("idxs")
        if source is None or chosen is None:
            raise RefusedPickle("a chumpy expression in it is neither an array nor a part of one")
        index = np.ravel(_plain(chosen, depth + 1)).astype(np.int64)
        selected = np.ravel(_plain(source, depth + 1))[index]
        shape = self.item("preferred_shape")
        if shape is None:
            return selected
        return selected.reshape([int(n) for n in np.ravel(_plain(shape, depth + 1))])


class _Answer:
    """A function that the program may call. It holds no state that the program could change."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise RefusedPickle("it tampers with a function")


class _ScalarStandIn(_StandIn):
    """``numpy`` scalars and arrays whose content comes with the call: dtype, bytes, shape and order."""

    def __init__(self, raw: Any, dtype: Any, shape: Any, order: Any) -> None:
        self._content = raw, dtype, shape, order

    def plain(self) -> NDArray[Any]:
        return _array(*self._content)


def _instance(kind: Any, *_: Any) -> _StandIn:
    if not (isinstance(kind, type) and issubclass(kind, _ArrayStandIn | _SparseStandIn | _ChumpyStandIn)):
        raise RefusedPickle("it builds an object of no known kind")
    return kind()


def _encoded(text: Any, *_: Any) -> bytes:
    if not isinstance(text, str):
        raise RefusedPickle("it encodes what is no text")
    return text.encode("latin1")


_ANSWERS: dict[tuple[str, str], Any] = {
    ("copyreg", "_reconstructor"): _Answer(_instance),
    ("copy_reg", "_reconstructor"): _Answer(_instance),
    ("_codecs", "encode"): _Answer(_encoded),
    # How an array without entries writes its content.
    **{(module, "bytes"): _Answer(lambda: b"") for module in ("builtins", "__builtin__")},
    # Containers of chumpy's bookkeeping; what is in them is never looked at.
    **{
        (module, name): _Answer(lambda *_: _StandIn())
        for module in ("builtins", "__builtin__")
        for name in ("object", "set", "frozenset", "list")
    },
}
_OF_NUMPY: dict[str, Any] = {
    "ndarray": _ArrayStandIn,
    "dtype": _Answer(_DtypeStandIn),
    "_reconstruct": _Answer(_instance),
    "scalar": _Answer(lambda dtype, raw=b"", *_: _ScalarStandIn(raw, dtype, (), "C")),
    "_frombuffer": _Answer(lambda raw, dtype, shape, order: _ScalarStandIn(raw, dtype, shape, order)),
}


def _answer(module: str, name: str) -> Any:
    """What stands in for a name of the program. Raises :class:`RefusedPickle` for names not on the list."""
    package = module.split(".")[0]
    if package == "chumpy" and name.isidentifier():
        return _ChumpyStandIn
    if module.startswith("scipy.sparse") and name == "csc_matrix":
        return _SparseStandIn
    answer = _OF_NUMPY.get(name) if package == "numpy" else _ANSWERS.get((module, name))
    if answer is None:
        raise RefusedPickle(f"it asks for {module[:60]}.{name[:60]}")
    return answer


def _resolved(value: Any, depth: int = 0) -> Any:
    """Containers with the arrays and NumPy's scalars behind the stand-ins in them."""
    if depth > MAX_NESTING:
        raise RefusedPickle("it nests containers without end")
    if isinstance(value, dict):
        return {_resolved(key, depth + 1): _resolved(entry, depth + 1) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_resolved(entry, depth + 1) for entry in value)
    plain = _plain(value)
    return plain[()] if isinstance(value, _ScalarStandIn) else plain


def _plain(value: Any, depth: int = 0) -> Any:
    """The array behind a stand-in; other values as they are."""
    if depth > 6:
        raise RefusedPickle("it nests arrays without end")
    if isinstance(value, _ChumpyStandIn):
        return value.plain(depth)
    if isinstance(value, _ArrayStandIn | _SparseStandIn | _ScalarStandIn):
        return value.plain()
    return value


def _array(raw: Any, dtype: Any, shape: Any, order: str) -> NDArray[Any]:
    kind = dtype.plain() if isinstance(dtype, _DtypeStandIn) else None
    raw = raw.encode("latin1") if isinstance(raw, str) else raw
    if kind is None or not isinstance(raw, bytes | bytearray):
        raise RefusedPickle("an array in it holds something other than numbers")
    if _size(shape) * kind.itemsize != len(raw):
        raise RefusedPickle("an array in it claims a size that its bytes do not fill")
    return np.frombuffer(bytes(raw), kind).reshape(shape, order="F" if order == "F" else "C")


def _size(shape: Any) -> int:
    if not isinstance(shape, tuple) or len(shape) > 8 or any(type(n) is not int or n < 0 for n in shape):
        raise RefusedPickle("an array in it has no shape")
    count = 1
    for n in shape:
        count *= n
    return count
