"""What a peer's script is asked to do and what it leaves behind.

Every environment reads this file: standard library only. A job is a JSON file; the script writes
``corners.csv`` and ``rig.toml`` (aniposelib's format, metres).
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class BoardJob:
    """A chessboard (inner corners) or a ChArUco board (squares) without any library's class.

    Attributes:
        kind: ``"chessboard"`` or ``"charuco"``.
        columns, rows: inner corners of a chessboard, squares of a ChArUco board.
        square_mm: side of a square.
        marker_scale: side of a marker in squares.
        markers: how many the 4×4 dictionary has.
        inverted: white on black.
    """

    kind: str
    columns: int
    rows: int
    square_mm: float
    marker_scale: float = 0.75
    markers: int = 50
    inverted: bool = False


@dataclass(frozen=True)
class Job:
    """A calibration for a peer.

    Attributes:
        board: what is shown.
        cameras: for each camera the name of its video, or the names of its pictures.
        held_out_every: moments 0, n, 2n, … are detected but take no part in the calibration; 0: all do.
        helped: with what the peer cannot do of itself, see its script.
        draw: seed of the random numbers, where the peer draws some.
    """

    board: BoardJob
    cameras: dict[str, list[str]]
    held_out_every: int = 0
    helped: bool = False
    draw: int = 0

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> Job:
        values = json.loads(path.read_text())
        return cls(**values | {"board": BoardJob(**values["board"])})

    def takes_part(self, moment: int) -> bool:
        return not self.held_out_every or moment % self.held_out_every != 0

    @property
    def is_video(self) -> bool:
        return all(len(files) == 1 for files in self.cameras.values())


def arguments() -> tuple[Job, Path]:
    """The job and the folder of the results, from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("job", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return Job.read(options.job), options.out


def write_corners(path: Path, rows: Iterable[tuple[int, int, int, float, float]]) -> None:
    """Rows of camera, moment, corner, x and y."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("camera", "moment", "corner", "x", "y"))
        writer.writerows(rows)
