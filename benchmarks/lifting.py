"""Hands in space from one view: the lifting network, the landmark head, and the fit of both.

python benchmarks/lifting.py [--data DATA] [--second WEIGHTS]

The TemugeB clip, each view alone, against the two-view result of ``track`` and ``fit``. PA-MPJPE in mm; the
clip's unit is not metric: its wrist to middle knuckle is taken as 80 mm. All sides read the same frames in
the same regions, found by following each view alone.

* MediaPipe world: the landmark network's own joints in space.
* mean pose: the mean of the hands the lifter is trained on.
* lifter: the network shipped (seed 0), and one of another seed (--second; trained here if it is not given,
  which takes five minutes). Neither was chosen by looking at the clip.
* head: the landmark head. Its 2D error is held against that of the landmark network, both to the reprojected
  two-view result, in px of a 256 px crop.
* average: both guesses merged and refined by the fit of the hand model, as ``handloom image`` does.

Chosen on frames 12–191 of view 0: the head's two penalties, and the weight of the guesses in the fit. The
bars are held against frames 192–371 of view 0, and all of view 1.

The reference is made from the same keypoints that the lifter reads, so errors that both share do not count,
while the landmark network's own depth shares nothing with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from bench import BOTH_VIEWS, Clip, Scorecard, command_line, temugeb
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.detection import DetectorPool, HandDetector, Reading
from handloom.evaluation.alignment import procrustes_aligned
from handloom.evaluation.joints import distances, mean
from handloom.fitting.picture import fit_picture
from handloom.fitting.session import fit_session
from handloom.hand import load_open_hand
from handloom.hand.canonical import canonical
from handloom.lifting import Lifter, load_landmark_head, load_lifter
from handloom.pictures.evidence import evidence_of
from handloom.reconstruction import Tracker
from handloom.skeleton import HAND
from handloom.synthesis.seen_hands import seen_hands
from handloom.tracking import TrackOptions, track
from handloom.video import open_video

Array = NDArray[np.float64]

LIFTER_BELOW, HEAD_BELOW, KEYPOINTS = 20.0, 8.0, 1.15
MILLISECOND = 1.0
KNUCKLE_M = 0.080
EVERY = 3  # frames of the clip
HALF = 192
WRIST, MIDDLE = HAND.indices(["wrist", "middle_mcp"])
SEEN = {0: "frames 192–371", 1: "all frames"}


@dataclass(frozen=True, eq=False)
class Reference:
    """The two-view result: side, (T, 21, 3) joints in the rig's unit, and the cameras."""

    side: str
    joints: Array
    cameras: tuple[Camera, ...]


def two_views(clip: Clip, folder: Path) -> Reference:
    """Track and fit with both views."""
    session = track(clip.videos, clip.rig, folder / "session", TrackOptions(max_hands=1))
    (hand,) = fit_session(session).values()
    return Reference(hand.track.side, hand.posed().keypoints, session.rig.cameras)


def readings(video: Path) -> list[Reading | None]:
    """One view followed alone, with the features of every reading."""
    with (
        closing(DetectorPool(lambda: HandDetector(features=True))) as pool,
        closing(open_video(video)) as source,
    ):
        tracker = Tracker(pool, None, 1, limit=1)
        frames = (tracker.step([frame.image]) for frame in source.frames())
        return [seen[0].reading if seen else None for seen in frames]


def mean_pose(side: str) -> Array:
    """(21, 3) the mean of generated hands in the canonical frame."""
    points = canonical(seen_hands(5000, np.random.default_rng(0)).xyz, "right").points.mean(axis=0)
    # The canonical frame is a left hand's.
    return points * ([1.0, 1.0, -1.0] if side == "right" else [1.0, 1.0, 1.0])


def errors(reference: Reference, view: int, frames: dict[int, Reading], second: Lifter) -> dict[str, Array]:
    """(N,) PA-MPJPE of every side in mm, and two rows of 2D errors in px of 256."""
    camera, side = reference.cameras[view], reference.side
    knuckle = np.nanmedian(np.linalg.norm(reference.joints[:, MIDDLE] - reference.joints[:, WRIST], axis=1))
    model, lifter, head, usual = load_open_hand(side), load_lifter(), load_landmark_head(), mean_pose(side)
    rows = []
    for t, reading in frames.items():
        truth = reference.joints[t] * KNUCKLE_M / knuckle
        assert reading.world is not None
        assert reading.features is not None
        rays = camera.undistort(reading.xy)
        seen = camera.project(reference.joints[t])

        def off_px(xy: Array, seen: Array = seen, size: float = reading.region.size) -> float:
            return mean(np.linalg.norm(xy - seen, axis=1)) * 256 / size

        def pa(points: Array, truth: Array = truth) -> float:
            return 1e3 * mean(distances(procrustes_aligned(points, truth), truth))

        rows.append(
            {
                "MediaPipe world": pa(reading.world),
                "mean pose": pa(usual),
                "lifter, seed 0": pa(lifter.lift(rays, side)),
                "lifter, second seed": pa(second.lift(rays, side)),
                "landmark head": pa(head.in_space(reading.features, reading.region)),
                "average, refined by the fit": pa(
                    fit_picture(model, camera, evidence_of(reading, camera)).keypoints
                ),
                "2D of MediaPipe": off_px(reading.xy),
                "2D of the head": off_px(head.keypoints(reading.features, reading.region)),
            }
        )
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def table(view: int, title: str, found: dict[str, Array], *, bars: bool) -> bool:
    """Print one part; without bars where settings were chosen."""
    means = {name: float(values.mean()) for name, values in found.items()}
    card = Scorecard(
        f"view {view}, {title}: {len(found['mean pose'])}", ("PA-MPJPE, mm", "below MediaPipe, %")
    )
    least = {"lifter, seed 0": LIFTER_BELOW, "lifter, second seed": LIFTER_BELOW, "landmark head": HEAD_BELOW}
    for name, value in means.items():
        if name.startswith("2D"):
            continue
        below = 100 * (1 - value / means["MediaPipe world"])
        card.add(name, value, below, at_least=least.get(name) if bars else None)
    better = min(means["lifter, seed 0"], means["landmark head"])
    refined = means["average, refined by the fit"]
    card.add("  above the better of lifter and head, mm", "", refined - better, at_most=0.0 if bars else None)
    theirs, ours = means["2D of MediaPipe"], means["2D of the head"]
    card.add("2D, px of 256: MediaPipe, head", theirs, ours)
    card.add("  ratio", "", ours / theirs, at_most=KEYPOINTS if bars else None)
    return card.show()


def timed(lifter: Lifter) -> bool:
    """How long one hand takes."""
    rays = seen_hands(1, np.random.default_rng(0)).rays[0]
    rounds = []
    for _ in range(300):
        begin = time.perf_counter()
        lifter.lift(rays, "left")
        rounds.append(time.perf_counter() - begin)
    card = Scorecard("the lifter", ("ours",))
    card.add("one hand, ms (median of 300)", 1e3 * float(np.median(rounds)), at_most=MILLISECOND)
    return card.show()


def trained(folder: Path) -> Path:
    """A lifter of another seed."""
    call = "from handloom.cli.main import main; main()"
    command = [sys.executable, "-c", call, "train", "lifter", "--seed", "1", "-o", str(folder)]
    subprocess.run([*command, "--threads", "1", "--workers", "1"], check=True, stdout=subprocess.DEVNULL)
    return folder / "lifter.safetensors"


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--second", type=Path, help="weights of another seed's lifter; trained here without")
    options = parser.parse_args()
    clip = temugeb(options.data)
    with tempfile.TemporaryDirectory() as scratch:
        second = Lifter.read(options.second or trained(Path(scratch) / "lifter"))
        reference = two_views(clip, Path(scratch))
    met = timed(load_lifter())
    for view, video in enumerate(clip.videos):
        frames = {
            t: reading
            for t, reading in enumerate(readings(video))
            if reading is not None
            and BOTH_VIEWS.start <= t < BOTH_VIEWS.stop
            and t % EVERY == 0
            and np.isfinite(reference.joints[t]).all()
        }
        found = errors(reference, view, frames, second)
        late = np.array(list(frames)) >= HALF
        if view == 0:
            table(0, "frames 12–191, on which settings were chosen", _rows(found, ~late), bars=False)
            met &= table(0, SEEN[0], _rows(found, late), bars=True)
        else:
            met &= table(view, SEEN[view], found, bars=True)
    sys.exit(0 if met else 1)


def _rows(found: dict[str, Array], rows: NDArray[np.bool_]) -> dict[str, Array]:
    return {name: values[rows] for name, values in found.items()}


if __name__ == "__main__":
    main()
