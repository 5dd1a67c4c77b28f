"""Made pictures: whether the hand networks take their hands for hands, and how fast they are made.

The networks (MediaPipe's palm search and landmarks) look at pictures of one recipe. A hand counts as found
where a reading lies on it: centre within a third of its extent, size within a factor of two. Beside it the
same hands before the same cameras in the demo's plain look: one light, one wall, one skin, nothing in front,
no flaws of a camera.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
from bench import CORES, Scorecard, command_line, use_two_cores
from numpy.typing import NDArray

from handloom.datasets import HandLabel, Sample
from handloom.detection import HandDetector
from handloom.detection.detector import Reading
from handloom.hand import load_open_hand
from handloom.rendering import COMPLEXIONS, HandSurface, Lighting, SensorNoise, render, room
from handloom.synthesis.pictures import Recipe, draw_sample

SEED, FIRST = 3, 1000
SMALLEST_PX, MOST_HIDDEN = 80.0, 0.5
FOUND = 0.85
PER_SECOND, PER_SECOND_TWO = 60.0, 25.0
TIMED = 240
SIZES = ((80, 110), (110, 150), (150, 1000))
SHOWN = ((0.5, 0.65), (0.65, 0.85), (0.85, 1.01))


@dataclass(frozen=True)
class Looked:
    """One hand in one picture: whether it was found, and the mean 2D error in pixels."""

    made_found: bool
    made_error: float
    plain_found: bool
    plain_error: float


class PlainLook:
    """The same hands as the demo would show them."""

    def __init__(self, image_size: tuple[int, int]) -> None:
        self._surfaces = {
            side: HandSurface(load_open_hand(side), COMPLEXIONS[1]) for side in ("left", "right")
        }
        self._wall = room(image_size, 3)
        self._noise = SensorNoise(image_size, 2.0, 1)

    def of(self, sample: Sample) -> NDArray[np.uint8]:
        """The picture of a sample's hands; a single camera's world is its own frame."""
        assert sample.camera is not None
        surfaces = []
        for hand in sample.hands:
            assert hand.vertices is not None
            assert hand.parameters is not None
            surfaces.append(self._surfaces[hand.side].at(hand.vertices, hand.parameters.T_camera_wrist))
        light = Lighting(key=(0.4, -0.8, -0.6), up=(0.0, -1.0, 0.0))
        return self._noise.over(render(sample.camera, surfaces, self._wall, light)[0], 0)


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--pictures", type=int, default=400, help="how many are looked at [%(default)s]")
    options = parser.parse_args()
    use_two_cores()
    os.environ["OMP_NUM_THREADS"] = "1"
    met = [realism(options.pictures)]
    card = Scorecard("pictures of 256×256 with all truth per second, two processes", ("made",))
    mixed = Recipe()
    card.add("one hand", speed(replace(mixed, hands={"one": 1})), at_least=PER_SECOND, digits=1)
    two = speed(replace(mixed, hands={"two": 1, "interacting": 1}))
    card.add("two hands", two, at_least=PER_SECOND_TWO, digits=1)
    card.add("the usual mixture", speed(mixed), digits=1)
    met.append(card.show())
    raise SystemExit(0 if all(met) else 1)


def realism(count: int) -> bool:
    recipe = Recipe(pictures_per_person=1)
    detector, plain = HandDetector(), PlainLook(recipe.image_size)
    groups: dict[str, list[Looked]] = defaultdict(list)
    pictures = []
    for index in range(FIRST, FIRST + count):
        (sample,) = draw_sample(recipe, SEED, index)
        assert sample.image is not None
        counted = [(n, hand) for n, hand in enumerate(sample.hands) if _counts(hand)]
        if not counted:
            continue
        made, simple = (read_all(detector, image) for image in (sample.image, plain.of(sample)))
        looked = []
        for n, hand in counted:
            one = Looked(*nearest(made, hand), *nearest(simple, hand))
            looked.append(one)
            for name in _groups(sample, hand, n):
                groups[name].append(one)
        pictures.append((any(x.made_found for x in looked), any(x.plain_found for x in looked)))
    card = Scorecard(
        f"{len(pictures)} pictures with a hand ≥ 80 px and less than half hidden", ("plain", "made")
    )
    share = np.mean(pictures, axis=0)
    card.add("a hand found, share of pictures", float(share[1]), float(share[0]), at_least=FOUND)
    for name in sorted(groups):
        rows = groups[name]
        if len(rows) < 4:
            continue
        card.add(
            f"{name} ({len(rows)})",
            _words([x.plain_found for x in rows], [x.plain_error for x in rows]),
            _words([x.made_found for x in rows], [x.made_error for x in rows]),
        )
    return card.show()


def read_all(detector: HandDetector, image: NDArray[np.uint8]) -> list[Reading]:
    """Every hand the networks see in a picture."""
    readings = [detector.read(image, region) for region in detector.find(image)]
    return [reading for reading in readings if reading.presence >= detector.presence_threshold]


def nearest(readings: list[Reading], hand: HandLabel) -> tuple[bool, float]:
    """Whether a reading lies on a hand, and its mean 2D error."""
    extent, centre = np.ptp(hand.xy, axis=0).max(), hand.xy.mean(axis=0)
    on_it = [
        float(np.linalg.norm(reading.xy - hand.xy, axis=1).mean())
        for reading in readings
        if np.linalg.norm(reading.xy.mean(axis=0) - centre) < extent / 3
        and 0.5 < np.ptp(reading.xy, axis=0).max() / extent < 2.0
    ]
    return bool(on_it), min(on_it, default=float("nan"))


def speed(recipe: Recipe) -> float:
    """Pictures per second of two processes, once both are warm."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(CORES) as pool:
        pool.map(_make, [(recipe, 5_000 + 50 * k, 8) for k in range(4 * CORES)], chunksize=1)
        begin = time.perf_counter()
        pool.map(_make, [(recipe, 100 * k, TIMED // 8) for k in range(8)], chunksize=1)
        return TIMED / (time.perf_counter() - begin)


def _make(work: tuple[Recipe, int, int]) -> None:
    recipe, first, count = work
    for index in range(first, first + count):
        draw_sample(recipe, SEED, index)


def _counts(hand: HandLabel) -> bool:
    assert hand.visible is not None
    return bool(np.ptp(hand.xy, axis=0).max() >= SMALLEST_PX and hand.visible.mean() > 1.0 - MOST_HIDDEN)


def _groups(sample: Sample, hand: HandLabel, n: int) -> list[str]:
    assert hand.visible is not None
    extent, shown = float(np.ptp(hand.xy, axis=0).max()), float(hand.visible.mean())
    size = next(f"size {low}–{high} px" for low, high in SIZES if low <= extent < high)
    seen = next(f"shown {low:.2f}–{min(high, 1):.2f}" for low, high in SHOWN if low <= shown < high)
    c = sample.conditions
    return [
        "all hands", size, seen, f"tone {c['tone']}", f"pose {str(c['pose']).split('/')[n]}",
        f"hands {c['hands']}", f"light {c['light']}", f"background {c['background']}",
        "something before or in the hand" if c["occluder"] != "none" else "nothing before the hand",
    ]  # fmt: skip


def _words(found: list[bool], errors: list[float]) -> str:
    seen = [e for e in errors if np.isfinite(e)]
    return f"{np.mean(found):.2f}, {np.median(seen) if seen else float('nan'):4.1f} px"


if __name__ == "__main__":
    main()
