"""ColorHandPose3D on real pictures: keypoints, masks, speed, for a folder of weights.

python benchmarks/colorhandpose.py [--weights FOLDER] [--data DATA] [--pictures FOLDER] [--only PART ...]

* keypoints: mean distance in pixels of a 256 px crop 1.4 times as wide as the box of the reference's
  keypoints, whichever crop was read. On the TemugeB clip the reference is the two-view result of `track`,
  reprojected into each view; on the photographs, what MediaPipe reads in them.
* masks: how often the box of the mask overlaps the hand's, on the same pictures, and the masks of generated
  pictures. The reference's box is that of its keypoints, grown by what flesh lies beyond them (the median
  over generated hands); with several hands in a photograph the surest counts, and of the mask as many
  components as there are hands, those in which PoseNet is surest.
* search: how many hands of the photographs `handloom image` finds with these networks, and how many things it
  takes for hands that are none.
* speed: mask, crop, maps and joints in space of the clip's pictures, one detector on each of two cores.

Settings (margin of the crop, crops turned upright or not) are chosen on one half of the real pictures and
results reported on the other: photographs of even number in the order of their names and the first half of
the clip; those of odd number and the second half. How parts of pictures are looked at closer was chosen on
the first halves, too. The networks never saw either.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import product, starmap
from pathlib import Path

import cv2
import numpy as np
from bench import BOTH_VIEWS, CORES, Clip, Scorecard, command_line, temugeb, use_two_cores
from numpy.typing import NDArray
from picture import PHOTOGRAPHS

from handloom.datasets.sample import hand_pixels
from handloom.detection import BodyDetector, HandDetector
from handloom.detection.colorhandpose import ColorHandPoseDetector, Weights, find_weights
from handloom.detection.colorhandpose.crop import around
from handloom.detection.colorhandpose.detector import MARGIN
from handloom.evaluation.masks import box_iou, mask_iou
from handloom.pictures.search import HandSearch
from handloom.skeleton import HAND
from handloom.synthesis.pictures import Recipe, draw_sample
from handloom.tracking import TrackOptions, track
from handloom.video import open_video
from handloom.video.images import read_image
from handloom.view.overlay import draw_skeleton

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

BAR_PX, BAR_PX_GPU = 14.0, 10.0
BAR_BOXES, BOX_IOU, BAR_MASKS = 80.0, 0.5, 0.90
BAR_RATE, BAR_LOAD_S = 30.0, 1.0
FRAMES = 100  # of the clip, over both views
FLESH = 0.065  # beyond the keypoints on every side, of the longer side of their box
CROP_PX = 256
MARGINS, UPRIGHT = (1.2, 1.4, 1.6), (False, True)
SEED, MADE = 990_001, 200
MADE_SIZE = (320, 320)
PER_HAND, COLUMNS, TILE = 4, 5, 360
RED, GREEN = (230, 60, 50), (70, 200, 90)
PARTS_OF_IT = ("keypoints", "masks", "search", "speed")
SMALLEST_PX, NEAR = 20.0, 0.6


@dataclass(frozen=True, eq=False)
class Pictured:
    """A real picture and where its hands are, the surest first.

    Attributes:
        source: "clip" or "photographs".
        chosen_on: whether settings may be chosen on it; otherwise results are reported on it.
    """

    source: str
    name: str
    image: Image
    hands: tuple[Array, ...]
    chosen_on: bool


@dataclass(frozen=True)
class Settings:
    """What is chosen on the first half."""

    margin: float
    upright: bool

    def detector(self, weights: Weights, *, mirrored: bool = False) -> ColorHandPoseDetector:
        return ColorHandPoseDetector(weights, margin=self.margin, upright=self.upright, mirrored=mirrored)


def clip_pictures(clip: Clip) -> list[Pictured]:
    """Frames of both views, evenly over the stretch in which both see the hand."""
    with tempfile.TemporaryDirectory() as folder:
        session = track(clip.videos, clip.rig, Path(folder) / "session", TrackOptions(max_hands=1))
        (hand,) = session.tracks
        xy = session.rig.project(session.positions(hand))
    wanted = (
        np.linspace(BOTH_VIEWS.start, BOTH_VIEWS.stop - 1, FRAMES // len(clip.videos)).round().astype(int)
    )
    found = []
    for view, video in enumerate(clip.videos):
        with closing(open_video(video)) as source:
            for t, frame in enumerate(source.frames()):
                if t in wanted and np.isfinite(xy[view, t]).all():
                    half = t < (BOTH_VIEWS.start + BOTH_VIEWS.stop) // 2
                    name = f"view {view} frame {t}"
                    found.append(Pictured("clip", name, frame.image.copy(), (xy[view, t],), half))
    return found


def photographs(data: Path) -> list[Pictured]:
    """Photographs in which MediaPipe finds a hand."""
    files = sorted((data / PHOTOGRAPHS).rglob("*.jpg"))
    if not files:
        raise SystemExit(f"There are no photographs in {data / PHOTOGRAPHS}: name the folder with --data.")
    search, found = HandSearch(HandDetector(), BodyDetector()), []
    for number, file in enumerate(files):
        image = read_image(file)
        hands = tuple(seen.reading.xy for seen in search.find(image, 4, SMALLEST_PX))
        if hands:
            found.append(Pictured("photographs", file.stem[:8], image, hands, number % 2 == 0))
    return found


def crop_px(xy: Array) -> float:
    """Pixels of the crop that errors are stated for, in a pixel of the picture."""
    return CROP_PX / around(xy, MARGIN).size


def crop_errors(detector: ColorHandPoseDetector, pictures: Sequence[Pictured]) -> list[float]:
    """Mean error of each hand in the crop around the reference, pixels of a 256 px crop."""
    errors = []
    for picture in pictures:
        for xy in picture.hands:
            off = detector.read(picture.image, detector.region_of(xy)).xy - xy
            errors.append(float(np.linalg.norm(off, axis=1).mean() * crop_px(xy)))
    return errors


def found_error(detector: ColorHandPoseDetector, picture: Pictured) -> float:
    """Error of the surest hand where the mask finds it, in the same unit; NaN where it does not."""
    xy = picture.hands[0]
    scale = crop_px(xy)
    offs = []
    for region in detector.find(picture.image)[: len(picture.hands)]:
        read = detector.read(picture.image, region).xy
        offs.append(np.linalg.norm(read - xy, axis=1).mean() * scale)
    return float(min(offs, default=np.nan))


def choose(weights: Weights, pictures: Sequence[Pictured]) -> Settings:
    """The settings with the least mean error on the half that is for choosing, both sources alike."""
    best, least = None, np.inf
    for settings in starmap(Settings, product(MARGINS, UPRIGHT)):
        detector = settings.detector(weights)
        sources = [[p for p in pictures if p.source == s] for s in ("clip", "photographs")]
        error = np.mean([np.mean(crop_errors(detector, own)) for own in sources if own])
        print(f"  {settings}: {error:.2f} px")
        if error < least:
            best, least = settings, float(error)
    assert best is not None
    print(f"chosen: {best}\n")
    return best


def keypoints_bar(settings: Settings, weights: Weights, pictures: Sequence[Pictured]) -> bool:
    detector, twice = settings.detector(weights), settings.detector(weights, mirrored=True)
    card = Scorecard("mean 2D error, px of a 256 px crop", ("found by itself", "crop given"))
    for source in ("clip", "photographs"):
        own = [picture for picture in pictures if picture.source == source]
        errors = np.array(crop_errors(detector, own))
        alone = np.array([found_error(detector, picture) for picture in own])
        found = float(np.nanmean(alone)) if np.isfinite(alone).any() else float("nan")
        card.add(f"{source}: {len(errors)} hands", found, float(errors.mean()), at_most=BAR_PX)
        card.add("  median", float(np.nanmedian(alone)), float(np.median(errors)))
        card.add("  read in a mirror, too", "", float(np.mean(crop_errors(twice, own))))
        card.add("  hands within 14 px, %", "", 100 * float((errors <= BAR_PX).mean()), digits=0)
        card.add("  not found, % of pictures", 100 * float(np.isnan(alone).mean()), "", digits=0)
    return card.show()


def box_of(xy: Array) -> Array:
    """(4,) left, top, right, bottom of a hand whose keypoints are known."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    beyond = FLESH * float((high - low).max())
    return np.concatenate([low - beyond, high + beyond])


def mask_boxes(detector: ColorHandPoseDetector, picture: Pictured) -> list[Array]:
    """Boxes of as many components as the picture has hands, the surest first."""
    return [one.hand.box for one in detector.candidates(picture.image)[: len(picture.hands)]]


def box_overlap(detector: ColorHandPoseDetector, picture: Pictured) -> float:
    """IoU of the surest hand's box and the nearest of the mask's."""
    true = _clipped(box_of(picture.hands[0]), picture.image)
    return max((box_iou(box, true) for box in mask_boxes(detector, picture)), default=0.0)


def masks_bar(detector: ColorHandPoseDetector, pictures: Sequence[Pictured]) -> bool:
    card = Scorecard("masks", ("all pictures", "second halves"))
    for source in ("clip", "photographs"):
        own = [picture for picture in pictures if picture.source == source]
        ious = np.array([box_overlap(detector, picture) for picture in own])
        second = ious[[not picture.chosen_on for picture in own]]
        met = [100 * float((part >= BOX_IOU).mean()) for part in (ious, second)]
        card.add(f"{source}: {len(own)} pictures, box with IoU ≥ 0.5, %", *met, at_least=BAR_BOXES, digits=0)
        card.add("  mean IoU of the boxes", float(ious.mean()), float(second.mean()))
    made = []
    index = 0
    while len(made) < MADE:
        for sample in draw_sample(Recipe(image_size=MADE_SIZE), SEED, index):
            assert sample.image is not None
            assert sample.parts is not None
            true = hand_pixels(sample.parts)
            if true.any():
                made.append(float(mask_iou(detector.mask(sample.image), true)))
        index += 1
    card.add(
        f"{len(made)} generated pictures: mean IoU of the masks", "", float(np.mean(made)), at_least=BAR_MASKS
    )
    return card.show()


def search_bar(weights: Weights, pictures: Sequence[Pictured]) -> bool:
    """No bar: what users of single pictures are told. A hand is found where one's middle is near its own."""
    search = HandSearch(ColorHandPoseDetector(weights), BodyDetector())
    counts = {False: np.zeros(3, int), True: np.zeros(3, int)}
    for picture in pictures:
        if picture.source == "photographs":
            middles = [seen.reading.xy.mean(axis=0) for seen in search.find(picture.image, 4, SMALLEST_PX)]
            away = np.array([[np.linalg.norm(m - xy.mean(axis=0)) for m in middles] for xy in picture.hands])
            near = away < NEAR * np.array([np.ptp(xy, axis=0).max() for xy in picture.hands])[:, None]
            found, false = near.any(axis=1).sum(), (~near.any(axis=0)).sum()
            counts[picture.chosen_on] += [len(near), found, false]
    card = Scorecard("photographs searched as by `handloom image`", ("all pictures", "second half"))
    for row, name in enumerate(("hands that MediaPipe sees", "  found", "things taken for hands")):
        card.add(name, *(float(n) for n in (sum(counts.values())[row], counts[False][row])), digits=0)
    return card.show()


def _clipped(box: Array, image: Image) -> Array:
    height, width = image.shape[:2]
    return np.concatenate([np.maximum(box[:2], -0.5), np.minimum(box[2:], [width - 0.5, height - 0.5])])


def speed_bar(settings: Settings, weights: Weights, pictures: Sequence[Pictured]) -> bool:
    begin = time.perf_counter()
    first = settings.detector(weights)
    load = time.perf_counter() - begin
    detectors = [first, *(settings.detector(weights) for _ in range(CORES - 1))]
    images = [p.image for p in pictures if p.source == "clip"]

    def see(detector: ColorHandPoseDetector) -> int:
        for image, picture in zip(images, pictures, strict=False):
            regions = detector.find(image)[:1] or [detector.region_of(picture.hands[0])]
            detector.read(image, regions[0])
        return len(images)

    see(first)
    cv2.setNumThreads(1)
    begin = time.perf_counter()
    with ThreadPoolExecutor(CORES) as pool:
        count = sum(pool.map(see, detectors))
    rate = count / (time.perf_counter() - begin)
    card = Scorecard(f"speed, {images[0].shape[1]} × {images[0].shape[0]} pictures, float32", ("ours",))
    card.add("load and try the networks, s", load, at_most=BAR_LOAD_S)
    card.add("pictures per second, two cores", rate, at_least=BAR_RATE, digits=1)
    return card.show()


def write_sheets(detector: ColorHandPoseDetector, pictures: Sequence[Pictured], folder: Path) -> None:
    """A sheet for each source: mask outlined in green, its box, and what is read where the mask finds it;
    the reference in thin red."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in ("clip", "photographs"):
        own = [picture for picture in pictures if picture.source == source]
        step = max(1, len(own) // (COLUMNS * PER_HAND))
        tiles = [_tile(detector, picture) for picture in own[::step][: COLUMNS * PER_HAND]]
        while len(tiles) % COLUMNS:
            tiles.append(np.zeros((TILE, TILE, 3), np.uint8))
        rows = [np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)]
        path = folder / f"{source}.jpg"
        cv2.imwrite(str(path), np.ascontiguousarray(np.vstack(rows)[..., ::-1]))
        print(f"to look at: {path}")


def _tile(detector: ColorHandPoseDetector, picture: Pictured) -> Image:
    image = np.ascontiguousarray(picture.image)
    regions = detector.find(image)[: len(picture.hands)]
    outlines, _ = cv2.findContours(
        detector.mask(image).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    readings = []
    for region in regions:
        first = detector.read(image, region)
        readings.append(detector.read(image, detector.region_of(first.xy)))
    drawn = image.copy()
    width = max(1, round(max(image.shape) / TILE))
    cv2.drawContours(drawn, outlines, -1, GREEN, width)
    for xy in picture.hands:
        draw_skeleton(drawn, HAND, xy, thickness=width, colour=RED)
    for reading in readings:
        draw_skeleton(drawn, HAND, reading.xy, thickness=2 * width)
    scale = TILE / max(image.shape[:2])
    small = cv2.resize(drawn, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile = np.zeros((TILE, TILE, 3), np.uint8)
    tile[: small.shape[0], : small.shape[1]] = small[:TILE, :TILE]
    cv2.putText(tile, picture.name, (6, TILE - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1)
    return tile


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--weights", type=Path, help="folder of exported networks [those handloom carries]")
    parser.add_argument("--pictures", type=Path, help="write sheets to look at here")
    parser.add_argument("--only", choices=PARTS_OF_IT, nargs="+", default=PARTS_OF_IT)
    parser.add_argument("--margin", type=float, help="of the crop; with it nothing is chosen")
    parser.add_argument("--upright", action="store_true", help="with --margin: turn crops upright")
    options = parser.parse_args()
    use_two_cores()
    weights = find_weights(options.weights)
    pictures = [*clip_pictures(temugeb(options.data)), *photographs(options.data)]
    if options.margin is None:
        settings = choose(weights, [picture for picture in pictures if picture.chosen_on])
    else:
        settings = Settings(options.margin, options.upright)
    reported = [picture for picture in pictures if not picture.chosen_on]
    detector = settings.detector(weights)
    met = []
    if "keypoints" in options.only:
        met.append(keypoints_bar(settings, weights, reported))
    if "masks" in options.only:
        met.append(masks_bar(detector, pictures))
    if "search" in options.only:
        met.append(search_bar(weights, pictures))
    if "speed" in options.only:
        met.append(speed_bar(settings, weights, pictures))
    if options.pictures is not None:
        write_sheets(detector, reported, options.pictures)
    raise SystemExit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
