"""Bar 5: the demo captures, ours against plain linear triangulation of the same 2D detections.

python benchmarks/demo.py [--seeds 0 1 2] [--frames 150]

Rendered hands, so the truth is known. Counted are the frames in which all three views see the hand.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from bench import Scorecard, command_line

from handloom.demo import DemoError, errors_against, run_demo

MEAN_MM, LESS_THAN_DLT = 6.0, 35.0


def overall(errors: list[DemoError]) -> tuple[float, float]:
    """Mean error of plain DLT and of ours over all hands, every frame counting the same, in millimetres."""
    frames = [error.frames for error in errors]
    dlt = np.average([error.dlt_mm for error in errors], weights=frames)
    return float(dlt), float(np.average([error.mean_mm for error in errors], weights=frames))


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--frames", type=int, default=150)
    options = parser.parse_args()

    card = Scorecard("demo capture, three views, mean error in mm", ("plain DLT", "ours"))
    means = []
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            session, truth = run_demo(Path(folder) / "demo", frames=options.frames, seed=seed)
            errors = errors_against(session, truth)
        means.append(overall(errors))
        judge(card, f"seed {seed}", *means[-1], judged=seed == 0)
        for error in errors:
            card.add(f"  {error.track.name}, {error.frames} frames", error.dlt_mm, error.mean_mm)
            card.add("    median, 95 %", "", f"{error.median_mm:.2f}, {error.p95_mm:.2f}")
            card.add("    frames with all joints, %", "", 100 * error.coverage, digits=1)
        for track in truth.keys() - {error.track for error in errors}:
            card.add(f"  {track.name} was not found", "", float("nan"), at_most=MEAN_MM)
    judge(card, f"mean of {len(means)} seeds", *np.mean(means, axis=0), judged=True)
    card.finish()


def judge(card: Scorecard, name: str, dlt: float, ours: float, *, judged: bool) -> None:
    """Add the two rows that the bar speaks of."""
    card.add(f"{name}: both hands", dlt, ours, at_most=MEAN_MM if judged else None)
    card.add("  below plain DLT, %", "", 100 * (1 - ours / dlt), at_least=LESS_THAN_DLT if judged else None)


if __name__ == "__main__":
    main()
