"""What draws the pictures of a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from handloom.datasets import Sample


@dataclass(frozen=True, eq=False)
class Drawing:
    """A source of labelled pictures by number.

    Attributes:
        name: of the source, for the set's record.
        draw: takes the seed and an index; gives the samples of that index, which depend on nothing else. It
            goes to other processes, so it has to be picklable: a function of a module or a ``partial`` of it.
        samples_per_index: so many samples every index gives: one picture of every camera and frame.
        options: everything that shapes the pictures, in plain values (numbers, texts, lists, mappings).
    """

    name: str
    draw: Callable[[int, int], Sequence[Sample]]
    samples_per_index: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
