"""The learning rate at every step, the optimiser, and the moving average of the weights."""

from __future__ import annotations

from math import cos, pi

import torch
from torch import Tensor, nn

from handloom.training.task import Settings


def rate_at(settings: Settings, step: int) -> float:
    """The learning rate of the step with that number, from 0."""
    rate = settings.learning_rate
    if settings.schedule == "cosine":
        rate *= 0.5 * (1.0 + cos(pi * min(step / settings.steps, 1.0)))
    else:
        rate *= settings.drop_factor ** sum(step >= drop for drop in settings.drops)
    return rate * min(1.0, (step + 1) / settings.warmup) if settings.warmup else rate


def optimiser(network: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """Adam, with decoupled decay of weights (Loshchilov & Hutter 2019); biases and norms do not decay."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=settings.learning_rate)


class Average:
    """An exponential moving average of a network's state.

    Young averages follow faster, so that the first weights are soon forgotten.

    Args:
        network: whose state it begins with.
        decay: in the long run.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step, counted from 0; whatever is no weight is copied."""
        decay = min(self.decay, (1.0 + step) / (10.0 + step))
        ours: list[Tensor] = []
        theirs: list[Tensor] = []
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                ours.append(self.state[name])
                theirs.append(value)
            else:
                self.state[name].copy_(value)
        torch._foreach_lerp_(ours, theirs, 1.0 - decay)

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        for name, value in self.state.items():
            value.copy_(state[name])
