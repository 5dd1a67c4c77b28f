"""Learn the pose prior of the fit from recorded and generated hands.

python scripts/build_pose_prior.py [--data FOLDER] [-o src/handloom/fitting/pose_prior.npz]

Recorded: a Leap Motion capture (RoSeMotion, MIT) and a hand that tries out grasps and gestures before a
camera (dex-retargeting, MIT; 3D landmarks of MediaPipe). Generated: motion from gesture to gesture
(handloom.synthesis). The hand model is fitted to every recorded frame with nothing but the joint limits; the
angles so found, smoothed, give mean and covariance. The TemugeB clip takes no part: it is what the fit is
tested on. The signer's poses at hand (sign-language-processing/pose) take none either: their depth is in a
unit that cannot be recovered.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from handloom.fitting.frames import FitOptions, FrameEvidence, fit_frames
from handloom.fitting.prior import PosePrior, gaussian_prior, range_prior
from handloom.hand import HAND_TREE, HandModel, load_open_hand
from handloom.skeleton import FINGERS, HAND
from handloom.synthesis.motion import random_motion

Array = NDArray[np.float64]

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("HANDLOOM_TEST_DATA", ROOT.parent / "shared" / "data"))
OUT = ROOT / "src" / "handloom" / "fitting" / "pose_prior.npz"

LANDMARK_SIGMA_M, JOINT_SIGMA_M = 0.003, 0.002
LEAP_FPS, GRASPS_FPS = 1.0 / 0.018752, 30.0
SMOOTHING_S = 0.13
"""Recorded angles are smoothed by a Gaussian of this width: what is faster is noise of the recording."""
FLOOR = 0.2
"""Spread added to every angle, in halves of its range: what a minute of poses has not shown."""
COMMON = (25.0, 25.0, 25.0)
"""Spread, in degrees, added to the bending of all fingers together, at their base, middle and end joints.

The recordings show how fingers move with each other, not how far hands at large go."""
CURL, CURL_SHARES = 15.0, (0.7, 1.0, 0.6)
"""Spread, in degrees, added to the curling of each finger on its own, and each joint's share in it."""
GENERATED_SHARE = 0.6
RANGE_SHARE = 0.8
"""Standard deviation of the thumb's angles, in halves of their range."""
GENERATED_FRAMES, GENERATED_FPS = 6000, 10.0

_THUMB_ANGLES = 9


def main() -> None:
    """Write the file and say how wide the prior is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("-o", "--output", type=Path, default=OUT)
    options = parser.parse_args()
    poses = recorded_poses(options.data)
    prior = prior_of(poses, generated_poses())
    np.savez_compressed(
        options.output,
        mean=prior.mean.astype(np.float32),
        covariance=prior.covariance,
        weight=prior.weight,
        metadata=json.dumps(prior.metadata),
    )
    deviation = np.rad2deg(np.sqrt(np.diagonal(prior.covariance[0]))).reshape(15, 3)
    middle = np.rad2deg(prior.mean[0]).reshape(15, 3)
    for joint, a, b in zip(HAND_TREE.articulated, middle, deviation, strict=True):
        print(f"{joint:11s}", "  ".join(f"{x:6.1f} ± {y:4.1f}" for x, y in zip(a, b, strict=True)))
    print(f"{options.output}: {options.output.stat().st_size / 1024:.0f} KB")


def prior_of(recorded: dict[str, Array], generated: Array) -> PosePrior:
    """The prior from (n, 15, 3) angles by recording and from generated ones.

    The thumb keeps what its joint limits say: each recording holds it in one place of its own, and what one
    teaches about it is wrong for the others.
    """
    names = list(recorded)
    samples = [*recorded.values(), generated]
    shares = [*([(1.0 - GENERATED_SHARE) / len(names)] * len(names)), GENERATED_SHARE]
    weights = np.concatenate(
        [np.full(len(s), share / len(s)) for s, share in zip(samples, shares, strict=True)]
    )
    limits = load_open_hand().limits.reshape(45, 2)
    floor = FLOOR * 0.5 * (limits[:, 1] - limits[:, 0])
    learned = gaussian_prior(np.concatenate(samples), weights, floor)
    apart = range_prior(load_open_hand(), RANGE_SHARE)
    mean, covariance = apart.mean.copy(), apart.covariance.copy()
    mean[0, _THUMB_ANGLES:] = learned.mean[0, _THUMB_ANGLES:]
    covariance[0, _THUMB_ANGLES:, _THUMB_ANGLES:] = (
        learned.covariance[0, _THUMB_ANGLES:, _THUMB_ANGLES:] + unseen()[_THUMB_ANGLES:, _THUMB_ANGLES:]
    )
    return PosePrior(
        mean,
        covariance,
        np.ones(1),
        {
            "model": "open hand",
            "sources": SOURCES,
            "frames": {name: len(angles) for name, angles in recorded.items()}
            | {"generated": len(generated)},
            "share": dict(zip([*names, "generated"], shares, strict=True)),
            "smoothing_s": SMOOTHING_S,
            "floor": FLOOR,
            "common_deg": COMMON,
            "curl_deg": CURL,
        },
    )


def unseen() -> Array:
    """(45, 45) covariance of what few recordings cannot show: how far all fingers, or one of them, bend."""
    covariance = np.zeros((45, 45))
    for segment, spread in enumerate(COMMON):
        mode = np.zeros((15, 3))
        mode[3 + segment :: 3, 0] = np.deg2rad(spread)
        covariance += np.outer(mode, mode)
    for first in range(3, 15, 3):
        mode = np.zeros((15, 3))
        mode[first : first + 3, 0] = np.deg2rad(CURL) * np.array(CURL_SHARES)
        covariance += np.outer(mode, mode)
    return covariance


SOURCES = {
    "leap": "RoSeMotion, Leap Motion capture of a right hand, MIT licence",
    "grasps": "dex-retargeting, human_joint_right, MediaPipe world landmarks, MIT licence",
    "generated": "handloom.synthesis.motion: minimum-jerk motion between gestures",
}


def recorded_poses(data: Path) -> dict[str, Array]:
    """(n, 15, 3) angles of every recording, by name."""
    right = load_open_hand("right")
    return {
        "leap": poses_of(
            joint_model(right),
            leap_joints(data / "rosemotion_bvh/Test_bvh_test_output.bvh"),
            JOINT_SIGMA_M,
            LEAP_FPS,
        ),
        "grasps": poses_of(
            right,
            grasp_landmarks(data / "dex_retargeting/example/profiling/human_joint_right.pkl"),
            LANDMARK_SIGMA_M,
            GRASPS_FPS,
        ),
    }


def generated_poses() -> Array:
    """(n, 15, 3) angles of generated motion."""
    rng = np.random.default_rng(20)
    return random_motion(load_open_hand(), GENERATED_FRAMES, GENERATED_FPS, rng).angles


def poses_of(model: HandModel, keypoints: Array, sigma: float, fps: float) -> Array:
    """Angles of a recorded hand, one shape for all frames, with no prior but the joint limits.

    Args:
        model: the hand whose keypoints mean the same as those recorded.
        keypoints: (n, 21, 3) up to scale, NaN where missing; frames without a hand are left out.
        sigma: standard deviation of a keypoint, metres.
        fps: frames a second.
    """
    keypoints = keypoints[np.isfinite(keypoints).all(axis=(1, 2))]
    palm = HAND.indices(["wrist", "index_mcp", "middle_mcp", "ring_mcp", "little_mcp"])
    rest = model.rest_keypoints[palm]
    size = np.median(np.linalg.norm(keypoints[:, palm[1:]] - keypoints[:, palm[:1]], axis=-1).mean(axis=1))
    scaled = keypoints * (np.linalg.norm(rest[1:] - rest[0], axis=-1).mean() / size)
    options = FitOptions(prior=range_prior(model), sigma_m=sigma)
    evidence = FrameEvidence(keypoints3d=scaled)
    shape = np.median(fit_frames(model, evidence, options).shape, axis=0)
    fit = fit_frames(model, evidence, options, shape=shape)
    print(
        f"{len(scaled)} frames, distance to keypoints median "
        f"{np.median(fit.keypoint_error_m) * 1000:.1f} mm, shape {np.round(shape[:3], 1)}"
    )
    believed = fit.angles[fit.keypoint_error_m < 3.0 * np.median(fit.keypoint_error_m)]
    return model.clamp(gaussian_filter1d(believed, SMOOTHING_S * fps, axis=0))


def joint_model(model: HandModel) -> HandModel:
    """The hand with keypoints at the anatomical joint centres."""
    rest, directions = model.rest_keypoints.copy(), model.keypoint_directions.copy()
    weights = np.zeros((len(HAND), len(HAND_TREE)))
    for k, name in enumerate(HAND.joints):
        joint = HAND_TREE.index(HAND.joints[k - 1] if name.endswith("_tip") else name)
        weights[k, joint] = 1.0
        if not name.endswith("_tip"):
            rest[k], directions[k] = model.rest_joints[joint], model.joint_directions[joint]
    return replace(
        model, rest_keypoints=rest, keypoint_directions=directions, keypoint_weights=weights,
        keypoint_pose_directions=None,
    )  # fmt: skip


def leap_joints(path: Path) -> Array:
    """(n, 21, 3) joints of the Leap Motion capture, metres; joints 2 to 5 of a finger are base to tip."""
    head, motion = path.read_text().split("MOTION")
    names, parents, offsets, channels, stack = [], [], [], [], []  # type: ignore[var-annotated]
    for line in (line.strip() for line in head.splitlines()):
        if line.startswith(("ROOT", "JOINT")):
            names.append(line.split()[1])
            parents.append(stack[-1] if stack else -1)
        elif line.startswith("End"):
            names.append("")
            parents.append(stack[-1])
            channels.append([])
        elif line == "{":
            stack.append(len(names) - 1)
        elif line == "}":
            stack.pop()
        elif line.startswith("OFFSET"):
            offsets.append(np.array(line.split()[1:], dtype=float))
        elif line.startswith("CHANNELS"):
            channels.append(line.split()[2:])
    rows = np.array([line.split() for line in motion.strip().splitlines()[2:]], dtype=float)
    places, turns, at = [], [], 0  # type: ignore[var-annotated]
    for parent, offset, names_here in zip(parents, offsets, channels, strict=True):
        values = dict(zip(names_here, rows[:, at : at + len(names_here)].T, strict=True))
        at += len(names_here)
        shift = np.tile(offset, (len(rows), 1))
        if "Xposition" in values:
            shift = np.stack([values[f"{axis}position"] for axis in "XYZ"], axis=1)
        order = [name[0] for name in names_here if name.endswith("rotation")]
        turn = Rotation.identity(len(rows))
        if order:
            turn = Rotation.from_euler(
                "".join(order), np.stack([values[f"{a}rotation"] for a in order], axis=1), degrees=True
            )
        places.append(shift if parent < 0 else places[parent] + turns[parent].apply(shift))
        turns.append(turn if parent < 0 else turns[parent] * turn)
    by_name = dict(zip(names, places, strict=True))
    leap = {"little": "Pinky"} | {finger: finger.capitalize() for finger in FINGERS[:-1]}
    chains = [by_name[f"RightHand{leap[finger]}{k}"] for finger in FINGERS for k in (2, 3, 4, 5)]
    return np.stack([by_name["RightHand"], *chains], axis=1) / 1000.0


class _Arrays(pickle.Unpickler):
    """Reads NumPy arrays and refuses whatever else a pickle might call."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("numpy") and name in ("_reconstruct", "ndarray", "dtype"):
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise pickle.UnpicklingError(f"refused {module}.{name}")


def grasp_landmarks(path: Path) -> Array:
    """(621, 21, 3) world landmarks."""
    with path.open("rb") as file:
        return np.array(_Arrays(file).load(), dtype=np.float64)


if __name__ == "__main__":
    main()
