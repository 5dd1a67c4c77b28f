"""Fitting the landmark head: made pictures through the landmark network, then one linear system (numpy only).

Only pictures that the network itself reads well take part: of the others its features hold what no linear
map undoes. The ridge penalty is on the distance to the network's own weights, not to zero; without it, and
without that choice of pictures, the head is no better on real hands than what it started from (algorithms.md
§14).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from handloom.cameras.facing import facing
from handloom.detection import HandDetector, Region
from handloom.detection.models import model_path
from handloom.errors import ModelError, TrainingError
from handloom.fitting.hand_size import length_and_slope
from handloom.hand import load_open_hand
from handloom.lifting.landmark_head import CROP_PX, FEATURES, upright_to_level
from handloom.skeleton import HAND
from handloom.synthesis.pictures import Recipe, draw_sample

Array = NDArray[np.float64]
Linear = tuple[Array, Array]

RECIPE = Recipe(
    hands={"one": 1.0},
    image_size=(288, 288),
    hand_share=(0.45, 0.9),
    field_of_view_deg=(20.0, 75.0),
    occluders=0.12,
    distractors=0.1,
)
"""One hand a picture, larger than usual: the crop shows it at the resolution of the network."""

READ_WELL = 12.0
"""Mean 2D error, in 256ths of the crop, below which a picture takes part, ..."""
PRESENT = 0.5
"""... and least presence."""
PENALTY_XY, PENALTY_WORLD = 30.0, 0.01
"""Strength of the ridge in mean variances of a feature. Keypoints are to stay where they are, since the
network was made for real pictures; joints in space are to learn. Chosen on the first half of view 0 of the
TemugeB clip."""
_FEWEST = 200


@dataclass(frozen=True, eq=False)
class Examples:
    """What the network made of made hands, and what is true.

    Attributes:
        features: (N, 1152).
        xy: (N, 21, 2) true keypoints in pixels of the crop.
        xyz: (N, 21, 3) true joints around their middle in the axes of a camera that looks straight at the
            upright crop, metres, at the size of the mean hand.
        presence: (N,).
    """

    features: NDArray[np.float32]
    xy: Array
    xyz: Array
    presence: Array

    @classmethod
    def joined(cls, parts: Iterable[Examples]) -> Examples:
        """Several as one, in order."""
        rows = [(part.features, part.xy, part.xyz, part.presence) for part in parts]
        return cls(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def make_examples(seed: int, numbers: Iterable[int], detector: HandDetector | None = None) -> Examples:
    """Read the made pictures of some numbers; a pure function of them and the seed."""
    detector = detector or HandDetector(features=True)
    mean_length, slope = length_and_slope(load_open_hand())
    rows = []
    for number in numbers:
        (sample,) = draw_sample(RECIPE, seed, number)
        (hand,) = sample.hands
        assert sample.image is not None
        assert sample.camera is not None
        assert hand.parameters is not None
        region = _scattered(detector, hand.xy, np.random.default_rng([seed, number]))
        reading = detector.read(sample.image, region)
        affine = region.to_image(CROP_PX)
        direction = np.append(sample.camera.undistort(np.array([region.x, region.y])), 1.0)
        xyz = hand.xyz * mean_length / (mean_length + slope @ hand.parameters.shape)
        upright = (xyz - xyz.mean(axis=0)) @ facing(direction) @ upright_to_level(region.angle).T
        xy = (hand.xy - affine[:, 2]) @ np.linalg.inv(affine[:, :2]).T
        rows.append((reading.features, xy, upright, reading.presence))
    return Examples(*(np.array(column) for column in zip(*rows, strict=True)))


def network_head() -> tuple[Linear, Linear]:
    """The network's own weights and biases for (42) keypoint coordinates and (63) coordinates in space."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(model_path("hand_landmark_full")), num_threads=1)
    place = {entry["name"]: entry["index"] for entry in interpreter.get_tensor_details()}

    def linear(name: str) -> Linear:
        names = f"model_1/model/{name}/MatMul", f"model_1/model/{name}/BiasAdd/ReadVariableOp/resource"
        if not all(each in place for each in names):
            raise ModelError(f"The landmark network has no layer {name}.", "Fetch it anew.")
        W, b = (interpreter.get_tensor(place[each]).astype(np.float64) for each in names)
        return W, b

    W, b = linear("conv_landmarks")
    J = len(HAND)
    keypoints = W.reshape(J, 3, FEATURES)[:, :2].reshape(2 * J, FEATURES), b.reshape(J, 3)[:, :2].ravel()
    return keypoints, linear("conv_world_landmarks")


def fit_head(
    examples: Examples, penalty_xy: float = PENALTY_XY, penalty_world: float = PENALTY_WORLD
) -> tuple[dict[str, NDArray[np.float32]], int]:
    """The head's tensors by name, and how many examples took part.

    Raises:
        TrainingError: if too few pictures are read well.
    """
    (W, b), (V, v) = network_head()
    J = len(HAND)
    F = examples.features.astype(np.float64)
    own_xy = (F @ W.T + b).reshape(-1, J, 2)
    error = np.linalg.norm(own_xy - examples.xy, axis=-1).mean(axis=1) * 256 / CROP_PX
    good = (error < READ_WELL) & (examples.presence >= PRESENT)
    if good.sum() < _FEWEST:
        raise TrainingError(
            f"The network reads only {good.sum()} of {len(F)} pictures well.", "Make more pictures."
        )
    F = F[good]
    own = (F @ V.T + v).reshape(-1, J, 3)
    middle = own.mean(axis=1, keepdims=True)
    true = examples.xyz[good]
    # Neither place nor size of the network's hand is to be learned.
    size = ((own - middle) * true).sum() / (true * true).sum()
    left_xy = (examples.xy - own_xy)[good].reshape(len(F), -1)
    left = (size * true + middle - own).reshape(len(F), -1)
    dW, db = ridge(F, left_xy, penalty_xy)
    dV, dv = ridge(F, left, penalty_world)
    tensors = {
        "xy.weight": W + dW,
        "xy.bias": b + db,
        "world.weight": V + dV,
        "world.bias": v + dv,
    }
    return {name: np.ascontiguousarray(t, dtype=np.float32) for name, t in tensors.items()}, int(good.sum())


def ridge(features: Array, residuals: Array, penalty: float) -> Linear:
    """Weights (out, in) and bias of the linear map with the least Σ‖ΔW f + Δb − r‖² + λ‖ΔW‖².

    Args:
        features: (N, in).
        residuals: (N, out).
        penalty: λ in units of N times the mean variance of a feature.
    """
    middle, mean = features.mean(axis=0), residuals.mean(axis=0)
    centred = features - middle
    A = centred.T @ centred
    A[np.diag_indices(len(A))] += penalty * np.trace(A) / len(A)
    W = np.linalg.solve(A, centred.T @ (residuals - mean)).T
    return W, mean - W @ middle


def _scattered(detector: HandDetector, xy: Array, rng: np.random.Generator) -> Region:
    """A region as tracking would give it: around keypoints with errors, a little beside."""
    extent = float(np.ptp(xy, axis=0).max())
    region = detector.region_of(xy + rng.normal(0.0, 0.03 * extent, xy.shape))
    return replace(
        region,
        x=region.x + rng.normal(0.0, 0.03) * region.size,
        y=region.y + rng.normal(0.0, 0.03) * region.size,
        size=region.size * float(np.exp(rng.normal(0.0, 0.08))),
        angle=region.angle + rng.normal(0.0, 0.1),
    )
