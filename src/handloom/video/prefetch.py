"""Decoding ahead, so that pictures are ready when the networks are."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from queue import Full, Queue
from typing import TypeVar

T = TypeVar("T")

_PATIENCE_S = 0.1


def prefetched(items: Iterator[T], depth: int = 4) -> Generator[T]:
    """Iterate in a thread of its own, at most ``depth`` items ahead; errors come out where they happened."""
    queue: Queue[tuple[T | None, BaseException | None]] = Queue(depth)
    stopped = threading.Event()

    def put(entry: tuple[T | None, BaseException | None]) -> bool:
        while not stopped.is_set():
            try:
                queue.put(entry, timeout=_PATIENCE_S)
            except Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put((item, None)):
                    return
            put((None, StopIteration()))
        except BaseException as error:
            put((None, error))

    thread = threading.Thread(target=work, name="decoder", daemon=True)
    thread.start()
    try:
        while True:
            item, error = queue.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        stopped.set()
        thread.join()
