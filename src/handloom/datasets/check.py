"""Does a data set agree with itself? Its own 3D against its own 2D, units, sides, boxes, masks, files.

A wrong joint order, unit, axis or camera in a reader or in the files shows here before it costs a training.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from handloom.datasets.agreement import MEASURES, measures_of
from handloom.datasets.loading import iterate
from handloom.datasets.sample import DataSet, Sample
from handloom.errors import DataSetError
from handloom.progress import SILENT, Progress

_EXAMPLES = 3


@dataclass(frozen=True)
class Finding:
    """One disagreement.

    Attributes:
        name: of the check that found it.
        problem: a sentence with the numbers involved and the keys of some samples.
        hint: what usually is the reason.
    """

    name: str
    problem: str
    hint: str


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Attributes:
        layout: of the data set.
        samples: in the data set.
        checked: of them.
        hands: labelled hands by side, of the samples checked.
        lacks: what the layout does not say.
        measures: smallest, median and largest of what was measured, by name; units in the names.
        findings: what disagrees.
    """

    layout: str
    samples: int
    checked: int
    hands: dict[str, int]
    lacks: tuple[str, ...]
    measures: dict[str, tuple[float, float, float]]
    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        """The result as text to read."""
        sides = ", ".join(f"{count} {side}" for side, count in sorted(self.hands.items())) or "none"
        lines = [
            f"{self.layout}: {self.samples} samples, {self.checked} checked; hands: {sides}",
            f"not in it: {', '.join(self.lacks) or 'nothing'}",
            "",
            f"{'':44}{'smallest':>10}{'median':>10}{'largest':>10}",
        ]
        lines += [f"{name:44}" + "".join(f"{v:10.3f}" for v in row) for name, row in self.measures.items()]
        lines += ["", f"{len(self.findings)} findings" if self.findings else "It agrees with itself."]
        for finding in self.findings:
            lines += [f"  {finding.name}: {finding.problem}", f"    {finding.hint}"]
        return "\n".join(lines)


def check(
    dataset: DataSet,
    limit: int | None = 500,
    *,
    pictures: bool = True,
    workers: int = 2,
    progress: Progress = SILENT,
) -> CheckResult:
    """Hold a data set against itself.

    Args:
        dataset: to check.
        limit: so many samples, spread over the whole set; None for all.
        pictures: whether pictures and maps are read too.
        workers: threads that read.
        progress: told of every sample.
    """
    count = len(dataset)
    chosen: Sequence[int] = range(count)
    if limit is not None and limit < count:
        chosen = [int(n) for n in np.linspace(0, count - 1, limit).round()]
    findings, sides = _key_findings(dataset), Counter[str]()
    values: dict[str, list[float]] = {name: [] for name in MEASURES}
    owners: dict[str, list[str]] = {name: [] for name in MEASURES}
    unreadable: list[str] = []
    with progress.task("samples", total=len(chosen), unit="samples") as task:
        for sample in _readable(dataset, chosen, pictures, workers, unreadable):
            sides.update(hand.side for hand in sample.hands)
            for name, value in measures_of(sample):
                values[name].append(value)
                owners[name].append(sample.key)
            task.advance()
    if unreadable:
        findings.append(
            Finding(
                "unreadable",
                f"{len(unreadable)} of {len(chosen)} samples cannot be read: {_some(unreadable, '; ')}",
                "Files are missing or damaged: fetch them again, or give the folder that holds them.",
            )
        )
    for name, measure in MEASURES.items():
        measured = np.array(values[name], dtype=np.float64)
        wrong = (measured < measure.lowest) | (measured > measure.highest)
        if len(measured) and wrong.mean() > measure.tolerated:
            keys = [key for key, bad in zip(owners[name], wrong, strict=True) if bad]
            findings.append(
                Finding(
                    name,
                    f"{wrong.sum()} of {len(measured)} are not within {measure.lowest:g} to"
                    f" {measure.highest:g}, {measure.tolerated:.0%} may be; median"
                    f" {np.median(measured):.3g}; {_some(list(dict.fromkeys(keys)))}",
                    measure.hint,
                )
            )
    spread = {
        name: (float(min(found)), float(np.median(found)), float(max(found)))
        for name, found in values.items()
        if found
    }
    return CheckResult(dataset.name, count, len(chosen), dict(sides), dataset.lacks, spread, tuple(findings))


def _key_findings(dataset: DataSet) -> list[Finding]:
    twice = [key for key, times in Counter(dataset.keys).items() if times > 1]
    if not twice:
        return []
    return [
        Finding(
            "duplicate keys",
            f"{len(twice)} keys stand for several samples: {_some(twice)}",
            "Two parts of the set were written under one name, or a list names pictures twice.",
        )
    ]


def _readable(
    dataset: DataSet, chosen: Sequence[int], pictures: bool, workers: int, unreadable: list[str]
) -> Iterator[Sample]:
    """The samples that can be read; of the others, why not goes into ``unreadable``."""
    start = 0
    while start < len(chosen):
        try:
            for sample in iterate(dataset, chosen[start:], workers=workers, pictures=pictures):
                start += 1
                yield sample
        except DataSetError as error:
            unreadable.append(error.problem)
            start += 1


def _some(texts: Sequence[str], separator: str = ", ") -> str:
    rest = len(texts) - _EXAMPLES
    return separator.join(texts[:_EXAMPLES]) + (f" and {rest} more" if rest > 0 else "")
