"""The seeds' own Python: mediapipe 0.10.21 needs numpy < 2, so it cannot share handloom's environment."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

MEDIAPIPE = "mediapipe==0.10.21"
FOLDER = Path(__file__).parents[2] / ".bench" / "seedenv"
NEWEST_PYTHON = (3, 12)


def seed_python() -> Path:
    """Interpreter that runs the seeds' scripts: $HANDLOOM_SEED_PYTHON, or one made here at first use.

    Raises:
        SystemExit: if this Python is too new for mediapipe 0.10.21 and no other one is named.
        subprocess.CalledProcessError: if mediapipe cannot be installed.
    """
    if named := os.environ.get("HANDLOOM_SEED_PYTHON"):
        return Path(named)
    python = FOLDER / ("Scripts" if os.name == "nt" else "bin") / "python"
    finished = FOLDER / "finished"
    if not finished.exists():
        if sys.version_info[:2] > NEWEST_PYTHON:
            raise SystemExit(
                f"{MEDIAPIPE} has no build for Python {sys.version_info[0]}.{sys.version_info[1]}. Name an "
                "interpreter of 3.12 or older that has it in HANDLOOM_SEED_PYTHON."
            )
        print(f"installing {MEDIAPIPE} into {FOLDER}", file=sys.stderr)
        venv.create(FOLDER, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", MEDIAPIPE, "scipy"], check=True)
        finished.touch()
    return python
