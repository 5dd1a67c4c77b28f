"""The other calibrators' own Pythons: each is installed by pip at first use, or named by a variable."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

PEERS = {"aniposelib": "aniposelib==0.8.0", "caliscope": "caliscope==0.11.8"}
FOLDER = Path(__file__).parents[2] / ".bench"


def peer_python(peer: str) -> Path:
    """Interpreter that has a peer: $HANDLOOM_ANIPOSELIB_PYTHON, $HANDLOOM_CALISCOPE_PYTHON, or one made here.

    Raises:
        subprocess.CalledProcessError: if the peer cannot be installed.
    """
    if named := os.environ.get(f"HANDLOOM_{peer.upper()}_PYTHON"):
        return Path(named)
    folder = FOLDER / peer
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    finished = folder / "finished"
    if not finished.exists():
        print(f"installing {PEERS[peer]} into {folder}", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PEERS[peer]], check=True)
        finished.touch()
    return python
