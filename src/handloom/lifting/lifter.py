"""A hand in space from 21 keypoints of one picture: the lifting network, without torch.

The PosePrior family of ColorHandPose3D (Zimmermann & Brox 2017) with keypoints in place of score maps; what
worked is in algorithms.md §14. The weights that come along were trained on generated joints alone
(``handloom train lifter``; docs/models.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.errors import ModelError
from handloom.lifting.normalisation import INPUTS, normalised
from handloom.lifting.weights import read_weights
from handloom.skeleton import HAND

Array = NDArray[np.float64]
Tensor = NDArray[np.float32]

DECIMETRE = 0.1
"""The network's unit in metres: joints then lie about half of one from their middle."""


@dataclass(frozen=True, eq=False)
class Lifter:
    """A trained lifting network.

    Attributes:
        layers: weights (out, in) and bias (out,) of the first layer, of two layers per residual block, and of
            the last.
        metadata: of the file.
    """

    layers: tuple[tuple[Tensor, Tensor], ...]
    metadata: dict[str, str]

    @classmethod
    def read(cls, path: str | Path) -> Lifter:
        """Read weights that ``handloom train lifter`` wrote.

        Raises:
            ModelError: if the file is missing, damaged, or another network's.
        """
        tensors, metadata = read_weights(path)
        blocks = len({name.split(".")[1] for name in tensors if name.startswith("blocks.")})
        inner = [f"blocks.{block}.{layer}" for block in range(blocks) for layer in ("first", "second")]
        names = ["enter", *inner, "leave"]
        try:
            layers = tuple((tensors[f"{name}.weight"], tensors[f"{name}.bias"]) for name in names)
            fits = layers[0][0].shape[1] == INPUTS and layers[-1][0].shape[0] == 3 * len(HAND)
        except KeyError:
            fits = False
        if not fits:
            raise ModelError(
                f"{path} holds no lifting network.", "Give a file that `handloom train lifter` wrote."
            )
        return cls(layers, metadata)

    def lift(self, rays: ArrayLike, side: ArrayLike, confidence: ArrayLike | None = None) -> Array:
        """The joints in space.

        Args:
            rays: (..., 21, 2) keypoints as ``Camera.undistort`` gives them; NaN where missing.
            side: ``"left"`` or ``"right"``, or an array (...) of these.
            confidence: (..., 21) in [0, 1]; one without.

        Returns:
            (..., 21, 3) metres around their middle, at the size of an average hand, in the axes of a camera
            that looks straight at the hand: as ``Reading.world``.
        """
        view = normalised(rays, np.asarray(side) == "left", confidence)
        points = DECIMETRE * self.run(view.inputs.reshape(-1, INPUTS)).astype(np.float64)
        return view.turned_back(points.reshape(*view.inputs.shape[:-1], len(HAND), 3))

    def run(self, inputs: Tensor) -> Tensor:
        """(N, 64) inputs → (N, 21, 3): :class:`handloom.networks.lifter.Lifter` in NumPy."""
        (W, b), *inner, (W_last, b_last) = self.layers
        x = inputs @ W.T + b
        for (W1, b1), (W2, b2) in zip(inner[::2], inner[1::2], strict=True):
            x = x + np.maximum(np.maximum(x, 0) @ W1.T + b1, 0) @ W2.T + b2
        points = (np.maximum(x, 0) @ W_last.T + b_last).reshape(-1, len(HAND), 3)
        return np.asarray(points - points.mean(axis=1, keepdims=True))


@cache
def load_lifter() -> Lifter:
    """The network that the project ships."""
    return Lifter.read(Path(str(files("handloom.lifting") / "lifter.safetensors")))
