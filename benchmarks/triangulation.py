"""Linear triangulation of 100,000 points: ours on one and two threads against the seed's per-point SVD.

python benchmarks/triangulation.py [--points 100000] [--seed-points 5000] [--repeats 7]

The seed's loop is timed on a part of the points and scaled up. Both sides alternate and the fastest of all
repeats counts, because other programs may be running.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from seed.dlt import triangulate_point

from handloom.reconstruction.triangulation import triangulate_dlt

Array = NDArray[np.float64]

BAR_ONE_THREAD, BAR_TWO_THREADS = 100, 250
BAR_DEFAULT, BAR_EXACT = 1e-6, 1e-9
SCENE_SIZE = 1.0


def scene(views: int, count: int) -> tuple[Array, Array, Array]:
    """Cameras on a 126° arc of 1.5 m (C, 3, 4), points in a 1 m cube (N, 3), their pixels (C, N, 2)."""
    X = np.random.default_rng(0).uniform(-0.5, 0.5, size=(count, 3)) * SCENE_SIZE
    K = np.array([[900.0, 0.0, 640.0], [0.0, 900.0, 360.0], [0.0, 0.0, 1.0]])
    P = []
    for angle in np.linspace(-1.1, 1.1, views):
        center = 1.5 * np.array([np.sin(angle), 0.2 * np.sin(7 * angle), -np.cos(angle)])
        z = -center / np.linalg.norm(center)
        x = np.cross([0.0, 1.0, 0.0], z)
        x /= np.linalg.norm(x)
        R = np.stack([x, np.cross(z, x), z])
        P.append(K @ np.column_stack([R, -R @ center]))
    q = np.einsum("cij,nj->cni", np.array(P), np.column_stack([X, np.ones(count)]))
    return np.array(P), X, q[..., :2] / q[..., 2:]


def seed(P: Array, xy: Array) -> Array:
    """The seed's loop over points."""
    return np.array([triangulate_point(P, xy[:, n]) for n in range(xy.shape[1])])


def fastest(sides: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Smallest wall time of each side in seconds, the sides taking turns."""
    best = dict.fromkeys(sides, np.inf)
    for _ in range(repeats):
        for name, work in sides.items():
            begin = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - begin)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--seed-points", type=int, default=5_000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()

    print(f"{options.points} points; the seed is timed on {options.seed_points} of them and scaled up.")
    print(f"Bars: ≥ {BAR_ONE_THREAD}× on one thread, ≥ {BAR_TWO_THREADS}× on two;", end=" ")
    print(f"without noise {BAR_DEFAULT:g} of the scene's size, exact mode {BAR_EXACT:g}.")
    met = True
    for views in (2, 4, 8):
        P, X, clean = scene(views, options.points)
        xy = clean + np.random.default_rng(1).normal(scale=2.0, size=clean.shape)
        some = xy[:, : options.seed_points]
        triangulate_dlt(P, xy[:, :2])
        triangulate_dlt(P, xy[:, :2], exact=True)

        times = fastest(
            {
                "seed": lambda P=P, xy=some: seed(P, xy),
                "one": lambda P=P, xy=xy: triangulate_dlt(P, xy, threads=1),
                "two": lambda P=P, xy=xy: triangulate_dlt(P, xy, threads=2),
                "exact": lambda P=P, xy=xy: triangulate_dlt(P, xy, threads=1, exact=True),
            },
            options.repeats,
        )
        times["seed"] *= options.points / options.seed_points
        one, two, slow = (times["seed"] / times[name] for name in ("one", "two", "exact"))

        error = np.abs(triangulate_dlt(P, clean) - X).max() / SCENE_SIZE
        exact = np.abs(triangulate_dlt(P, clean, exact=True) - X).max() / SCENE_SIZE
        truth = X[: options.seed_points]
        theirs = np.abs(seed(P, clean[:, : options.seed_points]) - truth).max() / SCENE_SIZE
        noisy = np.linalg.norm(triangulate_dlt(P, some) - truth, axis=-1).mean()
        noisy_seed = np.linalg.norm(seed(P, some) - truth, axis=-1).mean()

        print(f"\n{views} views")
        print(f"  seed, SVD of AᵀA per point {times['seed'] * 1e3:10.1f} ms")
        print(f"  ours, one thread           {times['one'] * 1e3:10.2f} ms  {one:6.0f}×")
        print(f"  ours, two threads          {times['two'] * 1e3:10.2f} ms  {two:6.0f}×")
        print(f"  ours, exact, one thread    {times['exact'] * 1e3:10.2f} ms  {slow:6.0f}×")
        print(f"  largest error without noise: seed {theirs:.1e}, ours {error:.1e}, exact {exact:.1e}")
        print(f"  mean error with 2 px of noise: seed {noisy_seed * 1e3:.3f} mm, ours {noisy * 1e3:.3f} mm")
        met &= one >= BAR_ONE_THREAD and two >= BAR_TWO_THREADS
        met &= bool(error <= BAR_DEFAULT and exact <= BAR_EXACT)
    print("\nall bars met" if met else "\nNOT all bars met")


if __name__ == "__main__":
    main()
