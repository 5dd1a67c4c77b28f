"""Hands fitted to whole recordings: the TemugeB clip, rendered captures with truth, and how long it takes.

python benchmarks/fit_session.py [--frames 60] [--seeds 2] [--pictures FOLDER] [--data DATA]

The clip: model keypoints against the tracked ones that they are fitted to, in the 360 frames in which both
views see the hand. Lengths are in the rig's unit. Its reprojection is the mean distance to the raw detections
of both views; plain DLT, which may bend and stretch as it likes, is what no fit can fall below. How far calm
alone takes one away from the detections is told by free points: those of DLT, every one smoothed for itself
with all frames known (the sum of distances and second differences at its least), without any hand.

Rendered captures: two hands as ``handloom demo`` makes them, other seeds than it. Errors of the mesh's
vertices and of the 21 keypoints against the truth; beside them plain DLT of the same detections in the same
frames, and the tracked keypoints. --pictures draws the meshes over some frames of the clip, to look at.

Time: from the open session to the written hands, of 1,000 frames: those of the clip that both views saw, back
and forth, so that the hand never jumps; and the latency of the causal fit, which sees the 2D keypoints of
both views of one frame at a time and knows the shape.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from bench import BOTH_VIEWS, Clip, Scorecard, command_line, temugeb, use_two_cores
from numpy.typing import NDArray
from scipy.sparse import diags
from scipy.sparse.linalg import spsolve

from handloom.cameras import read_rig
from handloom.evaluation.motion import bone_length_variation
from handloom.fitting import FrameEvidence
from handloom.fitting.causal import CausalFit
from handloom.fitting.session import fit_session, scaled
from handloom.keypoints import Track
from handloom.reconstruction.triangulation import triangulate_dlt
from handloom.session import FittedHand, Observations, Session, SessionWriter, Window, describe_run
from handloom.skeleton import HAND
from handloom.synthesis import make_demo_capture
from handloom.synthesis.capture import Truth
from handloom.tracking import TrackOptions, track

Array = NDArray[np.float64]

REPROJECTION_PX, JITTER, EXCESS_DEG, BONES = 3.0, 0.06, 5.0, 0.1
VERTEX_MM = {2: 7.0, 3: 5.0, 4: 4.5, 8: 4.0}
BELOW_DLT = 40.0
SECONDS, TIMED_FRAMES = 10.0, 1000
FIRST_SEED = 100
SHOWN = (40, 110, 180, 250, 320)


def main() -> None:
    """Print the three tables."""
    parser = command_line(__doc__)
    parser.add_argument("--frames", type=int, default=60, help="of a rendered capture [%(default)s]")
    parser.add_argument("--seeds", type=int, default=2, help="captures per number of views [%(default)s]")
    parser.add_argument("--pictures", type=Path, help="folder for overlays")
    options = parser.parse_args()
    use_two_cores()
    with tempfile.TemporaryDirectory() as scratch:
        met = clip_table(temugeb(options.data), Path(scratch), options.pictures)
        met &= made_table(Path(scratch), options.frames, options.seeds)
    sys.exit(0 if met else 1)


def clip_table(clip: Clip, scratch: Path, pictures: Path | None) -> bool:
    """The TemugeB clip, and the time that its frames, repeated, would take."""
    session = track(clip.videos, clip.rig, scratch / "clip", TrackOptions(max_hands=1))
    (hand,) = fit_session(session).values()
    long = back_and_forth(session, hand.track, scratch / "long")
    begin = time.perf_counter()
    fit_session(long)
    seconds = time.perf_counter() - begin
    xy = session.keypoints2d(hand.track).xy[:, BOTH_VIEWS]
    sides = {
        "plain DLT": dlt(session, hand.track)[BOTH_VIEWS],
        "tracked": session.positions(hand.track)[BOTH_VIEWS],
        "fitted": hand.posed().keypoints[BOTH_VIEWS],
    }
    card = Scorecard("TemugeB clip", tuple(sides))

    def row(measure: str, values: Iterable[float], **bar: float) -> None:
        card.add(measure, *values, **bar)  # type: ignore[arg-type]

    row(
        "variation of the bones' lengths, palm and all [%]",
        [100.0 * bone_length_variation(xyz, HAND.bone_indices) for xyz in sides.values()],
    )
    free = calmed(sides["plain DLT"])
    off = np.linalg.norm(session.rig.project(free) - xy, axis=-1)
    card.add("free points, calmed: mean reprojection [px]", "", "", float(np.nanmean(off)))
    calm = np.linalg.norm(np.diff(free, n=2, axis=0), axis=-1)
    card.add("free points, calmed: mean second difference [rig units]", "", "", float(calm.mean()))
    joints = hand.posed().joints[BOTH_VIEWS]
    middle = np.linalg.norm(np.diff(joints[:, 1:].reshape(len(joints), 5, 3, 3), axis=2), axis=-1)
    variation = 100.0 * float((middle.std(axis=0) / middle.mean(axis=0)).max())
    card.add("variation between the model's joints, largest [%]", "", "", variation, at_most=BONES)
    row(
        "mean reprojection [px]",
        [float(np.nanmean(np.linalg.norm(session.rig.project(xyz) - xy, axis=-1))) for xyz in sides.values()],
        at_most=REPROJECTION_PX,
    )
    row(
        "mean second difference [rig units]",
        [float(np.nanmean(np.linalg.norm(np.diff(xyz, n=2, axis=0), axis=-1))) for xyz in sides.values()],
        at_most=JITTER,
    )
    excess = float(np.degrees(np.nanmax(hand.limit_excess)))
    card.add("largest excess of a joint limit [°]", "", "", excess, at_most=EXCESS_DEG)
    card.add("flagged frames [%]", "", "", 100.0 * float((hand.flags > 0).mean()))
    card.add(f"seconds for {TIMED_FRAMES} frames", "", "", seconds, at_most=SECONDS)
    milliseconds, live = causal(session, hand)
    card.add("causal: median latency [ms]", "", "", float(np.median(milliseconds)))
    card.add("causal: 99 % of the latencies below [ms]", "", "", float(np.percentile(milliseconds, 99.0)))
    apart = np.linalg.norm(live - hand.posed().keypoints, axis=-1)[BOTH_VIEWS] / hand.hand_length
    card.add("causal: distance to the recording's fit [% of the hand]", "", "", 100.0 * np.nanmean(apart))
    turns = np.linalg.norm(np.diff(live[BOTH_VIEWS], n=2, axis=0), axis=-1)
    card.add("causal: mean second difference [rig units]", "", "", float(np.nanmean(turns)))
    if pictures is not None:
        write_pictures(clip, session, hand, pictures)
    return card.show()


def back_and_forth(session: Session, track: Track, folder: Path) -> Session:
    """A session of :data:`TIMED_FRAMES` frames out of the frames that both views saw."""
    T = np.arange(len(session))[BOTH_VIEWS]
    there_and_back = np.concatenate([T, T[-2:0:-1]])
    order = np.resize(there_and_back, TIMED_FRAMES)
    seen, frames = session.keypoints2d(track), np.arange(TIMED_FRAMES)
    found = Observations.of(seen.skeleton, seen.xy[:, order], seen.confidence[:, order], seen.used[:, order])
    points = {track: session.keypoints3d(track).at(order)}
    step = float(np.median(np.diff(session.times_s)))
    with SessionWriter(folder, session.rig) as writer:
        writer.append(Window(frames, step * frames, session.source_frames[:, order], {track: found}, points))
        writer.finish(describe_run(["benchmarks/fit_session.py"]))
    return Session.open(folder)


def calmed(points: Array, weight: float = 1.0, rounds: int = 25) -> Array:
    """(T, K, 3) points x with least Σ|x − y| + weight Σ|x″|, gaps left out, by reweighted least squares."""
    T = len(points)
    D = diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(T - 2, T)).tocsc()
    result = np.empty_like(points)
    for k in range(points.shape[1]):
        seen = np.isfinite(points[:, k, 0])
        y = np.where(seen[:, None], points[:, k], 0.0)
        near, straight = seen.astype(np.float64), np.ones(T - 2)
        for _ in range(rounds):
            A = diags(near) + weight * D.T @ diags(straight) @ D
            x = spsolve(A.tocsc(), near[:, None] * y)
            near = seen / np.maximum(np.linalg.norm(x - y, axis=1), 1e-2)
            straight = 1.0 / np.maximum(np.linalg.norm(D @ x, axis=1), 1e-3)
        result[:, k] = x
    return result


def causal(session: Session, hand: FittedHand) -> tuple[Array, Array]:
    """(T,) milliseconds of every frame, and the (T, 21, 3) keypoints in the rig's unit."""
    rig = scaled(session.rig, hand.scale)
    seen = session.keypoints2d(hand.track)
    live = CausalFit(hand.model, hand.shape)
    keypoints, milliseconds = np.full((len(session), 21, 3), np.nan), np.empty(len(session))
    for t in range(len(session)):
        evidence = FrameEvidence(
            keypoints2d=seen.xy[:, t : t + 1], confidence=seen.confidence[:, t : t + 1], rig=rig
        )
        begin = time.perf_counter()
        found = live.update(evidence)
        milliseconds[t] = 1e3 * (time.perf_counter() - begin)
        if found is not None:
            posed = hand.model.pose(found.angles, hand.shape, found.T_world_wrist)
            keypoints[t] = hand.scale * posed.keypoints
    return milliseconds, keypoints


def made_table(scratch: Path, frames: int, seeds: int) -> bool:
    """Rendered captures with truth."""
    card = Scorecard("rendered captures, mean error [mm]", ("plain DLT", "tracked", "fitted"))
    for views, bar in VERTEX_MM.items():
        vertices: list[Array] = []
        points: list[Array] = []
        surprise: list[Array] = []
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            folder = scratch / f"{views}-{seed}"
            truth = make_demo_capture(folder, cameras=views, frames=frames, seed=seed)
            rig = read_rig(folder / "rig.toml")
            session = track([folder / f"{name}.mp4" for name in rig.names], rig, folder / "session")
            for hand in fit_session(session).values():
                if hand.track.side not in truth.sides:
                    continue
                compared = errors(session, hand, truth)
                vertices.append(compared[0])
                points.append(compared[1])
                surprise.append(compared[2])
        means = np.concatenate(points).mean(axis=0)
        card.add(f"{views} views: vertices", "", "", float(np.concatenate(vertices).mean()), at_most=bar)
        card.add(f"{views} views: keypoints", *means.tolist())
        card.add(
            f"{views} views: keypoints below DLT [%]",
            "",
            100.0 * (1.0 - means[1] / means[0]),
            100.0 * (1.0 - means[2] / means[0]),
            at_least=BELOW_DLT,
            digits=0,
        )
        ratio = float(np.sqrt(np.concatenate(surprise).mean()))
        card.add(f"{views} views: error over stated uncertainty", "", "", ratio)
    return card.show()


def errors(session: Session, hand: FittedHand, truth: Truth) -> tuple[Array, Array, Array]:
    """(n,) vertices, mm; (m, 3) keypoints of DLT, tracked and fitted where all exist, mm; (m,) squared ratio
    of the fitted keypoints' error to what is stated."""
    actor = truth.sides.index(hand.track.side)
    real = hand.model.pose(truth.angles[:, actor], truth.shape[actor], truth.T_world_wrist[:, actor])
    found = hand.posed()
    vertices = np.linalg.norm(found.vertices - real.vertices, axis=-1)
    candidates = (dlt(session, hand.track), session.positions(hand.track), found.keypoints)
    points = np.stack([np.linalg.norm(xyz - real.keypoints, axis=-1) for xyz in candidates], axis=-1)
    whole = np.isfinite(points).all(axis=-1)
    ratio = np.square(points[..., 2] / hand.sigma) / 3.0
    return 1e3 * vertices[np.isfinite(vertices)], 1e3 * points[whole], ratio[whole]


def dlt(session: Session, hand: Track) -> Array:
    """(T, 21, 3) every frame triangulated from all detections, each counting the same."""
    xy = session.keypoints2d(hand).xy
    rays = np.stack([camera.undistort(seen) for camera, seen in zip(session.rig, xy, strict=True)])
    P = np.stack([camera.P_normalised for camera in session.rig])
    return triangulate_dlt(P, rays, np.isfinite(xy).all(axis=-1).astype(np.float64), threads=1)


def write_pictures(clip: Clip, session: Session, hand: FittedHand, folder: Path) -> None:
    """Frames ``SHOWN`` of every view with the mesh."""
    import cv2

    from handloom.view.mesh_overlay import draw_hand
    from handloom.view.pictures import PictureReader

    folder.mkdir(parents=True, exist_ok=True)
    vertices = hand.posed(np.array(SHOWN)).vertices
    for camera, video in zip(session.rig, clip.videos, strict=True):
        reader = PictureReader(video)
        for t, frame in enumerate(SHOWN):
            image = reader.at(frame)
            if image is not None:
                image = image.copy()
                draw_hand(image, camera, hand.model, vertices[t])
                cv2.imwrite(str(folder / f"{camera.name}-{frame}.png"), image[..., ::-1])
        reader.close()


if __name__ == "__main__":
    main()
