"""Progress as a small protocol: the library reports, only the edge knows how to draw it.

>>> with SILENT.task("2D keypoints", total=100) as task:
...     task.advance(10)
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Task(Protocol):
    """One long step under way."""

    def advance(self, steps: int = 1) -> None:
        """Report that ``steps`` more units (frames, views, files) are done."""


class Progress(Protocol):
    """Something that shows how far the long steps are."""

    def task(self, name: str, total: int | None = None, unit: str = "frames") -> AbstractContextManager[Task]:
        """Begin a step of ``total`` units (``None`` where the end is not known)."""

    def note(self, message: str) -> None:
        """Say one thing worth knowing: a warning, a decision taken."""


class _SilentTask:
    def advance(self, steps: int = 1) -> None:
        pass


class Silent:
    """Reports to nobody."""

    def task(self, name: str, total: int | None = None, unit: str = "frames") -> AbstractContextManager[Task]:
        return nullcontext(_SilentTask())

    def note(self, message: str) -> None:
        pass


SILENT: Progress = Silent()
