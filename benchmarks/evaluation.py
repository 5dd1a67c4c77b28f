"""Figures of merit: the speed of PA-MPJPE, and what predicting nothing scores.

python benchmarks/evaluation.py [--samples 100000] [--hands 300] [--repeats 5]

* alignment: PA-MPJPE of many hands of 21 joints, ours against the loop over SciPy's orthogonal Procrustes
  that the official evaluations run; the largest difference of any coordinate.
* zero: FreiHAND publishes what its zero predictor scores. Here it is held against open hands 0.71 m away in
  poses of the recorded prior, flat, as fists, and as in made pictures. The error without alignment is the
  hands' distance and matches by construction; the aligned one is the mean distance of the joints to their
  centre, the size of the hand in its pose. That of meshes also depends on where a mesh has its vertices, and
  ours is not MANO.
"""

from __future__ import annotations

import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from bench import Scorecard, command_line, use_two_cores
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from handloom.evaluation import Hands, evaluate
from handloom.evaluation.alignment import procrustes_aligned
from handloom.evaluation.joints import distances
from handloom.fitting.prior import recorded_prior
from handloom.hand import load_open_hand
from handloom.synthesis.gestures import gesture
from handloom.synthesis.pictures.poses import SOURCES, Flesh, draw_pose
from handloom.synthesis.pictures.streams import choose

Array = NDArray[np.float64]

SECONDS, DIFFERENCE_M = 2.0, 1e-9
DISTANCE_M = 0.7079
PUBLISHED = {"MPJPE, mm": 707.9, "PA-MPJPE, mm": 47.3, "MPVPE, mm": 708.4, "PA-MPVPE, mm": 50.7,
             "F@5 aligned": 0.001, "F@15 aligned": 0.031}  # fmt: skip


def official(target: Array, points: Array) -> Array:
    """The alignment of one sample as in FreiHAND's description (algorithms.md §9.2)."""
    centre_a, centre_b = target.mean(0), points.mean(0)
    a, b = target - centre_a, points - centre_b
    size_a, size_b = np.linalg.norm(a), np.linalg.norm(b)
    R, scale = orthogonal_procrustes(a / size_a, b / size_b)
    return np.asarray((b / size_b) @ R.T * scale * size_a + centre_a)


def posed(count: int, poses: str, mesh: bool = True) -> Hands:
    """Right hands of many shapes, turned at random."""
    rng = np.random.default_rng(0)
    model, prior = load_open_hand(), recorded_prior()
    which = rng.choice(len(prior.weight), count, p=prior.weight / prior.weight.sum())
    noise = np.einsum("nij,nj->ni", np.linalg.cholesky(prior.covariance)[which], rng.normal(size=(count, 45)))
    shapes = rng.normal(size=(count, model.shape_count))
    angles = {
        "recorded": model.clamp((prior.mean[which] + noise).reshape(count, 15, 3)),
        "flat": np.zeros((count, 15, 3)),
        "fist": np.broadcast_to(gesture("fist"), (count, 15, 3)),
    }.get(poses)
    if angles is None:
        angles = np.stack([draw_pose(Flesh.of(shape), choose(rng, SOURCES), rng)[0] for shape in shapes])
    T = np.broadcast_to(np.eye(4), (count, 4, 4)).copy()
    T[:, :3, :3] = Rotation.random(count, random_state=rng).as_matrix()
    T[:, :3, 3] = rng.normal([0.0, 0.0, DISTANCE_M], [0.03, 0.03, 0.08], (count, 3))
    hands = model.pose(angles, shapes, T)
    keys = tuple(map(str, range(count)))
    unseen = np.full((count, 21, 2), np.nan)
    seen = np.ones((count, 21), bool)
    meshes = hands.vertices if mesh else None
    return Hands(keys, ("right",) * count, hands.keypoints, unseen, seen, meshes)


def alignment_bar(samples: int, repeats: int) -> bool:
    """Speed and equality of the aligned error."""
    rng = np.random.default_rng(0)
    truth = np.resize(posed(2000, "recorded", mesh=False).xyz, (samples, 21, 3))
    truth = truth @ Rotation.random(samples, random_state=rng).as_matrix().swapaxes(-1, -2)
    points = truth + rng.normal(0, 0.01, truth.shape)
    points[::7] *= [-1.0, 1.0, 1.0]
    begin = time.perf_counter()
    theirs = np.stack([official(a, b) for a, b in zip(truth, points, strict=True)])
    loop_error = float(
        np.mean([np.linalg.norm(a - b, axis=1).mean() for a, b in zip(theirs, truth, strict=True)])
    )
    loop_s = time.perf_counter() - begin
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        ours = procrustes_aligned(points, truth, reflection=True)
        error = float(distances(ours, truth).mean())
        times.append(time.perf_counter() - begin)
    card = Scorecard(f"PA-MPJPE of {samples} hands", ("SciPy in a loop", "ours"))
    card.add("seconds", loop_s, min(times), at_most=SECONDS)
    card.add("PA-MPJPE, mm", 1e3 * loop_error, 1e3 * error, digits=6)
    card.add("largest difference of a coordinate, m", "", float(np.abs(ours - theirs).max()),
             at_most=DIFFERENCE_M, digits=18)  # fmt: skip
    return card.show()


def zero_bar(count: int) -> bool:
    """The zero predictor beside the published figures."""
    tables = {}
    for poses in ("flat", "fist", "recorded", "made"):
        hands = posed(count, poses)
        tables[poses] = evaluate("freihand", hands, hands).baselines["zero"]
    card = Scorecard(f"zero predictor, {count} hands", ("FreiHAND, published", *tables))
    for name, published in PUBLISHED.items():
        values = [table[name] for table in tables.values()]
        card.add(name, published, *values, digits=1 if name.endswith("mm") else 3)
    name = "PA-MPJPE, mm"
    between = tables["fist"][name] < PUBLISHED[name] < tables["flat"][name]
    card.add("published aligned error is between a fist's and a flat hand's", "", "", "", "", float(between),
             at_least=1.0, digits=0)  # fmt: skip
    return card.show()


def main() -> None:
    """Print both tables."""
    parser = command_line(__doc__)
    parser.add_argument("--samples", type=int, default=100_000, help="of the alignment [%(default)s]")
    parser.add_argument("--hands", type=int, default=300, help="of the zero predictor [%(default)s]")
    parser.add_argument("--repeats", type=int, default=5, help="the fastest counts [%(default)s]")
    options = parser.parse_args()
    use_two_cores()
    met = [alignment_bar(options.samples, options.repeats), zero_bar(options.hands)]
    raise SystemExit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
