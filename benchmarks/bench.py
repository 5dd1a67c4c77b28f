"""What the benchmark commands share: options, recordings, the table with its verdict, child runs."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

DATA = Path(os.environ.get("HANDLOOM_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))

BOTH_VIEWS = slice(12, 372)
"""The frames of the TemugeB clip in which both views see the hand."""

CORES = 2
"""So many cores the comparisons of speed use."""


def command_line(description: str | None) -> argparse.ArgumentParser:
    """Options of a benchmark, with ``--data``; the description is the command's docstring."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the recordings [%(default)s]")
    return parser


@dataclass(frozen=True)
class Clip:
    """Videos, one per camera, and their calibration."""

    videos: tuple[Path, ...]
    rig: Path

    def __post_init__(self) -> None:
        for path in (*self.videos, self.rig):
            if not path.exists():
                raise SystemExit(f"There is no {path}: name the folder of the recordings with --data.")


def temugeb(data: Path) -> Clip:
    """The clip of seed 1: a right hand over a desk, two views, 378 frames."""
    folder = data / "temugeb_handpose3d"
    videos = tuple(folder / "media" / f"cam{camera}_test.mp4" for camera in (0, 1))
    return Clip(videos, folder / "camera_parameters")


@dataclass
class Scorecard:
    """Rows of measures, one column per side, ours last; says of each with a bar whether ours meets it.

    Attributes:
        title: what was measured.
        sides: names of the columns.
    """

    title: str
    sides: tuple[str, ...]
    _rows: list[tuple[str, ...]] = field(default_factory=list)
    _met: bool = True

    def add(
        self,
        measure: str,
        *values: float | str,
        at_most: float | None = None,
        at_least: float | None = None,
        digits: int = 2,
    ) -> None:
        """Add a row, one value per side; the last is held against the bar. A NaN meets no bar."""
        bar = verdict = ""
        if at_most is not None or at_least is not None:
            ours = float(values[-1])
            bar = f"≤ {at_most:g}" if at_most is not None else f"≥ {at_least:g}"
            met = ours <= at_most if at_most is not None else ours >= (at_least or 0.0)
            verdict = "met" if met else "MISSED"
            self._met &= met
        cells = (value if isinstance(value, str) else f"{value:.{digits}f}" for value in values)
        self._rows.append((measure, *cells, bar, verdict))

    def show(self) -> bool:
        """Print the table; whether every bar is met."""
        rows = [(self.title, *self.sides, "bar", ""), *self._rows]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            cells = [row[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
            print("  ".join([*cells, row[-1]]).rstrip())
        print(flush=True)
        return self._met

    def finish(self) -> None:
        """Print the table and end the command, with status 1 if a bar is missed."""
        sys.exit(0 if self.show() else 1)


@dataclass(frozen=True)
class Finished:
    """A child process that ended: its wall time and the most memory it held."""

    wall_s: float
    peak_mb: float


def track_command(clip: Clip, out: Path, *extra: str) -> list[str]:
    """The command line that tracks one hand of a clip and writes nothing for the viewer."""
    videos = [str(video) for video in clip.videos]
    own = ["--rig", str(clip.rig), "-o", str(out), "--max-hands", "1"]
    call = [sys.executable, "-c", "from handloom.cli.main import main; main()"]
    return [*call, "track", *videos, *own, *(extra or ("--no-report", "--no-recording"))]


def run_child(command: list[str]) -> Finished:
    """Run a command to its end.

    Raises:
        SystemExit: if it fails, with what it wrote.
    """
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        assert child.stdout is not None
        words = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {child.returncode}:\n{words}")
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return Finished(time.perf_counter() - begin, kilobytes / 1024)


def use_two_cores() -> None:
    """Keep this process and its children on two cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
