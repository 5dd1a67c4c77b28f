"""The hand fitted to 3D keypoints: exactness and speed on clean ones, what is left of noise on noisy ones.

python benchmarks/fit.py [--poses 10000] [--adam-poses 256] [--data DATA]

Clean: poses drawn evenly within the joint limits, random shapes that the fit knows, any rotation. Beside it
Adam on a torch module of the same hand, as is customary, on a batch and from the same start; left out where
torch is not installed. Rates are of one core, counted in processor time, since other programs may be running.

Noisy: 3 mm on every axis, every frame on its own, the shape known. The poses are those of the TemugeB clip:
MediaPipe's keypoints in two views, triangulated, the hand fitted with the joint limits only, its angles
smoothed as those of the prior's recordings are. They took no part in the prior's means and covariances; its
settings were chosen on the rows of recordings in space, after two looks at the clip
(scripts/build_pose_prior.py). The rows below fit the same with the error counted at the joint centres; each
recording in space under a prior made from the others; gestures held still, under a prior made without
generated poses; and poses drawn evenly within the limits, which no hand takes.

Adapted: the prior adapted to the noisy keypoints of the same 3,000 frames (handloom.fitting.adapted_prior),
which sees no clean pose. The bound: a Gaussian made from the clean test poses themselves, which no prior of
this form can be better than.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from bench import BOTH_VIEWS, Scorecard, command_line, temugeb
from numpy.typing import NDArray

from handloom.cameras import read_rig
from handloom.fitting import (
    FitOptions,
    FrameEvidence,
    PosePrior,
    adapted_prior,
    fit_frames,
    range_prior,
    recorded_prior,
)
from handloom.fitting.prior import gaussian_prior
from handloom.hand import HandModel, PosedHand, load_open_hand
from handloom.hand.inverse import inverse_kinematics
from handloom.hand.kinematics import rigid, rotation_from_vector
from handloom.reconstruction.triangulation import triangulate
from handloom.synthesis.gestures import gesture

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
import build_pose_prior as building
import pose_recordings as recordings

Array = NDArray[np.float64]

CONVERGED_MM, CONVERGED_SHARE, RATE = 0.1, 99.9, 3000.0
NOISE_M, ERROR_MM = 0.003, 2.6
CLEAN_SIGMA_M = 1e-4
NOISY_POSES = 3000
EXTREME = ("fist", "spread", "point", "hook")
ADAM_STEPS, ADAM_RATE = 300, 0.03
CLIP_FPS, CLIP_SIGMA_M = 30.0, 0.003


def main() -> None:
    """Print both tables."""
    parser = command_line(__doc__)
    parser.add_argument("--poses", type=int, default=10_000)
    parser.add_argument("--adam-poses", type=int, default=256)
    options = parser.parse_args()
    model = load_open_hand()
    met = clean(model, options.poses, options.adam_poses)
    met &= noisy(model, options.data)
    sys.exit(0 if met else 1)


def clean(model: HandModel, count: int, adam_count: int) -> bool:
    """Bar: clean keypoints of random poses."""
    rng = np.random.default_rng(0)
    truth, shape = posed(model, evenly(model, count, rng), rng)
    fit_options = FitOptions(prior=range_prior(model), sigma_m=CLEAN_SIGMA_M)
    fit_frames(model, FrameEvidence(truth.keypoints[:2]), fit_options, shape=shape[:2])
    best_cpu = best_wall = np.inf
    for _ in range(3):
        cpu, wall = time.process_time(), time.perf_counter()
        fit = fit_frames(model, FrameEvidence(truth.keypoints), fit_options, shape=shape)
        best_cpu, best_wall = (
            min(best_cpu, time.process_time() - cpu),
            min(best_wall, time.perf_counter() - wall),
        )
    found = model.pose(fit.angles, shape, fit.T_world_wrist).keypoints
    worst = np.linalg.norm(found - truth.keypoints, axis=-1).max(axis=1) * 1000.0
    share = 100.0 * (worst < CONVERGED_MM).mean()
    theirs = adam(model, truth.keypoints[:adam_count], shape[:adam_count])
    card = Scorecard(f"{count} clean poses", ("Adam, torch", "ours"))
    card.add("worst keypoint below 0.1 mm [%]", theirs[0], share, at_least=CONVERGED_SHARE)
    card.add("worst keypoint, median pose [µm]", theirs[1] * 1000.0, float(np.median(worst)) * 1000.0)
    card.add("fits per second of processor time", theirs[2], count / best_cpu, at_least=RATE, digits=0)
    card.add("fits per second of wall time", "", f"{count / best_wall:.0f}")
    return card.show()


def adam(model: HandModel, keypoints: Array, shape: Array) -> tuple[float, float, float]:
    """Share below 0.1 mm [%], median worst keypoint [mm], fits per second of Adam; NaN without torch."""
    try:
        import torch

        from handloom.networks.hand_layer import HandLayer
    except ImportError:
        return np.nan, np.nan, np.nan
    torch.set_num_threads(1)
    layer = HandLayer(model, dtype=torch.float64)
    # Only keypoints are wanted: Adam shall not pay for the mesh.
    layer.template, layer.weights = layer.template[:1], layer.weights[:1]
    layer.shape_directions = layer.shape_directions[:1]
    if layer.pose_directions is not None:
        layer.pose_directions = layer.pose_directions[:1]
    begin = time.process_time()
    start, T = inverse_kinematics(model, keypoints, shape)
    angles = torch.tensor(model.clamp(start), requires_grad=True)
    turn = torch.zeros(len(T), 3, dtype=torch.float64, requires_grad=True)
    place = torch.tensor(T[:, :3, 3], requires_grad=True)
    R, target, beta = torch.tensor(T[:, :3, :3]), torch.tensor(keypoints), torch.tensor(shape)
    optimiser = torch.optim.Adam([{"params": [angles, turn]}, {"params": [place], "lr": 1e-3}], lr=ADAM_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, ADAM_STEPS)
    lowest, highest = torch.tensor(model.limits[..., 0]), torch.tensor(model.limits[..., 1])
    for _ in range(ADAM_STEPS):
        optimiser.zero_grad()
        cross = torch.zeros(len(T), 3, 3, dtype=torch.float64)
        cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -turn[:, 2], turn[:, 1], -turn[:, 0]
        whole = torch.zeros(len(T), 4, 4, dtype=torch.float64)
        whole[:, :3, :3] = torch.linalg.matrix_exp(cross - cross.transpose(1, 2)) @ R
        whole[:, :3, 3], whole[:, 3, 3] = place, 1.0
        distance = (layer(angles, beta, whole).keypoints - target).square().sum(dim=-1)
        beyond = (lowest - angles).clamp(min=0) + (angles - highest).clamp(min=0)
        (distance.sum() * 1e6 + beyond.square().sum() * 1e3).backward()
        optimiser.step()
        schedule.step()
    seconds = time.process_time() - begin
    worst = distance.detach().sqrt().amax(dim=1).numpy() * 1000.0
    return 100.0 * float((worst < CONVERGED_MM).mean()), float(np.median(worst)), len(T) / seconds


def noisy(model: HandModel, data: Path) -> bool:
    """Bar: keypoints with noise."""
    recorded, generated = recordings.recorded_poses(data), recordings.moments_of(building.generated_poses())
    moments = {name: recordings.moments_of(angles) for name, angles in recorded.items()}
    moments |= recordings.flat_recordings(data, building.broad_prior)
    card = Scorecard("3 mm noise per axis, mean error [mm]", ("raw", "limits only", "range prior", "ours"))
    shipped, without = recorded_prior(), building.prior_of(moments, None)
    clip = Noisy(model, clip_poses(model, data))
    card.add("21 keypoints, TemugeB clip", *clip.beside(shipped), at_most=ERROR_MM)
    centres = [clip.error(prior, centres=True) for prior in (*clip.simple, shipped)]
    card.add("16 joint centres, TemugeB clip", "", *centres)
    held_out = {}
    for name, poses in recorded.items():
        others = building.prior_of({n: m for n, m in moments.items() if n != name}, generated)
        held_out[name] = Noisy(model, poses), others
        card.add(f"21 keypoints, {name} (held out)", *held_out[name][0].beside(others))
    for name in EXTREME:
        still = Noisy(model, gesture(name)[None], NOISY_POSES // 5)
        card.add(f"21 keypoints, {name} (held out)", *still.beside(without))
    card.add(
        "21 keypoints, even poses",
        *Noisy(model, evenly(model, 3000, np.random.default_rng(1))).beside(shipped),
    )
    met = card.show()
    card = Scorecard("what knowing the recording is worth [mm]", ("single frames", "adapted", "bound"))
    for name, (hands, prior) in {"TemugeB clip": (clip, shipped), **held_out}.items():
        card.add(
            f"21 keypoints, {name}", hands.error(prior), hands.error(hands.adapted(prior)), hands.bound()
        )
    card.show()
    return met


class Noisy:
    """Hands of random shapes and places in given poses, and their keypoints with noise."""

    def __init__(self, model: HandModel, poses: Array, count: int = NOISY_POSES) -> None:
        rng = np.random.default_rng(2)
        self.model, self.poses = model, poses
        self.truth, self.shape = posed(model, poses[rng.integers(0, len(poses), count)], rng)
        noise = rng.normal(0.0, NOISE_M, self.truth.keypoints.shape)
        self.evidence = FrameEvidence(self.truth.keypoints + noise)
        self.simple = range_prior(model, 100.0), range_prior(model)

    def beside(self, prior: PosePrior) -> tuple[float, ...]:
        """Mean error, mm: raw, after a fit with limits alone, with the range prior, with ``prior``."""
        raw = distance_mm(np.asarray(self.evidence.keypoints3d), self.truth.keypoints)
        return (raw, *(self.error(p) for p in (*self.simple, prior)))

    def error(self, prior: PosePrior, *, centres: bool = False) -> float:
        """Mean error of the keypoints, or of the joint centres, after a fit, mm."""
        options = FitOptions(prior=prior, sigma_m=NOISE_M)
        fit = fit_frames(self.model, self.evidence, options, shape=self.shape)
        found = self.model.pose(fit.angles, self.shape, fit.T_world_wrist)
        if centres:
            return distance_mm(found.joints, self.truth.joints)
        return distance_mm(found.keypoints, self.truth.keypoints)

    def adapted(self, prior: PosePrior) -> PosePrior:
        """The prior adapted to the noisy keypoints."""
        options = FitOptions(prior=prior, sigma_m=NOISE_M)
        return adapted_prior(self.model, self.evidence, options, shape=self.shape)

    def bound(self) -> float:
        """Mean error under the Gaussian of the clean poses themselves."""
        return self.error(gaussian_prior(self.poses, np.ones(len(self.poses)), np.full(45, np.deg2rad(0.5))))


def distance_mm(a: Array, b: Array) -> float:
    """Mean distance of points, mm."""
    return float(np.linalg.norm(a - b, axis=-1).mean() * 1000.0)


def clip_poses(model: HandModel, data: Path) -> Array:
    """(n, 15, 3) angles of the TemugeB clip."""
    rig = read_rig(temugeb(data).rig)
    pixels = []
    for view in range(len(rig)):
        frames = json.loads((data / f"pseudo_labels/temugeb_hand_cam{view}.json").read_text())["frames"]
        hands = [np.array(hands[0]["px"])[:, :2] if hands else np.full((21, 2), np.nan) for hands in frames]
        pixels.append(np.stack(hands)[BOTH_VIEWS])
    rays = np.stack([camera.undistort(xy) for camera, xy in zip(rig, pixels, strict=True)])
    poses = np.stack([camera.T_camera_world for camera in rig])
    xyz = triangulate(rays, poses, 2.0 / rig[0].K[0, 0]).points
    return recordings.poses_of(model, xyz, CLIP_SIGMA_M, CLIP_FPS)


def evenly(model: HandModel, count: int, rng: np.random.Generator) -> Array:
    """(n, 15, 3) angles drawn evenly within the limits."""
    return rng.uniform(model.limits[..., 0], model.limits[..., 1], (count, 15, 3))


def posed(model: HandModel, angles: Array, rng: np.random.Generator) -> tuple[PosedHand, Array]:
    """Hands of random shapes, places and rotations, and their (n, B) shapes."""
    shape = rng.normal(size=(len(angles), model.shape_count))
    turn = rng.normal(size=(len(angles), 4))
    axis = turn[:, 1:] / np.linalg.norm(turn[:, 1:], axis=1, keepdims=True)
    half = np.arctan2(np.linalg.norm(turn[:, 1:], axis=1), turn[:, 0])
    T = rigid(rotation_from_vector(2.0 * half[:, None] * axis), rng.normal(0.0, 0.3, (len(angles), 3)))
    return model.pose(angles, shape, T), shape


if __name__ == "__main__":
    main()
