"""Where examples come from: data sets on the disk, pictures made on the fly, or several of these mixed.

A source draws from the generator that it is given and knows nothing else, so that a batch is a pure function
of seed and step whatever its process has read before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from handloom.datasets import iterate, open_dataset
from handloom.datasets.registry import LAYOUTS
from handloom.datasets.sample import DataSet
from handloom.errors import TrainingError
from handloom.progress import SILENT, Progress
from handloom.synthesis.generation.hand_pictures import read_recipe, recipe_of
from handloom.synthesis.pictures import Recipe, draw_sample
from handloom.training.examples import Cut, Example, examples_of, require_labels
from handloom.training.packed import VERSION, Packed, pack

SYNTH = "synth"
HELD_OUT_SHARE, HELD_OUT_MOST = 0.05, 1000
_HELD_OUT_DRAWN = 256
_ATTEMPTS = 100
_FAR = 1 << 40


class Source(Protocol):
    """Something that gives examples."""

    def example(self, rng: np.random.Generator) -> Example:
        """One, drawn by the generator alone."""
        ...


@dataclass(frozen=True)
class DataName:
    """Data as it is asked for.

    Attributes:
        path: of a data set, or of a recipe.
        layout: of the data set, None to guess it; ``"synth"`` for pictures made on the fly.
        split: of the data set; None for the layout's first.
    """

    path: str
    layout: str | None = None
    split: str | None = None

    def __str__(self) -> str:
        layout = f"{self.layout}:" if self.layout else ""
        return layout + self.path + (f"#{self.split}" if self.split else "")


def data_named(text: str) -> DataName:
    """``FOLDER`` or ``LAYOUT:FOLDER``, either with ``#SPLIT``; or ``synth:``, with a recipe or nothing."""
    layout, colon, rest = text.partition(":")
    if colon and layout == SYNTH:
        return DataName(rest, SYNTH)
    path, _, split = (rest if colon and layout in LAYOUTS else text).partition("#")
    return DataName(path, layout if colon and layout in LAYOUTS else None, split or None)


@dataclass(frozen=True, eq=False)
class Stored:
    """Examples of a data set, from one number to another."""

    packed: Packed
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def example(self, rng: np.random.Generator) -> Example:
        """See :class:`Source`."""
        return self.packed[int(rng.integers(self.start, self.stop))]

    def __getitem__(self, index: int) -> Example:
        return self.packed[self.start + index]


@dataclass(frozen=True, eq=False)
class Drawn:
    """Pictures made on the fly, each one used once."""

    recipe: Recipe
    cut: Cut
    seed: int

    def example(self, rng: np.random.Generator) -> Example:
        """See :class:`Source`; raises :class:`SynthesisError` for a background that cannot be read."""
        for _ in range(_ATTEMPTS):
            samples = draw_sample(self.recipe, self.seed, int(rng.integers(_FAR)))
            examples = [example for sample in samples for example in examples_of(sample, self.cut)]
            if examples:
                return examples[int(rng.integers(len(examples)))]
        raise TrainingError(
            f"{_ATTEMPTS} pictures of the recipe in a row show no whole hand.",
            "Look at some with `handloom synth --sheet sheet.png`.",
        )


@dataclass(frozen=True, eq=False)
class Mixture:
    """Several sources, by weight."""

    sources: tuple[Source, ...]
    weights: tuple[float, ...]

    def example(self, rng: np.random.Generator) -> Example:
        """See :class:`Source`."""
        total = np.cumsum(self.weights)
        chosen = int(np.searchsorted(total, rng.random() * total[-1], side="right"))
        return self.sources[min(chosen, len(self.sources) - 1)].example(rng)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Examples that are never trained on, of several sets, in order; read when asked for."""

    parts: tuple[Stored, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def spread(self, most: int) -> list[Example]:
        """So many at most, evenly spread over all of them."""
        count = len(self)
        chosen = np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))
        ends = np.cumsum([len(part) for part in self.parts])
        part = np.searchsorted(ends, chosen, side="right")
        return [
            self.parts[p][int(n - ends[p] + len(self.parts[p]))] for n, p in zip(chosen, part, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Data:
    """What a task is trained and validated on.

    Attributes:
        training: what batches are drawn from.
        validation: examples that are never trained on.
        description: where they are from, how many, and a fingerprint; fits into TOML.
    """

    training: Source
    validation: HeldOut
    description: dict[str, Any]


def gather(
    names: Sequence[DataName],
    cut: Cut,
    store: Path,
    *,
    what: str,
    weights: Sequence[float] = (),
    validation: Sequence[DataName] = (),
    seed: int = 0,
    progress: Progress = SILENT,
    threads: int = 2,
) -> Data:
    """Open the data of a run, cutting and storing what is on the disk.

    Without data for validation, the last twentieth of each data set (1000 examples at most) is held out, or
    256 pictures of the recipe with another seed.

    Args:
        names: of the data to train on.
        cut: what becomes an example.
        store: folder in which examples are kept; what lies there already is used again.
        what: the network, for messages.
        weights: how often each is drawn from; by default as often as it has examples (those made on the fly
            as often as all others together).
        validation: data sets to validate on instead.
        seed: of pictures made on the fly.

    Raises:
        DataSetError: if one of them lacks the labels that the network learns.
        TrainingError: if there is no data or the weights do not fit them.
        HandloomError: if a data set or a recipe cannot be read.
    """
    if not names:
        raise TrainingError("There is nothing to train on.", "Name data with --data FOLDER or --data synth:")
    if weights and (len(weights) != len(names) or min(weights) <= 0):
        raise TrainingError(
            f"{len(weights)} weights were given for {len(names)} data sets: {', '.join(map(str, weights))}.",
            "Give a number above 0 for each --data, in their order.",
        )
    sources: list[Source] = []
    held_out: list[Stored] = []
    tables: list[dict[str, Any]] = []
    for name in names:
        source, held, table = _one(name, cut, store, what, seed, not validation, progress, threads)
        sources.append(source)
        held_out += [held] if held else []
        tables.append(table)
    for name in validation:
        stored, table = _stored(name, cut, store, what, progress, threads)
        held_out.append(stored)
        tables.append({**table, "use": "validation"})
    shares = tuple(weights) or _by_count(sources)
    for table, share in zip(tables, shares, strict=False):
        table["weight"] = float(share)
    fingerprint = hashlib.sha256(repr([sorted(table.items()) for table in tables]).encode()).hexdigest()
    kept = HeldOut(tuple(held_out))
    return Data(
        sources[0] if len(sources) == 1 else Mixture(tuple(sources), shares),
        kept,
        {"fingerprint": fingerprint, "validation_examples": len(kept), "sets": tables},
    )


def _by_count(sources: Sequence[Source]) -> tuple[float, ...]:
    counts = [len(source) if isinstance(source, Stored) else 0 for source in sources]
    return tuple(float(count or max(sum(counts), 1)) for count in counts)


def _one(
    name: DataName,
    cut: Cut,
    store: Path,
    what: str,
    seed: int,
    hold_out: bool,
    progress: Progress,
    threads: int,
) -> tuple[Source, Stored | None, dict[str, Any]]:
    """What is trained on, what is held out of it, and what run.toml says."""
    if name.layout == SYNTH:
        recipe = recipe_of(read_recipe(Path(name.path)) if name.path else {})
        held = _held_out_of(recipe, cut, store, seed + 1, progress) if hold_out else None
        about = {"path": str(name), "use": "training", "recipe": repr(recipe), "held_out": len(held or ())}
        return Drawn(recipe, cut, seed), held, about
    stored, table = _stored(name, cut, store, what, progress, threads)
    count = min(max(round(len(stored) * HELD_OUT_SHARE), 1), HELD_OUT_MOST) if hold_out else 0
    if count >= len(stored):
        raise TrainingError(
            f"{name} has one example only; there is nothing left to validate on.", "Name more data, or --val."
        )
    kept = Stored(stored.packed, 0, len(stored) - count)
    table = {**table, "use": "training", "examples": len(kept), "held_out": count}
    return kept, Stored(stored.packed, len(kept), len(stored)) if count else None, table


def _held_out_of(recipe: Recipe, cut: Cut, store: Path, seed: int, progress: Progress) -> Stored:
    """Pictures of a recipe, made once."""
    identity = repr((VERSION, recipe, cut, seed))
    folder = store / f"synth-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    drawn = Drawn(recipe, cut, seed)

    def made() -> Iterator[Example]:
        with progress.task("held out", total=_HELD_OUT_DRAWN, unit="pictures") as task:
            for number in range(_HELD_OUT_DRAWN):
                yield drawn.example(np.random.default_rng([seed, number]))
                task.advance()

    packed = Packed(folder) if folder.exists() else pack(made(), folder)
    return Stored(packed, 0, len(packed))


def _stored(
    name: DataName, cut: Cut, store: Path, what: str, progress: Progress, threads: int
) -> tuple[Stored, dict[str, Any]]:
    """A data set's examples, all of them; cut now if they are not in the store."""
    options: dict[str, Any] = {}
    dataset = open_dataset(name.path, name.layout, name.split, **options)
    require_labels(dataset, cut, what)
    keys = hashlib.sha256("\n".join(dataset.keys).encode()).hexdigest()
    place = str(Path(name.path).expanduser().resolve())
    identity = repr((VERSION, dataset.name, name.split, place, keys, cut))
    folder = store / f"{dataset.name}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    packed = Packed(folder) if folder.exists() else pack(_cut(dataset, cut, progress, threads), folder)
    table = {"path": str(name), "layout": dataset.name, "samples": len(dataset), "keys_sha256": keys}
    return Stored(packed, 0, len(packed)), {**table, "examples": len(packed)}


def _cut(dataset: DataSet, cut: Cut, progress: Progress, threads: int) -> Iterator[Example]:
    pictures = bool(cut.size) or "regions" in cut.needs
    with progress.task("cutting", total=len(dataset), unit="samples") as task:
        for sample in iterate(dataset, workers=threads, pictures=pictures):
            yield from examples_of(sample, cut)
            task.advance()
