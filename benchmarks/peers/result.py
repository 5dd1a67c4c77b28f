"""Run a peer's script as a process of its own and read what it wrote."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from peers.environment import peer_python
from peers.job import Job

from handloom.cameras import CameraRig, read_rig

Array = NDArray[np.float64]

ERROR = re.compile(r"[A-Za-z_][\w.]*: ")
"""How the line begins that names a Python error, below its traceback."""


@dataclass(frozen=True)
class PeerResult:
    """What a peer made of a job.

    Attributes:
        rig: the cameras it calibrated, in metres, by the names of the job; None if it failed.
        corners: (N, 5) camera, moment, corner, x, y of all that it detected.
        wall_s: duration of the whole process in seconds, also of one that failed.
        failure: the line that names its error, empty if it did not fail.
    """

    rig: CameraRig | None
    corners: Array
    wall_s: float
    failure: str = ""


def run_peer(peer: str, job: Job, out: Path) -> PeerResult:
    """Run ``with_aniposelib.py`` or ``with_caliscope.py``; a failure is a result too."""
    out.mkdir(parents=True, exist_ok=True)
    job.write(out / "job.json")
    command: list[str | Path] = [
        peer_python(peer),
        Path(__file__).parent / f"with_{peer}.py",
        out / "job.json",
        "-o",
        out,
    ]
    begin = time.perf_counter()
    run = subprocess.run(command, capture_output=True, text=True)
    wall_s = time.perf_counter() - begin
    found = out / "corners.csv"
    lines = found.read_text().splitlines()[1:] if found.exists() else []
    corners = np.array([line.split(",") for line in lines], dtype=np.float64).reshape(-1, 5)
    if run.returncode:
        errors = [line for line in run.stderr.splitlines() if ERROR.match(line)]
        return PeerResult(None, corners, wall_s, errors[-1] if errors else f"status {run.returncode}")
    return PeerResult(read_rig(out / "rig.toml", unit="m"), corners, wall_s)
