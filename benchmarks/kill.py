"""Bar 8: kill ``handloom track`` at random moments, continue it with --resume, compare with an untouched run.

python benchmarks/kill.py [--data DATA] [--moments 10] [--seed 0]
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from bench import Scorecard, command_line, run_child, temugeb, track_command

from handloom.session.layout import FRAMES, JOURNAL, KEYPOINTS_2D, KEYPOINTS_3D, RIG, RUN

EARLIEST_S = 0.5
TABLES = (FRAMES, KEYPOINTS_2D, KEYPOINTS_3D, RIG)


def killed(command: list[str], after_s: float) -> bool:
    """Start a command and SIGKILL it; whether it was still running then."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            child.wait(after_s)
            return False
        except subprocess.TimeoutExpired:
            child.kill()
            return True


def state(folder: Path) -> str:
    """What a killed run left behind."""
    if (folder / RUN).exists():
        return "finished"
    chunks = len(list((folder / JOURNAL).glob("chunk-*")))
    return f"{chunks} chunks" if folder.exists() else "nothing"


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--moments", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="decides the moments")
    options = parser.parse_args()

    clip = temugeb(options.data)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        whole = scratch / "whole"
        wall_s = run_child(track_command(clip, whole)).wall_s
        expected = {name: (whole / name).read_bytes() for name in TABLES}
        moments = np.random.default_rng(options.seed).uniform(EARLIEST_S, wall_s, options.moments)

        card = Scorecard(f"killed in an untouched run of {wall_s:.1f} s", ("left", "resumed in", "equal"))
        equal = 0
        for number, moment in enumerate(sorted(moments)):
            out = scratch / f"killed-{number}"
            running = killed(track_command(clip, out), moment)
            left = state(out) if running else "had ended"
            begin = time.perf_counter()
            run_child([*track_command(clip, out), "--resume"])
            spent_s = time.perf_counter() - begin
            different = [name for name in TABLES if (out / name).read_bytes() != expected[name]]
            different += sorted({path.name for path in out.iterdir()} - {*TABLES, RUN})
            equal += not different
            card.add(f"after {moment:.2f} s", left, f"{spent_s:.1f} s", ", ".join(different) or "yes")
    card.add("runs equal, byte for byte", "", "", equal, at_least=options.moments, digits=0)
    card.finish()


if __name__ == "__main__":
    main()
