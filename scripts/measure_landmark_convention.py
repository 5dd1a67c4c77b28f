"""Measure where a hand-landmark network sees the 21 keypoints on the open hand.

    python scripts/measure_landmark_convention.py film FOLDER      # this project's environment
    python scripts/measure_landmark_convention.py detect FOLDER    # an environment with mediapipe==0.10.21
    python scripts/measure_landmark_convention.py fit FOLDER       # writes scripts/open_hand_landmarks.json

Networks trained on hand-labelled pictures do not point at the centres of rotation: their wrist lies a good
centimetre into the hand, their knuckles nearer to the palm, their tips on the pad before the end. That
difference is a convention, not an error, so it belongs in the definition of the keypoints. Here hands of many
shapes, complexions, poses, rooms and lights are filmed from four sides, the network's landmarks are
triangulated robustly, and every keypoint becomes the point, carried by the bones at its joint, that lies
nearest to them. Seeds start at 1000, the hands turn twice as far as in the demo and move in jumps: nothing of
the demo capture is used.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

TABLE = Path(__file__).resolve().with_name("open_hand_landmarks.json")
SEEDS = range(1000, 1028)
FRAMES, FPS, CAMERAS = 20, 8.0, 4
MAX_RESIDUAL_PX = 8.0
HUBER_M = 0.004


def film_all(folder: Path) -> None:
    from handloom.cameras import write_rig
    from handloom.synthesis.capture import cast, film, truth_of, write_truth
    from handloom.synthesis.stage import demo_rig

    rig = demo_rig(CAMERAS)
    for seed in SEEDS:
        scene = folder / str(seed)
        scene.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(seed)
        actors = cast(("right", "left"), FRAMES, FPS, rng, turn=0.9)
        film(rig, actors, [scene / f"{name}.mp4" for name in rig.names], FPS, rng)
        write_rig(rig, scene / "rig.toml")
        write_truth(truth_of(actors), scene / "truth.npz")


def detect_all(folder: Path) -> None:
    import cv2
    import mediapipe as mp

    for scene in sorted(path for path in folder.iterdir() if path.is_dir()):
        views = []
        for video in sorted(scene.glob("cam*.mp4")):
            hands = mp.solutions.hands.Hands(max_num_hands=2, model_complexity=1)
            capture, rows = cv2.VideoCapture(str(video)), []
            while True:
                ok, image = capture.read()
                if not ok:
                    break
                height, width = image.shape[:2]
                found = hands.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).multi_hand_landmarks or []
                row = np.full((2, 21, 2), np.nan)
                for slot, hand in enumerate(found[:2]):
                    row[slot] = [[p.x * width - 0.5, p.y * height - 0.5] for p in hand.landmark]
                rows.append(row)
            views.append(rows)
        np.save(scene / "landmarks.npy", np.array(views))


def fit_all(folder: Path) -> None:
    from handloom.hand import HAND_TREE, load_open_hand
    from handloom.hand.kinematics import skinning_transforms
    from handloom.skeleton import HAND

    model = load_open_hand("right")
    previous = json.loads(TABLE.read_text())["landmarks"] if TABLE.exists() else {}
    rotations, origins, observed, sizes = [], [], [], []
    for scene in sorted(path for path in folder.iterdir() if path.is_dir()):
        points, truth = _triangulated(scene)
        for h, side in enumerate(truth.sides):
            inverse = np.linalg.inv(truth.T_world_wrist[:, h])
            local = points[:, h] @ inverse[:, :3, :3].transpose(0, 2, 1) + inverse[:, None, :3, 3]
            observed.append(local * ([1, 1, 1] if side == "right" else [-1, 1, 1]))
            rest = model.rest_joints + model.joint_directions @ truth.shape[h]
            A = skinning_transforms(rest, model.pose(truth.angles[:, h], truth.shape[h]).T_world_joint)
            rotations.append(A[..., :3, :3])
            origins.append(A[..., :3, 3])
            sizes.append(np.repeat((model.keypoint_directions @ truth.shape[h])[None], len(A), axis=0))
    R, t, X, moved = (np.concatenate(parts) for parts in (rotations, origins, observed, sizes))

    table = {}
    for i, name in enumerate(HAND.joints):
        best = None
        for weights in _candidates(name):
            w = np.array([weights.get(joint, 0.0) for joint in HAND_TREE.joints])
            B, b = np.einsum("k,tkij->tij", w, R), np.einsum("k,tki->ti", w, t)
            rest = model.rest_keypoints[i] + moved[:, i]
            target = X[:, i] - b - np.einsum("tij,tj->ti", B, rest)
            offset, residual = _robust_offset(B, target)
            if best is None or residual < best[1]:
                best = (offset, residual, weights)
        offset = best[0] + np.array(previous.get(name, {}).get("offset_m", np.zeros(3)))
        table[name] = {
            "offset_m": [round(float(value), 5) for value in offset],
            "weights": best[2],
            "residual_mm": round(1e3 * best[1], 2),
        }
        print(f"{name:11s} {np.round(1e3 * offset, 1)} mm  residual {1e3 * best[1]:.1f} mm  {best[2]}")
    source = (
        f"MediaPipe Hands 0.10.21 (full) on {len(SEEDS) * FRAMES * CAMERAS} rendered pictures"
        f" of {2 * len(SEEDS)} hands, seeds {SEEDS.start} to {SEEDS.stop - 1}"
    )
    TABLE.write_text(json.dumps({"source": source, "landmarks": table}, indent=1) + "\n")


def _candidates(name: str) -> list[dict[str, float]]:
    """Which bones may carry a keypoint: the joint's own, the one before, or half of each."""
    from handloom.hand import HAND_TREE

    if name.endswith("_tip"):
        return [{[j for j in HAND_TREE.joints if j.startswith(name.split("_")[0])][-1]: 1.0}]
    if name == "wrist":
        return [{"wrist": 1.0}]
    parent = HAND_TREE.joints[HAND_TREE.parents[HAND_TREE.index(name)]]
    shares = ((1.0, 0.0), (0.75, 0.25), (0.5, 0.5), (0.25, 0.75), (0.0, 1.0))
    return [{name: own, parent: before} for own, before in shares]


def _robust_offset(B: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    """The (3,) offset o with B o ≈ target in the Huber sense, and the mean distance left."""
    seen = np.isfinite(target).all(axis=1)
    B, target = B[seen], target[seen]
    weight = np.ones(len(B))
    for _ in range(30):
        normal = np.einsum("t,tij,tik->jk", weight, B, B)
        offset = np.linalg.solve(normal, np.einsum("t,tij,ti->j", weight, B, target))
        residual = np.linalg.norm(target - B @ offset, axis=1)
        weight = np.minimum(1.0, HUBER_M / np.maximum(residual, 1e-9))
    return offset, float(np.median(residual))


def _triangulated(scene: Path):
    """(T, H, 21, 3) landmarks in the world, NaN where fewer than three views agree; and the truth."""
    from handloom.cameras import read_rig
    from handloom.synthesis import read_truth

    rig, truth = read_rig(scene / "rig.toml"), read_truth(scene / "truth.npz")
    found = np.load(scene / "landmarks.npy")
    expected = rig.project(truth.keypoints)
    pixels = np.full(expected.shape, np.nan)
    for c, t in np.ndindex(expected.shape[:2]):
        distance = np.linalg.norm(found[c, t][:, None] - expected[c, t][None], axis=-1).mean(axis=-1)
        size = np.ptp(expected[c, t], axis=1).max(axis=-1)
        for h in range(expected.shape[2]):
            slot = int(np.argmin(np.nan_to_num(distance[:, h], nan=np.inf)))
            if distance[slot, h] < 0.3 * size[h] and distance[slot, h] == np.nanmin(distance[slot]):
                pixels[c, t, h] = found[c, t, slot]
    points = _solve(rig, pixels)
    residual = np.linalg.norm(rig.project(points) - pixels, axis=-1)
    # One view that disagrees is left out, then the rest must agree.
    worst = np.nan_to_num(residual, nan=-1.0).argmax(axis=0)[None]
    drop = np.take_along_axis(residual, worst, axis=0) > MAX_RESIDUAL_PX
    views = np.arange(len(rig))[:, None, None, None]
    pixels[(views == worst) & drop] = np.nan
    points = _solve(rig, pixels)
    residual = np.linalg.norm(rig.project(points) - pixels, axis=-1)
    good = (np.isfinite(residual).sum(axis=0) >= 3) & (np.nan_to_num(residual).max(axis=0) < MAX_RESIDUAL_PX)
    return np.where(good[..., None], points, np.nan), truth


def _solve(rig, pixels: np.ndarray) -> np.ndarray:
    """Linear triangulation on undistorted rays; views with NaN do not count."""
    rows = []
    for camera, seen in zip(rig, pixels, strict=True):
        ideal, P = camera.undistort(seen), camera.P_normalised
        rows += [ideal[..., :1] * P[2] - P[0], ideal[..., 1:] * P[2] - P[1]]
    A = np.nan_to_num(np.stack(rows, axis=-2))
    X = np.linalg.eigh(A.swapaxes(-1, -2) @ A)[1][..., 0]
    return X[..., :3] / X[..., 3:]


if __name__ == "__main__":
    command, where = sys.argv[1], Path(sys.argv[2])
    {"film": film_all, "detect": detect_all, "fit": fit_all}[command](where)
