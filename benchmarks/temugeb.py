"""Bar 2: quality of the 3D keypoints on the TemugeB clip, the seed's script against ours, offline and causal.

python benchmarks/temugeb.py [--data DATA] [--seed-result FOLDER] [--pictures FOLDER]

Counted are the 360 frames in which both views see the hand. Constant bones can be bought with wrong fingers:
--pictures writes frames 332 to 350, where view 1 sees the hand edge-on, with the 2D detections (thin) and
our 3D keypoints projected (thick), to look at.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench import BOTH_VIEWS, Clip, Scorecard, command_line, temugeb
from metrics import project_pinhole, reprojection_rms
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize_scalar
from seed.result import SeedResult, read_seed, run_seed
from seed.stereo_files import read_camera

from handloom.cameras import CameraRig
from handloom.evaluation.motion import acceleration_rms, bone_length_variation
from handloom.session import Session
from handloom.skeleton import FINGERS, HAND
from handloom.tracking import TrackOptions, track

Array = NDArray[np.float64]

ACCELERATION, BONES = 0.10, 5.0
REPROJECTION_PX = (4.5, 5.2)
CAUSAL_ACCELERATION, LAG_FRAMES = 0.18, 0.5
LARGEST_LAG = 4.0

EDGE_ON = range(332, 351)
EDGE_ON_VIEW = 1
ZOOM, TILE, COLUMNS = 2.2, 480, 4


@dataclass(frozen=True)
class Ours:
    """Our result over the frames that count.

    Attributes:
        xy: (2, T, 21, 2) the 2D detections, NaN where there is none.
        xyz: (T, 21, 3).
    """

    rig: CameraRig
    xy: Array
    xyz: Array


def ours(clip: Clip, out: Path, **options: bool) -> Ours:
    """Track the clip."""
    session = track(clip.videos, clip.rig, out, TrackOptions(max_hands=1, **options))  # type: ignore[arg-type]
    return of_session(session)


def of_session(session: Session) -> Ours:
    """The frames that count of a session of one hand."""
    (hand,) = session.tracks
    xy = session.keypoints2d(hand).xy[:, BOTH_VIEWS]
    return Ours(session.rig, xy, session.positions(hand)[BOTH_VIEWS])


def lag(delayed: Array, reference: Array) -> float:
    """Frames by which (T, J, 3) ``delayed`` must be moved forward to come closest to ``reference``.

    The shift of least squared difference; the delayed one, which is the smoother, is interpolated.
    """
    at = np.arange(len(delayed), dtype=np.float64)
    whole = np.isfinite(delayed).all(axis=(1, 2))
    spline = CubicSpline(at[whole], delayed[whole])
    edge = int(LARGEST_LAG)
    inner = slice(edge, -edge)

    def misfit(shift: float) -> float:
        return float(np.nanmean((spline(at[inner] + shift) - reference[inner]) ** 2))

    tried = np.arange(-LARGEST_LAG, LARGEST_LAG + 0.25, 0.25)
    best = tried[np.argmin([misfit(shift) for shift in tried])]
    found = minimize_scalar(misfit, bounds=(best - 0.25, best + 0.25), method="bounded")
    return float(found.x)


def straightness(xy: Array) -> Array:
    """(..., 5) of (..., 21, 2): base to tip as the crow flies over the way along the bones."""
    ratios = []
    for finger in FINGERS:
        chain = [joint for joint in HAND.joints if joint.startswith(finger)]
        points = xy[..., HAND.indices(chain[-4:]), :]
        way = np.linalg.norm(np.diff(points, axis=-2), axis=-1).sum(axis=-1)
        ratios.append(np.linalg.norm(points[..., -1, :] - points[..., 0, :], axis=-1) / way)
    return np.stack(ratios, axis=-1)


def seed_result(clip: Clip, stored: Path | None, scratch: Path) -> SeedResult:
    """The seed's result, of an earlier run if one is given."""
    if stored is not None:
        return read_seed(stored)
    return run_seed("handpose3d.py", list(clip.videos), clip.rig, scratch)


def write_pictures(clip: Clip, hand: Ours, folder: Path) -> list[Path]:
    """One sheet per view with every third frame of the stretch in which view 1 sees the hand edge-on."""
    import cv2

    from handloom.view.overlay import draw_skeleton
    from handloom.view.pictures import PictureReader

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for view, video in enumerate(clip.videos):
        reader = PictureReader(video)
        tiles = []
        for frame in EDGE_ON[::3]:
            t = frame - BOTH_VIEWS.start
            detected, projected = hand.xy[view, t], hand.rig[view].project(hand.xyz[t])
            corner = (projected.min(axis=0) + projected.max(axis=0)) / 2 - TILE / (2 * ZOOM)
            affine = ZOOM * np.column_stack([np.eye(2), -corner])
            tile = cv2.warpAffine(reader.at(frame), affine, (TILE, TILE), flags=cv2.INTER_CUBIC)
            draw_skeleton(tile, HAND, (projected - corner) * ZOOM, thickness=4)
            draw_skeleton(tile, HAND, (detected - corner) * ZOOM, thickness=1, colour=(255, 255, 255))
            cv2.putText(tile, f"view {view}, frame {frame}", (8, 22), 0, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
            tiles.append(tile)
        reader.close()
        tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
        rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
        paths.append(folder / f"edge_on_view{view}.png")
        cv2.imwrite(str(paths[-1]), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))
    return paths


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--seed-result", type=Path, help="folder of an earlier run of the seed's script")
    parser.add_argument("--pictures", type=Path, help="write the pictures to look at into this folder")
    options = parser.parse_args()

    clip = temugeb(options.data)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        seed = seed_result(clip, options.seed_result, scratch / "seed")
        offline = ours(clip, scratch / "offline")
        causal = ours(clip, scratch / "causal", causal=True)
        plain = ours(clip, scratch / "plain", smooth=False)
    theirs, raw = seed.xyz[BOTH_VIEWS], seed.xy[:, BOTH_VIEWS]

    card = Scorecard("TemugeB clip, frames 12 to 371", ("seed", "ours"))
    whole = [str(np.isfinite(xyz).all(axis=(1, 2)).sum()) for xyz in (theirs, offline.xyz)]
    card.add("frames with all joints", *whole, at_least=len(theirs))
    accelerations = [acceleration_rms(xyz) for xyz in (theirs, offline.xyz)]
    card.add("acceleration, units/frame² rms", *accelerations, at_most=ACCELERATION, digits=3)
    bones = [100 * bone_length_variation(xyz, HAND.bone_indices) for xyz in (theirs, offline.xyz)]
    card.add("bone-length variation, %", *bones, at_most=BONES)
    for view in (0, 1):
        camera = offline.rig[view]
        own = reprojection_rms(project_pinhole(theirs, *read_camera(clip.rig, view)), raw[view])
        projected = camera.project(offline.xyz)
        error = reprojection_rms(projected, offline.xy[view])
        name = f"reprojection, view {view}, px rms"
        card.add(name, own, error, at_most=REPROJECTION_PX[view])
        card.add("  against the seed's detections", own, reprojection_rms(projected, raw[view]))
        card.add("  frames with detections", *(str(count_seen(xy[view])) for xy in (raw, offline.xy)))
    card.add("lag against frame by frame, frames", "", lag(offline.xyz, plain.xyz), digits=3)
    edge_on = slice(EDGE_ON.start - BOTH_VIEWS.start, EDGE_ON.stop - BOTH_VIEWS.start)
    drawn = offline.rig[EDGE_ON_VIEW].project(offline.xyz[edge_on])
    pairs = straightness(offline.xy[EDGE_ON_VIEW, edge_on]), straightness(drawn)
    for finger, *values in zip(FINGERS, *(pair.mean(axis=0) for pair in pairs), strict=True):
        card.add(f"{finger}, straightness in view 1, 332–350: detected, ours", *values, digits=3)
    met = card.show()

    card = Scorecard("the same, from the past only", ("seed", "ours, causal"))
    accelerations = [acceleration_rms(xyz) for xyz in (theirs, causal.xyz)]
    card.add("acceleration, units/frame² rms", *accelerations, at_most=CAUSAL_ACCELERATION, digits=3)
    card.add("lag, frames", "", lag(causal.xyz, plain.xyz), at_most=LAG_FRAMES, digits=3)
    bones = [100 * bone_length_variation(xyz, HAND.bone_indices) for xyz in (theirs, causal.xyz)]
    card.add("bone-length variation, %", *bones)
    for path in write_pictures(clip, offline, options.pictures) if options.pictures else []:
        print(f"to look at: {path}")
    met &= card.show()
    raise SystemExit(0 if met else 1)


def count_seen(xy: Array) -> int:
    """Number of frames with a detection."""
    return int(np.isfinite(xy[:, 0, 0]).sum())


if __name__ == "__main__":
    main()
