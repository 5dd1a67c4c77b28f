"""Making one part of a data set: what a worker does, on this machine or on another."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
from threadpoolctl import threadpool_limits

from handloom.datasets import Sample
from handloom.datasets.writer import LayoutWriter, get_writer
from handloom.errors import HandloomError, SynthesisError
from handloom.synthesis.generation.drawing import Drawing


@dataclass(frozen=True, eq=False)
class PartMaker:
    """Makes any part of a data set; all that a worker has to know of the set.

    Attributes:
        drawing: source of the samples.
        seed: for the source.
        indices: how many the set has.
        indices_per_part: a part has; the last one may have fewer.
        layout: of the set.
        folder: of the set; the same for all workers.
        writer_options: of the layout's writer.
        remake: parts that are made again though they are whole, because they have to grow.
    """

    drawing: Drawing
    seed: int
    indices: int
    indices_per_part: int
    layout: str
    folder: Path
    writer_options: Mapping[str, Any] = field(default_factory=dict)
    remake: frozenset[int] = frozenset()

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -(-self.indices // self.indices_per_part)

    def samples(self, part: int) -> int:
        """How many samples a part has."""
        return len(self._range(part)) * self.drawing.samples_per_index

    def writer(self) -> LayoutWriter:
        """The writer of the set."""
        return get_writer(self.layout, self.folder, **self.writer_options)

    def __call__(self, part: int) -> None:
        """Make a part, unless it is there.

        Raises:
            HandloomError: if a picture cannot be drawn, or the part cannot be written. Nothing of it is left.
        """
        # A worker on another machine must find the set, not begin one beside it.
        if not self.folder.is_dir():
            raise SynthesisError(
                f"A worker does not see the folder {self.folder}.",
                "All machines have to see it under the same path: choose a folder that they share.",
            )
        writer = self.writer()
        if part in self.remake or not writer.done(part):
            start = part * self.indices_per_part * self.drawing.samples_per_index
            with one_thread():
                writer.write_part(part, start, self._drawn(part))

    def _range(self, part: int) -> range:
        first = part * self.indices_per_part
        return range(first, min(first + self.indices_per_part, self.indices))

    def _drawn(self, part: int) -> Iterator[Sample]:
        for index in self._range(part):
            try:
                samples = self.drawing.draw(self.seed, index)
            except HandloomError:
                raise
            except Exception as error:
                raise SynthesisError(
                    f"Index {index} of seed {self.seed} cannot be drawn: {type(error).__name__}: {error}.",
                    "The same seed and index show it again: report them, or choose another seed.",
                ) from error
            if len(samples) != self.drawing.samples_per_index:
                raise SynthesisError(
                    f"Index {index} gave {len(samples)} pictures, not {self.drawing.samples_per_index}.",
                    "A drawing has to give the same number for every index.",
                )
            yield from samples


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep what computes here to one thread: the cores belong to the other workers."""
    opencv = cv2.getNumThreads()
    numba = sys.modules.get("numba")
    own = numba.get_num_threads() if numba else 1
    cv2.setNumThreads(1)
    if numba:
        numba.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        cv2.setNumThreads(opencv)
        if numba:
            numba.set_num_threads(own)
