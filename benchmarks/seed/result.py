"""Run a seed's script as a process of its own and read what it wrote, with NaN for its −1."""

from __future__ import annotations

import math
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from seed.environment import seed_python

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SeedResult:
    """What a seed's script made of two recordings.

    Attributes:
        xy: (2, T, J, 2) whole pixels, the raw detections.
        xyz: (T, J, 3) points in the unit of the calibration.
        wall_s: duration of the whole process in seconds.
    """

    xy: Array
    xyz: Array
    wall_s: float


def run_seed(script: str, videos: list[Path], cameras: Path, out: Path) -> SeedResult:
    """Run ``handpose3d.py`` or ``bodypose3d.py`` on two videos.

    Args:
        script: file name in this folder.
        videos: the two recordings.
        cameras: folder of ``c0.dat``, ``rot_trans_c0.dat`` and so on.
        out: folder for the seed's three files.

    Raises:
        subprocess.CalledProcessError: if the script fails; its error output is in the exception.
    """
    command = [seed_python(), Path(__file__).parent / script, *videos, "--cameras", cameras, "-o", out]
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return read_seed(out, time.perf_counter() - begin)


def read_seed(folder: Path, wall_s: float = math.nan) -> SeedResult:
    """What an earlier run of a seed's script left in a folder."""
    xy = np.array([_read(folder / f"kpts_cam{camera}.dat", 2) for camera in (0, 1)])
    return SeedResult(xy, _read(folder / "kpts_3d.dat", 3), wall_s)


def _read(path: Path, dimensions: int) -> Array:
    """(T, J, dimensions) of one of the seed's files."""
    rows = np.loadtxt(path, ndmin=2)
    points = rows.reshape(len(rows), -1, dimensions)
    return np.where((points == -1).all(axis=-1, keepdims=True), np.nan, points)
