"""Bar 3: whole processes on the TemugeB clip, ``handloom track`` against the seed's script, in turns.

python benchmarks/speed.py [--data DATA] [--runs 3]

From the start of the interpreter to the tables on the disk, nothing for the viewer. Means something only on a
machine that does nothing else; the load is printed.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench import CORES, Clip, Scorecard, command_line, run_child, temugeb, track_command, use_two_cores
from numpy.typing import NDArray
from seed.result import run_seed

from handloom.cameras import read_rig
from handloom.detection import DetectorPool, HandDetector
from handloom.detection.runtime import Runtime
from handloom.reconstruction import (
    CausalReconstructor,
    ObservationTable,
    ReconstructionOptions,
    Reconstructor,
    Tracker,
)
from handloom.session import Session
from handloom.skeleton import HAND
from handloom.tracking import open_recording
from handloom.video import synchronised

BARS: dict[Runtime, float] = {"litert": 2.2, "openvino": 3.3}
BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")


@dataclass(frozen=True)
class Run:
    """Seconds of one run of ours: the whole process and its two stages."""

    whole: float
    detection: float
    reconstruction: float


def run_ours(clip: Clip, out: Path, runtime: Runtime) -> Run:
    """Track the clip in a process of its own."""
    wall_s = run_child([*track_command(clip, out), "--overwrite", "--runtime", runtime]).wall_s
    timings = Session.open(out).run["timings_s"]
    return Run(wall_s, timings["detection"], timings["reconstruction"])


def causal_latency_ms(clip: Clip, runtime: Runtime) -> NDArray[np.float64]:
    """Milliseconds from the pictures of a frame to its 3D keypoints, for every frame of the clip."""
    spent = []
    with (
        closing(open_recording(clip.videos, read_rig(clip.rig))) as recording,
        closing(DetectorPool(lambda: HandDetector(runtime))) as pool,
        closing(synchronised(recording.sources)) as clock,
    ):
        views = len(recording.rig)
        tracker = Tracker(pool, recording.rig, views, limit=1)
        how = ReconstructionOptions(smooth=False)
        causal = CausalReconstructor(Reconstructor(recording.rig, HAND, clock.fps, how))
        for _, frames in clock:
            images = [None if frame is None else frame.image for frame in frames]
            begin = time.perf_counter()
            seen = tracker.step(images)
            table = ObservationTable.of([(0, seen)], HAND)
            hand = [target.id for target in tracker.targets]
            causal.update(table.sightings(hand, 0, 1, views, HandDetector.noise))
            spent.append(1e3 * (time.perf_counter() - begin))
    return np.array(spent)


def has_bfloat16() -> bool:
    """Whether the processor says that it computes in bfloat16."""
    described = Path("/proc/cpuinfo")
    words = described.read_text().split() if described.exists() else []
    return any(name in words for name in BFLOAT16)


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs of each side; their median counts")
    options = parser.parse_args()

    use_two_cores()
    clip = temugeb(options.data)
    runtimes: list[Runtime] = ["litert"]
    if importlib.util.find_spec("openvino"):
        runtimes.append("openvino")
    seed: list[float] = []
    ours: dict[Runtime, list[Run]] = {runtime: [] for runtime in runtimes}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for runtime in runtimes:
            run_ours(clip, scratch / runtime, runtime)  # compiled kernels and files are cached from here on
        for _ in range(options.runs):
            seed.append(run_seed("handpose3d.py", list(clip.videos), clip.rig, scratch / "seed").wall_s)
            for runtime in runtimes:
                ours[runtime].append(run_ours(clip, scratch / runtime, runtime))

    load = os.getloadavg()[0]
    print(f"{CORES} cores, load {load:.1f} (these runs alone make about {CORES}); median of {options.runs}")
    met = True
    for runtime in runtimes:
        runs = ours[runtime]
        whole = statistics.median(run.whole for run in runs)
        card = Scorecard(f"whole process, {runtime}", ("seed", "ours"))
        card.add("seconds", statistics.median(seed), whole)
        card.add("  fastest, slowest", spread(seed), spread([run.whole for run in runs]))
        judged = runtime == "litert" or has_bfloat16()
        ratio = statistics.median(seed) / whole
        card.add("times as fast", "", ratio, at_least=BARS[runtime] if judged else None)
        if not judged:
            card.add("  no bar: this processor has no bf16", "", "")
        card.add("  detection, s", "", statistics.median(run.detection for run in runs))
        card.add("  reconstruction and writing, s", "", statistics.median(run.reconstruction for run in runs))
        rest = statistics.median(run.whole - run.detection - run.reconstruction for run in runs)
        card.add("  start, imports, end, s", "", rest)
        latency = causal_latency_ms(clip, runtime)
        card.add("causal, ms a frame, median", "", float(np.median(latency)), digits=1)
        card.add("  99 %", "", float(np.percentile(latency, 99)), digits=1)
        met &= card.show()
    raise SystemExit(0 if met else 1)


def spread(walls: list[float]) -> str:
    """Fastest and slowest run."""
    return f"{min(walls):.2f}, {max(walls):.2f}"


if __name__ == "__main__":
    main()
