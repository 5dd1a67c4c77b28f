"""The task of the lifting network: hands made while training, nothing read from disk."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from handloom import __version__
from handloom.evaluation.alignment import procrustes_aligned
from handloom.evaluation.joints import distances, mean
from handloom.lifting.lifter import DECIMETRE
from handloom.lifting.normalisation import INPUTS, normalised
from handloom.networks.lifter import Lifter
from handloom.networks.registry import Exported
from handloom.skeleton import HAND
from handloom.synthesis.seen_hands import Errors, SeenHands, seen_hands
from handloom.training.task import Part, Settings

Array = NDArray[np.float64]

_HELD_OUT = 1 << 40  # a step that no run reaches
_HELD_OUT_HANDS = 4000


@dataclass(frozen=True)
class LifterTask:
    """Train :class:`~handloom.networks.lifter.Lifter` on generated joints alone, by L1.

    Attributes:
        width, blocks: of the network.
        errors: of the generated keypoints.
    """

    width: int = 320
    blocks: int = 2
    errors: Errors = field(default_factory=Errors)
    name: str = "lifter"
    defaults: Settings = Settings(  # noqa: RUF009 - frozen
        steps=4000,
        batch=512,
        learning_rate=1e-3,
        schedule="cosine",
        warmup=100,
        clip=1.0,
        average=0.999,
        validate_every=500,
    )

    def network(self) -> nn.Module:
        """The network, initialised."""
        return Lifter(self.width, self.blocks)

    def batch(self, seed: int, step: int, size: int) -> dict[str, Tensor]:
        """Inputs (size, 64) and the joints (size, 21, 3) decimetres in the virtual camera's axes."""
        inputs, points = _seen(seen_hands(size, np.random.default_rng([seed, step]), self.errors))
        return {"inputs": torch.from_numpy(inputs), "points": torch.from_numpy(points)}

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean absolute difference of coordinates."""
        off = (network(batch["inputs"]) - batch["points"]).abs().mean()
        return off, {"L1, mm": 1e3 * DECIMETRE * off.detach()}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Errors on generated hands that no run trains on."""
        made = seen_hands(_HELD_OUT_HANDS, np.random.default_rng([0, _HELD_OUT]), self.errors)
        inputs, points = _seen(made)
        device = next(network.parameters()).device
        with torch.no_grad():
            guess = network(torch.from_numpy(inputs).to(device)).double().cpu().numpy()
        millimetres = 1e3 * DECIMETRE
        aligned = procrustes_aligned(guess, points)
        return {
            "PA-MPJPE, mm": millimetres * mean(distances(aligned, points)),
            "MPJPE around the middle, mm": millimetres * mean(distances(guess, points)),
        }

    def parts(self, network: nn.Module) -> tuple[Part, ...]:
        """The network as it is."""
        about = {
            "network": self.name,
            "variant": f"{self.width}x{self.blocks}",
            "inputs": "handloom.lifting.normalisation",
            "joint order": " ".join(HAND.joints),
            "output": "decimetres in the virtual camera's axes, around the middle of the joints",
            "handloom": __version__,
        }
        example = (torch.zeros(2, INPUTS),)
        return (Part(self.name, network, Exported(network), ("keypoints",), ("joints",), example, about),)

    def data(self) -> dict[str, Any]:
        """The errors that the keypoints were given."""
        return {"source": "handloom.synthesis.seen_hands", "errors": asdict(self.errors)}


def _seen(made: SeenHands) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    view = normalised(made.rays, False, made.confidence)
    return view.inputs, (view.turned(made.xyz) / DECIMETRE).astype(np.float32)
