"""Train the landmark head, ``src/handloom/lifting/landmark_head.safetensors``, on made pictures.

    python scripts/train_landmark_head.py [--pictures 6000] [--seed 7] [--processes 2] [-o FILE]

The pictures are made and read in parts by several processes, then one linear system is solved: a pure
function of seed and number of pictures (to rounding). A tenth of the pictures is held out and told about.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import cv2
import numpy as np
from safetensors.numpy import save

from handloom import __version__
from handloom.evaluation.alignment import procrustes_aligned
from handloom.evaluation.joints import distances, mean
from handloom.lifting.landmark_head import CROP_PX
from handloom.session.files import whole_file
from handloom.training.landmark_head import Examples, fit_head, make_examples, network_head

OUT = Path(__file__).resolve().parents[1] / "src/handloom/lifting/landmark_head.safetensors"
PART = 200
HELD_OUT = 10  # every so many pictures one


def made(seed: int, first: int, end: int) -> Examples:
    """One part, in a process of its own."""
    cv2.setNumThreads(1)
    return make_examples(seed, range(first, end))


def report(examples: Examples, tensors: dict[str, np.ndarray]) -> None:
    """2D and 3D errors on pictures that did not take part, of the network's own head and of the new one."""
    (W, b), (V, v) = network_head()
    sides = {
        "network": (W, b, V, v),
        "head": tuple(tensors[f"{name}.{part}"] for name in ("xy", "world") for part in ("weight", "bias")),
    }
    for name, (W, b, V, v) in sides.items():
        xy, xyz = examples.features @ W.T + b, (examples.features @ V.T + v).reshape(-1, 21, 3)
        off = np.linalg.norm(xy.reshape(-1, 21, 2) - examples.xy, axis=-1).mean(axis=1) * 256 / CROP_PX
        pa = 1e3 * mean(distances(procrustes_aligned(xyz, examples.xyz), examples.xyz))
        print(f"{name:8s} PA-MPJPE {pa:5.2f} mm, 2D {np.median(off):5.2f} px of 256 (median of pictures)")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=6000, help="[%(default)s]")
    parser.add_argument("--seed", type=int, default=7, help="[%(default)s]")
    parser.add_argument("--processes", type=int, default=2, help="[%(default)s]")
    parser.add_argument("-o", "--out", type=Path, default=OUT, help="[%(default)s]")
    options = parser.parse_args()
    begin = time.perf_counter()
    starts = range(0, options.pictures, PART)
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        jobs = [pool.submit(made, options.seed, s, min(s + PART, options.pictures)) for s in starts]
        parts = []
        for job in jobs:
            parts.append(job.result())
            done = sum(len(part.features) for part in parts)
            print(f"{done} pictures, {time.perf_counter() - begin:.0f} s", flush=True)
    examples = Examples.joined(parts)
    held = np.arange(len(examples.features)) % HELD_OUT == 0
    trained, rest = (
        Examples(*(a[rows] for a in (examples.features, examples.xy, examples.xyz, examples.presence)))
        for rows in (~held, held)
    )
    tensors, used = fit_head(trained)
    report(rest, tensors)
    metadata = {
        "network": "landmark head",
        "features": "hand_landmark_full of mediapipe 0.10.21, before its last layers",
        "pictures": f"{options.pictures} made with seed {options.seed}, of which {used} took part",
        "handloom": __version__,
    }
    with whole_file(options.out) as temporary:
        temporary.write_bytes(save(tensors, metadata))
    print(f"{options.out.name} from {used} pictures in {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
