"""Bar 1: our run of the hand networks against MediaPipe's own, every view tracked alone.

python benchmarks/parity.py [--data DATA]

The reference is what MediaPipe Hands 0.10.21 gave on the same videos (``pseudo_labels``): no truth, parity
only. The figures of the dex video are there to see; no bar was set for them.
"""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import numpy as np
from bench import Scorecard, command_line, temugeb
from numpy.typing import NDArray

from handloom.detection import DetectorPool, HandDetector
from handloom.reconstruction import Tracker
from handloom.video import open_video

Array = NDArray[np.float64]

MEDIAN_PX, P95_PX, PRESENCE = 0.1, 0.5, 99.5


def ours(video: Path, pool: DetectorPool) -> Array:
    """(T, 21, 2) pixels of the one hand in a video; NaN where it is not seen."""
    tracker = Tracker(pool, None, 1, limit=1)
    missing = np.full((len(pool.example.skeleton), 2), np.nan)
    with closing(open_video(video)) as source:
        frames = (tracker.step([frame.image]) for frame in source.frames())
        return np.array([seen[0].reading.xy if seen else missing for seen in frames])


def mediapipe(file: Path) -> Array:
    """(T, 21, 2) pixels that MediaPipe gave; NaN where it saw no hand."""
    frames = json.loads(file.read_text())["frames"]
    missing = np.full((21, 3), np.nan)
    return np.array([hands[0]["px"] if hands else missing for hands in frames])[..., :2]


def main() -> None:
    options = command_line(__doc__).parse_args()
    labels = options.data / "pseudo_labels"
    clip = temugeb(options.data)
    dex = options.data / "dex_retargeting/example/vector_retargeting/data/human_hand_video.mp4"
    cases = [
        ("TemugeB, view 0", clip.videos[0], "temugeb_hand_cam0.json", True),
        ("TemugeB, view 1", clip.videos[1], "temugeb_hand_cam1.json", True),
        ("dex video (no bar)", dex, "dex_video.json", False),
    ]
    card = Scorecard("2D keypoints, one view alone", ("MediaPipe", "ours"))
    with closing(DetectorPool(HandDetector)) as pool:
        for name, video, file, judged in cases:
            theirs, found = mediapipe(labels / file), ours(video, pool)
            if len(theirs) != len(found):
                raise SystemExit(f"{video} has {len(found)} frames, {file} has {len(theirs)}.")
            seen_theirs, seen = (np.isfinite(xy[:, 0, 0]) for xy in (theirs, found))
            distance = np.linalg.norm(found - theirs, axis=-1)[seen & seen_theirs]
            median, p95 = np.percentile(distance, [50, 95])
            agreement = 100 * float((seen == seen_theirs).mean())
            card.add(f"{name}: frames with a hand", str(seen_theirs.sum()), str(seen.sum()))
            card.add("  presence equal, % of frames", "", agreement, at_least=PRESENCE if judged else None)
            card.add("  median distance, px", "", median, at_most=MEDIAN_PX if judged else None, digits=3)
            card.add("  95 % distance, px", "", p95, at_most=P95_PX if judged else None, digits=3)
    card.finish()


if __name__ == "__main__":
    main()
