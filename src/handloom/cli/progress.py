"""Progress bars with frames per second, and notes, on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.progress import Task as Bar
from rich.text import Text


class _Rate(ProgressColumn):
    """Units per second since the step began."""

    def render(self, task: Bar) -> Text:
        elapsed = task.finished_time or task.elapsed
        speed = f"{task.completed / elapsed:6.1f}" if elapsed else "     –"
        return Text(f"{speed} {task.fields['unit']}/s", style="cyan")


class TerminalTask:
    """One bar."""

    def __init__(self, bars: Bars, name: str, total: int | None, unit: str) -> None:
        self._bars = bars
        self._id = bars.add_task(name, total=total, unit=unit)
        self._done = 0

    def advance(self, steps: int = 1) -> None:
        """Move the bar."""
        self._done += steps
        self._bars.advance(self._id, steps)

    def end(self) -> None:
        """The estimate of the length may have been off: what was done is all there was."""
        self._bars.update(self._id, total=self._done, completed=self._done)


class TerminalProgress:
    """Draws every step as a bar and prints notes above."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def task(self, name: str, total: int | None = None, unit: str = "frames") -> Iterator[TerminalTask]:
        """See :meth:`handloom.progress.Progress.task`."""
        columns = (
            TextColumn("{task.description:<16}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=self._console) as bars:
            task = TerminalTask(bars, name, total, unit)
            yield task
            task.end()

    def note(self, message: str) -> None:
        """See :meth:`handloom.progress.Progress.note`."""
        self._console.print(f"[yellow]note[/]  {message}", highlight=False)
