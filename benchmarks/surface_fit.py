"""Fits to noisy keypoints, refined by masks, depth maps and collision: what each term is worth.

python benchmarks/surface_fit.py [--hands 12] [--seed 30]

Rendered hands of random shapes in natural poses before the cameras of the demo (640 × 480, 0.7 m away), masks
and depth maps from the renderer; a forearm in a sleeve belongs to the picture and not to the mask. Keypoints
have 6 mm of noise on every axis, depths 3 mm per pixel. The figures are mean distances of vertices to the
truth. "Ragged" masks are grown or shrunk by two pixels and rough at the edge, as those of a network are.

Collision: a right and a left hand measured so close together that fingers pass through each other; the figure
is the deepest overlap of two capsules beyond the 2 mm by which flesh may give way.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import cv2
import numpy as np
from bench import Scorecard, command_line
from numpy.typing import NDArray

from handloom.fitting import FrameEvidence, HandFit, fit_frames
from handloom.fitting.refine import SurfaceEvidence, refine_frames, refine_hands
from handloom.synthesis.stage import demo_rig

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "fitting"))
from made_surfaces import made_hands
from test_refine import MODEL, NOISE_M, OPTIONS, deepest, interpenetrating, vertex_error, with_noise

SIDES = ("keypoints", "refined")


def main() -> None:
    """Print both tables."""
    parser = command_line(__doc__)
    parser.add_argument("--hands", type=int, default=12)
    parser.add_argument("--seed", type=int, default=30)
    options = parser.parse_args()
    met = surfaces(options.hands, options.seed)
    met &= collisions(options.seed)
    sys.exit(0 if met else 1)


def surfaces(count: int, seed: int) -> bool:
    """Bars: masks lower the error, depth lowers it further."""
    rng = np.random.default_rng(seed)
    rig = demo_rig(2)
    made = made_hands(MODEL, rig, count, seed)
    keypoints = made.truth.keypoints
    evidence = FrameEvidence(keypoints + rng.normal(0.0, NOISE_M, keypoints.shape))
    fit = fit_frames(MODEL, evidence, OPTIONS.fit)
    depths, rough = with_noise(made.depths, seed), [ragged(mask, rng) for mask in made.masks]
    before = vertex_error(fit, made).mean()
    card = Scorecard(f"{count} rendered hands, vertex error, mm", SIDES)

    def refined(name: str, surface: SurfaceEvidence, at_most: float | None = None) -> float:
        start = time.process_time()
        found: HandFit = refine_frames(MODEL, fit, evidence, surface, OPTIONS)
        spent = (time.process_time() - start) / count
        error = float(vertex_error(found, made).mean())
        card.add(f"{name} ({1000 * spent:.0f} ms per frame)", before, error, at_most=at_most)
        return error

    one = refined("mask, one view", SurfaceEvidence(rig, [made.masks[0], None]), 0.8 * before)
    refined("depth, one view", SurfaceEvidence(rig, None, [depths[0], None]), 0.8 * before)
    refined("mask and depth, one view", SurfaceEvidence(rig, [made.masks[0], None], [depths[0], None]), one)
    refined("ragged mask, one view", SurfaceEvidence(rig, [rough[0], None]), before)
    two = refined("masks, two views", SurfaceEvidence(rig, made.masks), one)
    refined("ragged masks, two views", SurfaceEvidence(rig, rough), before)
    refined("masks and depths, two views", SurfaceEvidence(rig, made.masks, depths), two)
    return card.show()


def ragged(masks: NDArray, rng: np.random.Generator) -> NDArray:
    """Masks (N, H, W) with outlines off by up to some pixels, in patches of some pixels."""
    found = np.empty_like(masks)
    for n, mask in enumerate(masks):
        soft = cv2.GaussianBlur(mask.astype(np.float64), (0, 0), 3.0)
        rough = cv2.GaussianBlur(rng.normal(size=mask.shape), (0, 0), 4.0)
        found[n] = soft + 0.15 * rough / rough.std() > rng.uniform(0.3, 0.7)
    return found


def collisions(seed: int) -> bool:
    """Bar: a quarter of the overlap is left at most, and the keypoints are hardly further off."""
    left, fitted, moved = [], [], []
    for number in range(seed, seed + 6):
        models, fits, evidence = interpenetrating(number)
        found = refine_hands(models, fits, evidence, options=OPTIONS)
        fitted.append(1000.0 * deepest(models, fits))
        left.append(1000.0 * deepest(models, found))
        through = refine_hands(models, fits, evidence, options=replace(OPTIONS, collision_sigma_m=0.0))
        moved.append([1000.0 * np.mean([f.keypoint_error_m for f in each]) for each in (through, found)])
    card = Scorecard("6 pairs of hands through each other", SIDES)
    card.add("deepest overlap, mm", np.mean(fitted), np.mean(left), at_most=0.25 * float(np.mean(fitted)))
    card.add("distance to the keypoints, mm", *np.mean(moved, axis=0))
    return card.show()


if __name__ == "__main__":
    main()
