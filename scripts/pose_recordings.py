"""Recorded hands for the pose prior, as joint angles.

In space: a Leap Motion capture (RoSeMotion, MIT) and a hand that tries out grasps and gestures before a
camera (dex-retargeting, MIT; 3D landmarks of MediaPipe). Every frame is fitted with nothing but the joint
limits, the angles are smoothed.

Flat: hands of four gestures (hand-gesture-recognition-using-mediapipe, Apache-2.0) and a signer
(sign-language-processing/pose, MIT). One picture leaves much open: mean and covariance of their poses come
from expectation maximisation, in which every hand counts with what its picture leaves open. The signer's
depth is taken to be in widths of the picture, at which the palm keeps its size best, as a weak guess only.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from handloom.cameras import Camera
from handloom.fitting.frames import FitOptions, FrameEvidence, fit_frames
from handloom.fitting.picture import fit_picture
from handloom.fitting.picture_evidence import PictureEvidence
from handloom.fitting.prior import PosePrior, range_prior
from handloom.hand import HAND_TREE, HandModel, load_open_hand
from handloom.skeleton import FINGERS, HAND

Array = NDArray[np.float64]

SOURCES = {
    "leap": "RoSeMotion, Leap Motion capture of a right hand, MIT licence",
    "grasps": "dex-retargeting, human_joint_right, MediaPipe world landmarks, MIT licence",
    "gestures": "hand-gesture-recognition-using-mediapipe, 2D landmarks of four gestures, Apache-2.0 licence",
    "signs": "sign-language-processing/pose, MediaPipe landmarks of a signer, MIT licence",
}

LANDMARK_SIGMA_M, JOINT_SIGMA_M = 0.003, 0.002
LEAP_FPS, GRASPS_FPS = 1.0 / 0.018752, 30.0
SMOOTHING_S = 0.13
"""Recorded angles are smoothed by a Gaussian of this width: what is faster is noise of the recording."""
GESTURES_EACH, SIGNS_EVERY = 50, 2
"""Hands taken of every gesture, and every so-manieth frame of the signer."""
ROUNDS = 4
BELIEVED = 2.5
"""Flat hands whose residual is above so many medians are left out."""
LENS_PX, EXTENT_PX = 6000.0, 250.0
"""The long lens flat hands are seen through, and their root mean square radius in the picture."""


@dataclass(frozen=True, eq=False)
class Moments:
    """(45,) mean and (45, 45) covariance of the poses of a recording, radians, from so many frames."""

    mean: Array
    covariance: Array
    frames: int


def moments_of(angles: Array) -> Moments:
    """Moments of (n, 15, 3) angles."""
    flat = angles.reshape(len(angles), -1)
    return Moments(flat.mean(axis=0), np.cov(flat.T, bias=True), len(flat))


def recorded_poses(data: Path) -> dict[str, Array]:
    """(n, 15, 3) angles of every recording in space, by name."""
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


def flat_recordings(data: Path, broad: Callable[[HandModel], PosePrior]) -> dict[str, Moments]:
    """Moments of the recordings that are flat, by name; ``broad`` is the prior their fits begin with."""
    gestures = gesture_hands(data / "kinivi_keypoints/model/keypoint_classifier/keypoint.csv")
    signs = signer_hands(data / "slp_pose/src/python/tests/data/mediapipe.pose")
    return {
        "gestures": flat_moments("gestures", gestures, broad),
        "signs": flat_moments("signs", signs, broad),
    }


def flat_moments(name: str, hands: Array, broad: Callable[[HandModel], PosePrior]) -> Moments:
    """Moments of flat hands, by expectation maximisation.

    Seen from afar, a left hand looks as a right one of the same angles mirrored in depth does: the side does
    not matter.

    Args:
        name: of the recording.
        hands: (n, 21, 2) in any unit, or (n, 21, 3) with a guess of the depth in the same unit, y downwards.
        broad: the prior to begin with.
    """
    model = load_open_hand("right")
    K = np.array([[LENS_PX, 0.0, 1000.0], [0.0, LENS_PX, 1000.0], [0.0, 0.0, 1.0]])
    lens = Camera(name, (2000, 2000), K, np.zeros(5), np.eye(4), "brown-conrady")
    centred = hands - hands.mean(axis=1, keepdims=True)
    extent = np.sqrt(np.square(centred[..., :2]).sum(axis=-1).mean(axis=1))
    centred = centred * (EXTENT_PX / extent)[:, None, None]
    evidence = [
        PictureEvidence(hand[:, :2] + 1000.0, world=hand * 1e-4 if hand.shape[1] == 3 else None)
        for hand in centred
    ]
    prior = broad(model)
    for _ in range(ROUNDS):
        fits = [fit_picture(model, lens, seen, options=FitOptions(prior=prior)) for seen in evidence]
        off = np.array([fit.reprojection_px for fit in fits])
        fits = [fit for fit, believed in zip(fits, off < BELIEVED * np.median(off), strict=True) if believed]
        found = moments_of(np.stack([fit.angles for fit in fits]))
        left_open = np.mean([fit.covariance[6:51, 6:51] for fit in fits], axis=0)
        found = replace(found, covariance=found.covariance + 0.5 * (left_open + left_open.T))
        prior = PosePrior(found.mean[None], found.covariance[None], np.ones(1))
    print(f"{name}: {found.frames} hands, {np.median(off) / EXTENT_PX:.1%} of their extent off")
    return found


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


def gesture_hands(path: Path) -> Array:
    """(n, 21, 2) hands, the same number of every gesture, evenly taken from the file."""
    rows = np.loadtxt(path, delimiter=",")
    kinds = [rows[rows[:, 0] == kind, 1:] for kind in np.unique(rows[:, 0])]
    taken = [kind[np.linspace(0, len(kind) - 1, GESTURES_EACH).astype(int)] for kind in kinds]
    return np.concatenate(taken).reshape(-1, 21, 2)


def signer_hands(path: Path) -> Array:
    """(n, 21, 3) right hands of a ``.pose`` file (version 0.1), pixels, depth in widths of the picture."""
    data, at = path.read_bytes(), 0

    def read(kind: str) -> tuple[Any, ...]:
        nonlocal at
        values = struct.unpack_from(kind, data, at)
        at += struct.calcsize(kind)
        return values

    def text() -> str:
        (length,) = read("<H")
        return str(read(f"{length}s")[0].decode())

    _, width, _, _, components = read("<fHHHH")
    names = []
    for _ in range(components):
        component = text()
        text()
        points, limbs, colours = read("<HHH")
        names += [(component, text()) for _ in range(points)]
        at += 4 * limbs + 6 * colours
    _, frames, _ = read("<HHH")
    count = frames * len(names)
    xyz = np.frombuffer(data, "<f4", 3 * count, at).reshape(frames, len(names), 3).astype(np.float64)
    trust = np.frombuffer(data, "<f4", count, at + 12 * count).reshape(frames, len(names))
    right = [k for k, (component, _) in enumerate(names) if component == "RIGHT_HAND_LANDMARKS"]
    seen = trust[:, right].min(axis=1) > 0.0
    return (xyz[:, right] * [1.0, 1.0, width])[seen][::SIGNS_EVERY]
