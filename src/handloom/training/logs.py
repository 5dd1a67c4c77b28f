"""Figures of a run by step: two CSV files, and TensorBoard's if wanted."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from handloom.errors import TrainingError
from handloom.session.files import explained, whole_file

TRAINING, VALIDATION = "training", "validation"
FILES = {TRAINING: "training.csv", VALIDATION: "validation.csv"}


class Log(Protocol):
    """Where figures go."""

    def write(self, kind: str, step: int, figures: Mapping[str, float]) -> None:
        """Note figures of ``TRAINING`` or ``VALIDATION`` after a step."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


class CsvLog:
    """A table for each kind of figures, one row for a step, on the disk as soon as it is written.

    Args:
        folder: of the run.
        step: rows beyond it, left by a run that was killed after its last checkpoint, are removed.

    Attributes:
        seconds: of training that the rows which are left tell of.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        self._folder = folder
        for name in FILES.values():
            _cut_off(folder / name, step)
        times = read_log(folder, TRAINING).get("seconds", np.zeros(0))
        self.seconds = float(times[-1]) if len(times) else 0.0

    def write(self, kind: str, step: int, figures: Mapping[str, float]) -> None:
        """See :class:`Log`; the first row's figures are the columns."""
        path = self._folder / FILES[kind]
        with explained(path):
            new = not path.exists()
            columns = ["step", *figures] if new else _columns(path)
            with path.open("a", newline="") as file:
                writer = csv.writer(file)
                if new:
                    writer.writerow(columns)
                values: dict[str, Any] = {"step": step, **{k: f"{v:.7g}" for k, v in figures.items()}}
                writer.writerow([values.get(column, "") for column in columns])

    def close(self) -> None:
        """See :class:`Log`."""


class TensorBoardLog:
    """TensorBoard's event files, in the run's folder."""

    def __init__(self, folder: Path, step: int = 0) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise TrainingError(
                "TensorBoard's logs were asked for, but it is not installed.",
                "Run `pip install tensorboard`, or leave --log at csv.",
            ) from error
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1 if step else None)

    def write(self, kind: str, step: int, figures: Mapping[str, float]) -> None:
        """See :class:`Log`."""
        for name, value in figures.items():
            self._writer.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        """See :class:`Log`."""
        self._writer.close()


class Logs:
    """Several logs as one."""

    def __init__(self, logs: list[Log]) -> None:
        self._logs = logs

    def write(self, kind: str, step: int, figures: Mapping[str, float]) -> None:
        """See :class:`Log`."""
        for log in self._logs:
            log.write(kind, step, figures)

    def close(self) -> None:
        """See :class:`Log`."""
        for log in self._logs:
            log.close()


def read_log(folder: Path, kind: str) -> dict[str, np.ndarray]:
    """Columns of one of the tables, by name; empty where nothing was logged yet."""
    path = folder / FILES[kind]
    if not path.exists():
        return {}
    with explained(path), path.open(newline="") as file:
        rows = list(csv.reader(file))
    return {
        name: np.array([float(row[k]) if row[k] else np.nan for row in rows[1:]])
        for k, name in enumerate(rows[0])
    }


def _columns(path: Path) -> list[str]:
    with path.open(newline="") as file:
        return next(csv.reader(file))


def _cut_off(path: Path, step: int) -> None:
    if not path.exists():
        return
    with explained(path), path.open(newline="") as file:
        rows = list(csv.reader(file))
    # The last row may have been cut short by a kill.
    kept = [row for row in rows[1:] if len(row) == len(rows[0]) and int(row[0]) <= step]
    if not kept:
        path.unlink()
        return
    with whole_file(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([rows[0], *kept])
