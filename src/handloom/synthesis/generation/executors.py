"""Where the parts of a data set are made: one small protocol, and the processes of this machine behind it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from multiprocessing.connection import Connection
from typing import Protocol

from handloom.errors import SynthesisError

PATIENCE = 3
"""So many times in a row workers may die without a part getting done between."""

Make = Callable[[int], None]
Note = Callable[[str], None]


class Executor(Protocol):
    """Something that makes parts."""

    def run(self, make: Make, parts: Sequence[int], note: Note) -> Iterator[int]:
        """Make every part, in any order.

        Closing the iterator, or an error, ends the work under way.

        Args:
            make: makes a part, whole or not at all; picklable.
            parts: their numbers.
            note: is told what is worth knowing.

        Yields:
            The number of each part once it is whole.

        Raises:
            SynthesisError: if workers keep dying.
            Exception: what ``make`` raised.
        """
        ...


class InProcess:
    """Makes the parts one after the other, here."""

    def run(self, make: Make, parts: Sequence[int], note: Note) -> Iterator[int]:
        """See :meth:`Executor.run`."""
        for part in parts:
            make(part)
            yield part


class LocalPool:
    """Makes the parts in processes of this machine.

    They are started afresh ("spawn"), so a script that uses them needs ``if __name__ == "__main__":``.

    Args:
        workers: number of processes.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def run(self, make: Make, parts: Sequence[int], note: Note) -> Iterator[int]:
        """See :meth:`Executor.run`."""
        left = dict.fromkeys(parts)
        deaths = 0
        while left:
            try:
                with closing(self._run_until_a_death(make, list(left))) as made:
                    for part in made:
                        del left[part]
                        deaths = 0
                        yield part
            except BrokenProcessPool as error:
                deaths += 1
                if deaths >= PATIENCE:
                    raise SynthesisError(
                        f"Worker processes died {deaths} times in a row with {len(left)} parts to make, "
                        "killed from outside or for want of memory.",
                        "Run the command again with --resume, and with fewer workers if memory is short.",
                    ) from error
                note("A worker process died; the parts that were under way are made again.")

    def _run_until_a_death(self, make: Make, parts: Sequence[int]) -> Generator[int, None, None]:
        context = multiprocessing.get_context("spawn")
        workers_end, lifeline = context.Pipe(duplex=False)
        pool = ProcessPoolExecutor(
            min(self._workers, len(parts)), context, initializer=_begin_worker, initargs=(workers_end,)
        )
        try:
            futures = {pool.submit(make, part): part for part in parts}
            for future in as_completed(futures):
                future.result()
                yield futures[future]
        except BaseException:
            # Parts are whole or absent whenever a worker ends: there is nothing to wait for.
            lifeline.close()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            lifeline.close()
            workers_end.close()


def _begin_worker(lifeline: Connection) -> None:
    # Ctrl-C reaches the whole group of processes; the parent alone decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()


def _end_with_parent(lifeline: Connection) -> None:
    """End this process when the other end is closed: by the parent, or because the parent was killed."""
    try:
        lifeline.recv()
    except (EOFError, OSError):
        os._exit(1)
