"""What detection saw, kept on disk between the two stages of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handloom.reconstruction import Observation, ObservationTable
from handloom.session import Journal
from handloom.skeleton import SKELETONS

Array = NDArray[np.float64]

TIMES, SOURCES = "time_s", "source_frames"


@dataclass(frozen=True, eq=False)
class Stretch:
    """Consecutive frames of a recording, with the observations a little beyond both ends.

    Attributes:
        start, stop: the frames it stands for.
        first, last: the frames its observations cover.
        tables: observations by kind.
        times_s: (stop − start,) seconds.
        source_frames: (C, stop − start) frame number in each view's own video; NaN where it has none.
    """

    start: int
    stop: int
    first: int
    last: int
    tables: Mapping[str, ObservationTable]
    times_s: Array
    source_frames: Array

    def __len__(self) -> int:
        return self.stop - self.start


class DetectionLog:
    """Appends frames to a journal and reads them back in stretches; memory holds a few chunks.

    Args:
        journal: where chunks are committed.
        kinds: names of the skeletons that are looked for.
    """

    def __init__(self, journal: Journal, kinds: Sequence[str]) -> None:
        self._journal = journal
        self._kinds = kinds
        self._times: list[float] = []
        self._sources: list[list[float]] = []
        self._seen: dict[str, list[tuple[int, Sequence[Observation]]]] = {kind: [] for kind in kinds}

    @property
    def frames(self) -> int:
        """Number of frames that are committed."""
        return self._journal.state["frames"] if self._journal.state else 0

    @property
    def state(self) -> Any:
        """What detection needs to go on after them; None at the start."""
        return self._journal.state["detection"] if self._journal.state else None

    @property
    def pending(self) -> int:
        """Number of frames added since the last commit."""
        return len(self._times)

    def add(
        self, time_s: float, source_frames: list[float], seen: Mapping[str, Sequence[Observation]]
    ) -> None:
        """Take in one frame."""
        frame = self.frames + self.pending
        self._times.append(time_s)
        self._sources.append(source_frames)
        for kind in self._kinds:
            self._seen[kind].append((frame, seen[kind]))

    def commit(self, state: Any) -> None:
        """Make everything added so far safe, together with the state to go on from."""
        if not self.pending:
            return
        arrays: dict[str, NDArray] = {TIMES: np.array(self._times), SOURCES: np.array(self._sources)}
        for kind in self._kinds:
            arrays |= ObservationTable.of(self._seen[kind], SKELETONS[kind]).to_arrays(kind)
        self._journal.commit(arrays, {"frames": self.frames + self.pending, "detection": state})
        self._times, self._sources = [], []
        self._seen = {kind: [] for kind in self._kinds}

    def tables(self) -> Iterator[dict[str, ObservationTable]]:
        """The observations by kind, chunk by chunk."""
        for chunk in self._journal:
            yield {kind: ObservationTable.from_arrays(chunk.arrays, kind) for kind in self._kinds}

    def stretches(self, length: int, margin: int = 0) -> Iterator[Stretch]:
        """The recording in stretches of ``length`` frames with ``margin`` more frames of observations."""
        held: list[tuple[int, Mapping[str, NDArray]]] = []
        chunks = iter(self._journal)
        loaded = 0
        for start in range(0, self.frames, length):
            stop = min(start + length, self.frames)
            first, last = max(start - margin, 0), min(stop + margin, self.frames)
            while loaded < last:
                arrays = next(chunks).arrays
                held.append((loaded, arrays))
                loaded += len(arrays[TIMES])
            held = [(begin, arrays) for begin, arrays in held if begin + len(arrays[TIMES]) > first]
            cut = slice(start - held[0][0], stop - held[0][0])
            yield Stretch(
                start,
                stop,
                first,
                last,
                {
                    kind: ObservationTable.concatenated(
                        [ObservationTable.from_arrays(arrays, kind) for _, arrays in held]
                    ).frames(first, last)
                    for kind in self._kinds
                },
                np.concatenate([arrays[TIMES] for _, arrays in held])[cut],
                np.concatenate([arrays[SOURCES] for _, arrays in held])[cut].T,
            )
