"""Bar 6: a person who walks, four real cameras, ours against plain DLT of the same 2D detections.

python benchmarks/walk.py [--data DATA]

Reprojection is measured against every 2D detection of every view, also those that were found to be wrong.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from bench import Clip, Scorecard, command_line
from numpy.typing import NDArray

from handloom.demo import run_real_demo
from handloom.evaluation.motion import bone_lengths
from handloom.keypoints import Keypoints2D
from handloom.reconstruction import triangulate_dlt
from handloom.session import Session
from handloom.skeleton import BODY, LIMBS
from handloom.tracking import TrackOptions, track

Array = NDArray[np.float64]

COVERAGE, REPROJECTION_PX, LIMB_VARIATION = 98.0, 14.0, 4.0
LIMB_INDICES = tuple((BODY.index(a), BODY.index(b)) for a, b in LIMBS)


def walk(data: Path, out: Path) -> Session:
    """Track the walker, from the recordings if they are there, otherwise as ``handloom demo --real``."""
    folder = data / "pose2sim" / "Demo_SinglePerson"
    if not folder.is_dir():
        return run_real_demo(out)
    videos = tuple(folder / "videos" / f"cam{camera:02}.mp4" for camera in range(1, 5))
    clip = Clip(videos, folder / "calibration" / "Calib.qca.txt")
    return track(clip.videos, clip.rig, out, TrackOptions(target="body"))


def coverage(xyz: Array) -> float:
    """Percentage of frames in which every landmark has a 3D point."""
    return 100 * float(np.isfinite(xyz).all(axis=(1, 2)).mean())


def reprojection_px(session: Session, xyz: Array, seen: Keypoints2D) -> float:
    """Median distance in pixels to all 2D detections."""
    return float(np.nanmedian(np.linalg.norm(session.rig.project(xyz) - seen.xy, axis=-1)))


def main() -> None:
    options = command_line(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        session = walk(options.data, Path(folder) / "walk")
        name = max(session.tracks, key=lambda track: np.isfinite(session.positions(track)).sum())
        seen, ours = session.keypoints2d(name), session.positions(name)
        used = session.keypoints2d(name).used[np.isfinite(seen.xy[..., 0])].mean()
    P = np.stack([camera.P_normalised for camera in session.rig])
    rays = np.stack([camera.undistort(xy) for camera, xy in zip(session.rig, seen.xy, strict=True)])
    plain = triangulate_dlt(P, rays)

    card = Scorecard(f"walk, {len(session)} frames, {len(session.views)} views", ("plain DLT", "ours"))
    card.add("frames with all 33 landmarks, %", coverage(plain), coverage(ours), at_least=COVERAGE, digits=1)
    residuals = (reprojection_px(session, xyz, seen) for xyz in (plain, ours))
    card.add("median reprojection, px", *residuals, at_most=REPROJECTION_PX, digits=1)
    card.add("detections found sound, %", "", 100 * used, digits=1)
    lengths = [bone_lengths(xyz, LIMB_INDICES) for xyz in (plain, ours)]
    for limb, (upper, lower) in enumerate(LIMBS):
        spreads = (float(100 * np.nanstd(side[:, limb]) / np.nanmean(side[:, limb])) for side in lengths)
        mean_cm = 100 * np.nanmean(lengths[1][:, limb])
        name = f"{upper}–{lower.removeprefix('left_').removeprefix('right_')}, {mean_cm:.1f} cm"
        card.add(f"{name}: length varies by, %", *spreads, at_most=LIMB_VARIATION)
    card.finish()


if __name__ == "__main__":
    main()
