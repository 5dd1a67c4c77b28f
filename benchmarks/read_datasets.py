"""Reading a data set with its pictures, FreiHAND's layout, against the loop that its loaders write.

python benchmarks/read_datasets.py [--samples 10000] [--folder FOLDER]

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
    parser.add_argument("--folder", type=Path, help="keep the samples here, and use those that are there")
    options = parser.parse_args()
    use_two_cores()
    if options.folder is not None:
        compare(write(options.folder, options.samples))
    else:
        with tempfile.TemporaryDirectory() as name:
            compare(write(Path(name) / "freihand", options.samples))


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
    if processes == 1:
        yield from map(_one, numbers)
    else:
        # A fork shares the lists; sending them would be slower still.
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            yield from pool.imap(_one, numbers, chunksize=16)


def ours(folder: Path, meshes: bool, workers: int = CORES) -> Iterator[Sample]:
    return iterate(open_dataset(folder, vertices=meshes), workers=workers)


def rate(items: Iterable[Any]) -> float:
    """Samples per second, what it takes to open them included."""
    begin = time.perf_counter()
    count = sum(1 for _ in items)
    return count / (time.perf_counter() - begin)


def compare(folder: Path) -> None:
    pairs = zip(ours(folder, False), obvious(folder, with_cv2, False), range(100), strict=False)
    gaps = [
        (np.abs(a.hands[0].xy - b[3]).max(), np.abs(a.image - b[0].astype(int)).max()) for a, b, _ in pairs
    ]
    print(
        "largest difference to the obvious loop: {:.1e} px, {:.0f} grey levels\n".format(
            *np.max(gaps, axis=0)
        )
    )
    sides = ("json + PIL", "json + cv2", "json + cv2, 2 processes", "ours, 1 thread", "ours")
    card = Scorecard("samples per second", sides)
    for what, meshes in (("pictures, masks, labels", False), ("and meshes", True)):
        card.add(
            what,
            rate(obvious(folder, with_pil, meshes)),
            rate(obvious(folder, with_cv2, meshes)),
            rate(obvious(folder, with_cv2, meshes, CORES)),
            rate(ours(folder, meshes, workers=1)),
            rate(ours(folder, meshes)),
            at_least=BAR_PER_S,
            digits=0,
        )
    dataset = open_dataset(folder, vertices=False)
    labels = rate(dataset.labels(n) for n in range(len(dataset)))
    card.add("labels only", "", "", "", "", labels, digits=0)
    card.finish()


if __name__ == "__main__":
    main()
