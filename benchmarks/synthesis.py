"""Bar 2 of made data: ``handloom synth`` killed and resumed, run twice, and its pictures a second.

python benchmarks/synthesis.py [--count 10000] [--kills 5] [--speed-count 1500] [--workers 2] [--seed 0]

Every run is the whole command: pictures of 256 x 256 with all truth, written as tar shards. The other side of
the speed is the same command with one worker, starting included in both. The processor's time, which suffers
less from what else runs, stands beside.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from bench import CORES, Scorecard, use_two_cores

from handloom.synthesis.generation.record import read_record

PER_SECOND = {"one": 60.0, "two": 25.0, "interacting": 25.0}

LONGEST_S = 1.0
"""Kills come so much later than the part they wait for, at most."""


def command(out: Path, count: int, *words: str) -> list[str]:
    """The command line that makes a set, or goes on with it."""
    call = [sys.executable, "-c", "from handloom.cli.main import main; main()", "synth", "-o", str(out)]
    return [*call, "--count", str(count), *words]


def contents(folder: Path) -> dict[str, str]:
    """Every file of a set and its hash."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def run(words: list[str]) -> tuple[float, float]:
    """Run a command to its end; the seconds it took, and those of the processor, its workers' included."""
    begin, used = time.perf_counter(), _processor_s()
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{' '.join(words)} ended with status {ended.returncode}:\n{ended.stderr}")
    return time.perf_counter() - begin, _processor_s() - used


def _processor_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def killed(words: list[str], out: Path, parts: int, after_s: float) -> bool:
    """Start a command and SIGKILL it alone, not its workers, some time after so many parts are there.

    Returns:
        Whether it was still running then.
    """
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        while child.poll() is None and _parts(out) < parts:
            time.sleep(0.01)
        time.sleep(after_s)
        running = child.poll() is None
        child.kill()
        return running


def _parts(folder: Path) -> int:
    return len(list(folder.glob("part-*.tar")))


def survival(scratch: Path, count: int, kills: int, workers: int, seed: int) -> Scorecard:
    """One set killed again and again while it is made, against one made in peace and one by one worker."""
    with_workers = ("--workers", str(workers))
    wall_s, _ = run(command(scratch / "in peace", count, *with_workers))
    expected = contents(scratch / "in peace")
    size = sum(path.stat().st_size for path in (scratch / "in peace").iterdir())
    parts = _parts(scratch / "in peace")

    out = scratch / "killed"
    rng = np.random.default_rng(seed)
    there, running = [], 0
    for number in range(kills):
        wanted = 1 + number * (parts - 1) // kills
        after_s = rng.uniform(0.0, LONGEST_S)
        running += killed(command(out, count, *with_workers, "--resume"), out, wanted, after_s)
        there.append(str(_parts(out)))
    run(command(out, count, *with_workers, "--resume"))
    record = read_record(out)
    whole = record is not None and record.finished and contents(out) == expected
    shutil.rmtree(out)
    run(command(scratch / "again", count, "--workers", "1"))
    again = contents(scratch / "again") == expected

    files = len(expected)
    card = Scorecard(f"{count} pictures of mixed hands, {parts} parts, {size / 1e9:.2f} GB", ("",))
    card.add("made in peace, pictures a second", count / wall_s, digits=1)
    card.add(f"parts that were there when killed, {running} times", ", ".join(there))
    card.add("files equal after kills and --resume", files * whole, at_least=files, digits=0)
    card.add("files equal in a second run, one worker", files * again, at_least=files, digits=0)
    return card


def speed(scratch: Path, count: int, workers: int) -> Scorecard:
    """Pictures a second of each kind, of the whole command; of one worker beside."""
    card = Scorecard(f"pictures a second, {count} of 256 x 256", ("one worker", f"{workers} workers"))
    for kind, bar in PER_SECOND.items():
        rates, costs = [], []
        for number in (1, workers):
            out = scratch / f"{kind}-{number}"
            wanted = max(count * number // workers, 1)
            wall_s, processor_s = run(command(out, wanted, "--hands", kind, "--workers", str(number)))
            rates.append(wanted / wall_s)
            costs.append(1000.0 * processor_s / wanted)
            shutil.rmtree(out)
        card.add(f"hands: {kind}", *rates, at_least=bar, digits=1)
        card.add("  processor time of a picture, ms", *costs, digits=1)
    return card


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10_000, help="pictures of the set that is killed")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--speed-count", type=int, default=1500, help="pictures of each kind that are timed")
    parser.add_argument("--workers", type=int, default=CORES)
    parser.add_argument("--seed", type=int, default=0, help="decides the moments")
    parser.add_argument("--scratch", type=Path, help="folder for the sets, which are removed [temporary]")
    options = parser.parse_args()

    use_two_cores()
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        scratch = Path(folder)
        # Kernels are compiled once per machine, not per set.
        run(command(scratch / "warm", 20, "--workers", "1"))
        met = speed(scratch, options.speed_count, options.workers).show()
        card = survival(scratch, options.count, options.kills, options.workers, options.seed)
        met &= card.show()
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
