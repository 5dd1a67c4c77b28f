"""Bars 6 and 7 of the hand: one picture alone.

python benchmarks/picture.py [--data DATA] [--pictures FOLDER] [--count 500] [--only PART]

* clip: every view of the TemugeB clip alone against the two-view reconstruction of ``track``, beside the
  world landmarks of MediaPipe (the same network's own joints in space). The clip's unit is not metric: its
  wrist to middle knuckle is taken as 80 mm on both sides. The wrong side is fitted too, to see what it costs.
* rendered: pictures of rendered hands with known lens and hand size that the keypoint network detects. The
  network's landmarks lie where the model's keypoints are defined, which was measured on other rendered hands;
  MediaPipe's world landmarks share that convention.
* photographs: a hand in every one, or a stated reason; --pictures writes overlays to look at.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from bench import BOTH_VIEWS, Clip, Scorecard, command_line, temugeb
from made_pictures import MadePicture, made_pictures
from numpy.typing import NDArray

from handloom.detection import DetectorPool, HandDetector, Reading
from handloom.evaluation.alignment import procrustes_aligned, root_aligned
from handloom.evaluation.joints import distances, mean
from handloom.fitting.hand_size import HandSize, hand_length
from handloom.fitting.picture import fit_picture
from handloom.fitting.sides import fit_sides
from handloom.hand import load_open_hand
from handloom.pictures import ImageOptions, image
from handloom.pictures.evidence import evidence_of
from handloom.reconstruction import Tracker
from handloom.skeleton import HAND
from handloom.tracking import TrackOptions, track
from handloom.video import open_video

Array = NDArray[np.float64]

BELOW_MEDIAPIPE = 15.0  # per cent
PLACE = 4.0  # per cent of the distance
KNUCKLE_M = 0.080
SEED = 5
EVERY = 3  # frames of the clip
PRESENT = 0.5
WRIST, MIDDLE = HAND.indices(["wrist", "middle_mcp"])
PHOTOGRAPHS = "mediapipe/mediapipe/model_maker/python/vision/gesture_recognizer/testdata/raw_data"


def pa_mm(points: Array, truth: Array) -> float:
    """Mean distance after the best similarity without reflection, millimetres."""
    return 1e3 * mean(distances(procrustes_aligned(points, truth), truth))


def root_mm(points: Array, truth: Array) -> float:
    """Mean distance with the wrists on each other, millimetres."""
    return 1e3 * mean(distances(root_aligned(points, truth, WRIST), truth))


def readings(video: Path, pool: DetectorPool) -> list[Reading | None]:
    """One view followed alone."""
    tracker = Tracker(pool, None, 1, limit=1)
    with closing(open_video(video)) as source:
        frames = (tracker.step([frame.image]) for frame in source.frames())
        return [seen[0].reading if seen else None for seen in frames]


def clip_bar(clip: Clip) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        session = track(clip.videos, clip.rig, Path(folder) / "session", TrackOptions(max_hands=1))
        (hand,) = session.tracks
        reference = session.positions(hand)
        rig = session.rig
    model, other = load_open_hand(hand.side), load_open_hand("left" if hand.side == "right" else "right")
    knuckle = np.nanmedian(np.linalg.norm(reference[:, MIDDLE] - reference[:, WRIST], axis=1))
    reference = reference * KNUCKLE_M / knuckle
    card = Scorecard("TemugeB clip, one view alone, PA-MPJPE in mm", ("MediaPipe world", "ours"))
    with closing(DetectorPool(lambda: HandDetector(features=True))) as pool:
        for view, video in enumerate(clip.videos):
            theirs, ours, wrong, named = [], [], [], []
            for t, reading in enumerate(readings(video, pool)):
                inside = BOTH_VIEWS.start <= t < BOTH_VIEWS.stop and t % EVERY == 0
                if not inside or reading is None or not np.isfinite(reference[t]).all():
                    continue
                assert reading.world is not None
                evidence = evidence_of(reading, rig[view])
                theirs.append(pa_mm(reading.world, reference[t]))
                ours.append(pa_mm(fit_picture(model, rig[view], evidence).keypoints, reference[t]))
                wrong.append(pa_mm(fit_picture(other, rig[view], evidence).keypoints, reference[t]))
                models = {m.side: m for m in (model, other)}
                named.append(fit_sides(models, rig[view], evidence, reading.right).side == hand.side)
            card.add(f"view {view}: {len(ours)} frames", float(np.mean(theirs)), float(np.mean(ours)))
            below = 100 * (1 - np.mean(ours) / np.mean(theirs))
            card.add("  below MediaPipe, %", "", float(below), at_least=BELOW_MEDIAPIPE)
            card.add("  fitted as the wrong side", "", float(np.mean(wrong)))
            card.add("  side told right, % of frames", "", 100 * float(np.mean(named)))
    return card.show()


def detected(count: int) -> Iterator[tuple[MadePicture, Reading]]:
    """So many made pictures in which the network sees the hand."""
    detector, found = HandDetector(features=True), 0
    for picture in made_pictures(SEED):
        for region in detector.find(picture.image)[:1]:
            first = detector.read(picture.image, region)
            reading = detector.read(picture.image, detector.region_of(first.xy))
            if reading.presence >= PRESENT:
                found += 1
                yield picture, reading
        if found >= count:
            return


def rendered_bar(count: int) -> bool:
    models = {side: load_open_hand(side) for side in ("left", "right")}
    rows, sides = [], []
    for picture, reading in detected(count):
        assert reading.world is not None
        evidence = evidence_of(reading, picture.camera)
        truth, distance = picture.keypoints, float(np.linalg.norm(picture.keypoints[WRIST]))
        size = HandSize(hand_length(picture.model, picture.shape))
        fit = fit_picture(picture.model, picture.camera, evidence, size)
        free = fit_picture(picture.model, picture.camera, evidence)
        place = [np.linalg.norm(f.keypoints[WRIST] - truth[WRIST]) / distance for f in (fit, free)]
        spread = [(f.distance_m - distance) / f.distance_sigma_m for f in (fit, free)]
        rows.append(
            [100 * place[0], 100 * place[1], *spread, root_mm(reading.world, truth),
             root_mm(fit.keypoints, truth), pa_mm(reading.world, truth), pa_mm(fit.keypoints, truth)]
        )  # fmt: skip
        verdict = fit_sides(models, picture.camera, evidence, reading.right, size)
        network = "right" if reading.right > 0.5 else "left"
        sides.append((network == picture.model.side, verdict.side == picture.model.side))
    table = np.array(rows)
    card = Scorecard(f"{len(table)} rendered pictures, lens known", ("MediaPipe world", "ours"))
    card.add("wrist, median % of its distance, size known", "", float(np.median(table[:, 0])), at_most=PLACE)
    card.add("  the same, size not known", "", float(np.median(table[:, 1])))
    within = 100 * (np.abs(table[:, 2:4]) < 2.0).mean(axis=0)
    card.add("distance within 2 σ, %, size known", "", float(within[0]))
    card.add("  the same, size not known", "", float(within[1]))
    root = table[:, 4:6].mean(axis=0)
    card.add("root-aligned, mm", float(root[0]), float(root[1]))
    below = 100 * (1 - root[1] / root[0])
    card.add("  below MediaPipe, %", "", float(below), at_least=BELOW_MEDIAPIPE)
    card.add("PA-MPJPE, mm", float(table[:, 6].mean()), float(table[:, 7].mean()))
    right = 100 * np.mean(sides, axis=0)
    card.add("side told right, %: network, with the fit", float(right[0]), float(right[1]))
    return card.show()


def photographs_bar(data: Path, pictures: Path | None) -> bool:
    files = sorted((data / PHOTOGRAPHS).rglob("*.jpg"))
    if not files:
        raise SystemExit(f"There are no photographs in {data / PHOTOGRAPHS}: name the folder with --data.")
    detector = HandDetector()
    results = image(files, ImageOptions())
    plain = sum(
        any(detector.read(r.picture(), s).presence >= PRESENT for s in detector.find(r.picture()))
        for r in results
    )
    found = sum(bool(result.hands) for result in results)
    unexplained = sum(not result.hands and not result.reason for result in results)
    card = Scorecard("photographs", ("palm search alone", "ours"))
    card.add(f"with a hand, of {len(files)}", str(plain), str(found))
    card.add("neither a hand nor a stated reason", "", float(unexplained), at_most=0.0, digits=0)
    card.add("hands", "", str(sum(len(result.hands) for result in results)))
    met = card.show()
    for result in results:
        if not result.hands:
            print(f"{result.path.name}: {result.reason}")
    if pictures is not None:
        from handloom.view.picture_report import write_overlays, write_picture_report

        pictures.mkdir(parents=True, exist_ok=True)
        write_overlays(results, pictures)
        print(f"to look at: {write_picture_report(results, pictures / 'report.html')}")
    return met


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--pictures", type=Path, help="write overlays and report of the photographs here")
    parser.add_argument("--count", type=int, default=500, help="rendered pictures [%(default)s]")
    parser.add_argument("--only", choices=("clip", "rendered", "photographs"), help="one of the parts")
    options = parser.parse_args()
    parts = {
        "clip": lambda: clip_bar(temugeb(options.data)),
        "rendered": lambda: rendered_bar(options.count),
        "photographs": lambda: photographs_bar(options.data, options.pictures),
    }
    met = [part() for name, part in parts.items() if options.only in (None, name)]
    raise SystemExit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
