"""A linear head on the features of the hand-landmark network: 21 keypoints, and the joints in space.

The network pools its last layer to 1,152 numbers and reads landmarks and world landmarks from them linearly.
This head does the same with weights that were moved away from the network's own only as far as made pictures
with exact truth ask for (ridge regression around them; algorithms.md §14).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.detection.regions import Region
from handloom.errors import ModelError
from handloom.lifting.weights import read_weights
from handloom.skeleton import HAND

Array = NDArray[np.float64]
Tensor = NDArray[np.float32]

FEATURES = 1152
CROP_PX = 224
"""Side of the network's crop, in whose pixels the keypoints are."""


@dataclass(frozen=True, eq=False)
class LandmarkHead:
    """Weights and biases of the head.

    Attributes:
        xy: (42, 1152) and (42,) crop pixels of the keypoints.
        world: (63, 1152) and (63,) metres, in the axes of a camera that looks straight at the upright crop.
        metadata: of the file.
    """

    xy: tuple[Tensor, Tensor]
    world: tuple[Tensor, Tensor]
    metadata: dict[str, str]

    @classmethod
    def read(cls, path: str | Path) -> LandmarkHead:
        """Read weights that `scripts/train_landmark_head.py` wrote.

        Raises:
            ModelError: if the file is missing, damaged, or no such head's.
        """
        tensors, metadata = read_weights(path)
        try:
            xy, world = ((tensors[f"{name}.weight"], tensors[f"{name}.bias"]) for name in ("xy", "world"))
            fits = xy[0].shape == (2 * len(HAND), FEATURES) and world[0].shape == (3 * len(HAND), FEATURES)
        except KeyError:
            fits = False
        if not fits:
            raise ModelError(
                f"{path} holds no landmark head.", "Give a file that scripts/train_landmark_head.py wrote."
            )
        return cls(xy, world, metadata)

    def keypoints(self, features: ArrayLike, region: Region) -> Array:
        """(21, 2) pixels of the picture, from (1152,) features of a region."""
        W, b = self.xy
        affine = region.to_image(CROP_PX)
        return _run(features, W, b, 2) @ affine[:, :2].T + affine[:, 2]

    def in_space(self, features: ArrayLike, region: Region) -> Array:
        """(21, 3) metres from (1152,) features of a region: as ``Reading.world``."""
        W, b = self.world
        return _run(features, W, b, 3) @ upright_to_level(region.angle)


def upright_to_level(angle: float) -> Array:
    """(3, 3) takes points, as rows, of the upright crop's axes into those of a level camera."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def _run(features: ArrayLike, W: Tensor, b: Tensor, axes: int) -> Array:
    return (W @ np.asarray(features, np.float32) + b).reshape(len(HAND), axes).astype(np.float64)


@cache
def load_landmark_head() -> LandmarkHead:
    """The head that the project ships."""
    return LandmarkHead.read(Path(str(files("handloom.lifting") / "landmark_head.safetensors")))
