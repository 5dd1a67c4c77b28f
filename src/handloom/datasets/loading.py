"""Reading a data set in order, ahead of its use, over several cores."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from handloom.datasets.sample import DataSet, Sample

_CHUNK = 8  # samples per task: handing over a task costs as much as a tenth of a picture


def iterate(
    dataset: DataSet,
    indices: Sequence[int] | None = None,
    *,
    workers: int = 2,
    ahead: int = 64,
    pictures: bool = True,
) -> Iterator[Sample]:
    """Samples in the order asked for, read ahead by threads (decoding a picture does not hold Python's lock).

    Memory stays at about ``ahead`` samples. A failure comes out where its sample would have.

    Args:
        dataset: to read.
        indices: which samples; all by default.
        workers: threads.
        ahead: how many samples may be ready before they are asked for.
        pictures: whether pictures and maps are read, or labels only.

    Raises:
        DataSetError: if a sample cannot be read.
    """
    chosen = range(len(dataset)) if indices is None else indices
    read = dataset.__getitem__ if pictures else dataset.labels
    pending: deque[Future[list[Sample | Exception]]] = deque()
    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="samples") as pool:
        try:
            for start in range(0, len(chosen), _CHUNK):
                pending.append(pool.submit(_tried, read, chosen[start : start + _CHUNK]))
                if len(pending) * _CHUNK >= max(ahead, workers * _CHUNK):
                    yield from _unpacked(pending.popleft())
            while pending:
                yield from _unpacked(pending.popleft())
        finally:
            for task in pending:
                task.cancel()


def _tried(read: Callable[[int], Sample], indices: Sequence[int]) -> list[Sample | Exception]:
    found: list[Sample | Exception] = []
    for index in indices:
        try:
            found.append(read(index))
        except Exception as error:
            return [*found, error]
    return found


def _unpacked(task: Future[list[Sample | Exception]]) -> Iterator[Sample]:
    for sample in task.result():
        if isinstance(sample, Exception):
            raise sample
        yield sample
