"""The whole main job on a small capture that the project makes itself, with its error against the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from handloom.keypoints import Track
from handloom.progress import SILENT, Progress
from handloom.reconstruction import triangulate_dlt
from handloom.samples import real_walk
from handloom.session import Session
from handloom.session.files import explained
from handloom.synthesis import make_demo_capture
from handloom.tracking import TrackOptions, track

Array = NDArray[np.float64]

CAPTURE, SESSION = "capture", "session"


@dataclass(frozen=True)
class DemoError:
    """Distance to the truth of one hand, over all frames in which enough views see it.

    Attributes:
        track: which hand.
        frames: how many frames were compared.
        coverage: share of all frames with a 3D point for every joint.
        mean_mm, median_mm, p95_mm: of our 3D keypoints.
        dlt_mm: mean of plain linear triangulation of the same 2D detections.
    """

    track: Track
    frames: int
    coverage: float
    mean_mm: float
    median_mm: float
    p95_mm: float
    dlt_mm: float


def run_demo(
    out: str | Path,
    *,
    cameras: int = 3,
    frames: int = 150,
    seed: int = 0,
    options: TrackOptions | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> tuple[Session, dict[Track, Array]]:
    """Make a capture under ``out/capture`` and track it into ``out/session``.

    Returns:
        The session and the true (T, 21, 3) keypoints of each hand, metres.

    Raises:
        HandloomError: as :func:`handloom.track`.
    """
    capture = Path(out) / CAPTURE
    truth = make_demo_capture(capture, cameras=cameras, frames=frames, seed=seed, progress=progress)
    videos = [capture / f"cam{index}.mp4" for index in range(cameras)]
    session = track(
        videos, capture / "rig.toml", Path(out) / SESSION, options, overwrite=overwrite, progress=progress
    )
    return session, {
        Track(0, "hand", side): truth.keypoints[:, hand] for hand, side in enumerate(truth.sides)
    }


def run_real_demo(out: str | Path, *, overwrite: bool = False, progress: Progress = SILENT) -> Session:
    """Track the walker of the pose2sim demo, four real cameras, into ``out/session``.

    Raises:
        HandloomError: as :func:`handloom.track`, or if the recording cannot be fetched.
    """
    walk = real_walk()
    with explained(Path(out)):
        Path(out).mkdir(parents=True, exist_ok=True)
    return track(
        sorted(walk.glob("cam*.mp4")),
        walk / "Calib.qca.txt",
        Path(out) / SESSION,
        TrackOptions(target="body"),
        overwrite=overwrite,
        progress=progress,
    )


def errors_against(session: Session, truth: Mapping[Track, Array], views: int = 3) -> list[DemoError]:
    """Compare a session with the truth, over the frames in which at least ``views`` views see the hand."""
    P = np.stack([camera.P_normalised for camera in session.rig])
    results = []
    for name in (known for known in session.tracks if known in truth):
        seen, found = session.keypoints2d(name), session.keypoints3d(name).xyz
        rays = np.stack([camera.undistort(xy) for camera, xy in zip(session.rig, seen.xy, strict=True)])
        enough = np.isfinite(seen.xy[..., 0]).all(axis=-1).sum(axis=0) >= min(views, len(session.rig))
        ours = 1e3 * np.linalg.norm(found - truth[name], axis=-1)[enough]
        plain = 1e3 * np.linalg.norm(triangulate_dlt(P, rays) - truth[name], axis=-1)[enough]
        results.append(
            DemoError(
                track=name,
                frames=int(enough.sum()),
                coverage=float(np.isfinite(found).all(axis=(1, 2)).mean()),
                mean_mm=float(np.nanmean(ours)),
                median_mm=float(np.nanmedian(ours)),
                p95_mm=float(np.nanpercentile(ours, 95)),
                dlt_mm=float(np.nanmean(plain)),
            )
        )
    return results
