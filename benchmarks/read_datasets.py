"""Reading a data set with its pictures, FreiHAND's layout, against the loop that its loaders write.

python benchmarks/read_datasets.py [--samples 10000] [--rounds 2] [--folder FOLDER]

Samples are written once: generated pictures of 224 × 224 that take about as many bytes as FreiHAND's, joints,
masks, MANO's 61 numbers and meshes of 778 vertices. The obvious loop parses the JSON files whole, then for
each sample decodes the picture, makes arrays of its lists and projects the joints: in one process, and in two
that send their samples back, as loaders of training frameworks do. All read from the file system's cache;
opening is part of the rate.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
from bench import CORES, Scorecard, use_two_cores
from PIL import Image

from handloom.cameras import Camera
from handloom.datasets import HandLabel, ManoParameters, Sample, get_writer, iterate, open_dataset

SIZE, VERTICES, PART = 224, 778, 500
BAR_PER_S = 400.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=10_000, help="[%(default)s]")
    parser.add_argument("--rounds", type=int, default=2, help="of all sides in turn [%(default)s]")
    parser.add_argument("--folder", type=Path, help="keep the samples here, and use those that are there")
    options = parser.parse_args()
    use_two_cores()
    if options.folder is not None:
        compare(write(options.folder, options.samples), options.rounds)
    else:
        with tempfile.TemporaryDirectory() as name:
            compare(write(Path(name) / "freihand", options.samples), options.rounds)


def write(folder: Path, count: int) -> Path:
    writer = get_writer("freihand", folder)
    parts = [(part, start) for part, start in enumerate(range(0, count, PART))]
    begin = time.perf_counter()
    for part, start in parts:
        if not writer.done(part):
            writer.write_part(part, start, samples(start, min(PART, count - start)))
    writer.finish(len(parts))
    sizes = [path.stat().st_size for path in (folder / "training/rgb").iterdir()]
    print(
        f"{len(sizes)} samples of {np.mean(sizes) / 1e3:.1f} kB in {folder},"
        f" written in {time.perf_counter() - begin:.0f} s\n"
    )
    return folder


def samples(start: int, count: int) -> Iterator[Sample]:
    """Samples whose labels are of a hand's size, and whose pictures have texture and noise."""
    K = np.array([[480.0, 0.0, 112.0], [0.0, 479.0, 111.0], [0.0, 0.0, 1.0]])
    camera = Camera("camera", (SIZE, SIZE), K, np.zeros(4), np.eye(4))
    for number in range(start, start + count):
        rng = np.random.default_rng(number)
        coarse = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
        texture = cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC).astype(np.int16)
        noise = rng.integers(-6, 7, texture.shape, dtype=np.int16)
        xyz = rng.normal([0.0, 0.0, 0.7], 0.03, (21, 3))
        parts = np.zeros((SIZE, SIZE), np.uint8)
        cv2.circle(parts, (112, 112), 60, 18, -1)
        mano = ManoParameters(rng.normal(size=48), rng.normal(size=10), np.full(3, np.nan), False)
        vertices = rng.normal([0.0, 0.0, 0.7], 0.03, (VERTICES, 3))
        hand = HandLabel("right", camera.project(xyz), xyz, vertices=vertices, mano=mano)
        image = np.clip(texture + noise, 0, 255).astype(np.uint8)
        yield Sample(f"made/{number}", image, camera, (hand,), parts=parts)


def with_cv2(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def with_pil(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


class Obvious:
    """Lists in memory, one sample after another."""

    def __init__(self, folder: Path, picture: Callable[[Path], np.ndarray], meshes: bool) -> None:
        names = ("K", "xyz", "mano", "scale", *(("verts",) if meshes else ()))
        self.lists = [json.loads((folder / f"training_{name}.json").read_text()) for name in names]
        self.folder, self.picture = folder, picture

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        image = self.picture(self.folder / "training/rgb" / f"{number:08d}.jpg")
        mask = cv2.imread(str(self.folder / "training/mask" / f"{number:08d}.jpg"), cv2.IMREAD_GRAYSCALE)
        K, xyz, *rest = (np.array(rows[number]) for rows in self.lists)
        uv = (K @ xyz.T).T
        return image, mask, xyz, uv[:, :2] / uv[:, 2:], *rest


_shared: Obvious | None = None


def _one(number: int) -> tuple[Any, ...]:
    assert _shared is not None
    return _shared[number]


def obvious(
    folder: Path, picture: Callable[[Path], np.ndarray], meshes: bool, processes: int = 1
) -> Iterator[tuple[Any, ...]]:
    global _shared
    _shared = Obvious(folder, picture, meshes)
    numbers = range(len(_shared.lists[0]))
    try:
        if processes == 1:
            yield from map(_one, numbers)
        else:
            # A fork shares the lists; sending them would be slower still.
            with multiprocessing.get_context("fork").Pool(processes) as pool:
                yield from pool.imap(_one, numbers, chunksize=16)
    finally:
        _shared = None


def ours(folder: Path, meshes: bool, workers: int = CORES) -> Iterator[Sample]:
    return iterate(open_dataset(folder, vertices=meshes), workers=workers)


def cost(items: Iterable[Any]) -> tuple[float, float]:
    """Samples per second, and processor time in ms a sample without other processes'; opening included."""
    begin, used = time.perf_counter(), time.process_time()
    count = sum(1 for _ in items)
    return count / (time.perf_counter() - begin), 1e3 * (time.process_time() - used) / count


def compare(folder: Path, rounds: int) -> None:
    pairs = zip(ours(folder, False), obvious(folder, with_cv2, False), range(100), strict=False)
    gaps = [
        (np.abs(sample.hands[0].xy - theirs[3]).max(), np.abs(sample.image - theirs[0].astype(int)).max())
        for sample, theirs, _ in pairs
    ]
    px, grey = np.max(gaps, axis=0)
    print(f"largest difference to the obvious loop: {px:.1e} px, {grey:.0f} grey levels\n")
    card = Scorecard("samples per second, best round", tuple(SIDES))
    used = Scorecard("processor time a sample, ms, best round", tuple(SIDES))
    for what, meshes in (("pictures, masks, labels", False), ("and meshes", True)):
        found: dict[str, list[tuple[float, float]]] = {side: [] for side in SIDES}
        for _ in range(rounds):
            for side, read in SIDES.items():
                found[side].append(cost(read(folder, meshes)))
        rates = [max(per_s for per_s, _ in found[side]) for side in SIDES]
        card.add(what, *rates, at_least=BAR_PER_S, digits=0)
        ms = [f"{min(ms for _, ms in found[side]):.2f}" for side in SIDES]
        used.add(what, *("" if "processes" in side else value for side, value in zip(SIDES, ms, strict=True)))
    dataset = open_dataset(folder, vertices=False)
    labels = max(cost(dataset.labels(n) for n in range(len(dataset)))[0] for _ in range(rounds))
    card.add("labels only", "", "", "", "", labels, digits=0)
    used.show()
    card.finish()


SIDES: dict[str, Callable[[Path, bool], Iterable[Any]]] = {
    "json + PIL": lambda folder, meshes: obvious(folder, with_pil, meshes),
    "json + cv2": lambda folder, meshes: obvious(folder, with_cv2, meshes),
    "json + cv2, 2 processes": lambda folder, meshes: obvious(folder, with_cv2, meshes, CORES),
    "ours, 1 thread": lambda folder, meshes: ours(folder, meshes, workers=1),
    "ours": ours,
}


if __name__ == "__main__":
    main()
