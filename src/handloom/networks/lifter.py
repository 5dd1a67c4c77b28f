"""A lifting network: 21 keypoints of a picture in, the hand in space out (the PosePrior family).

A residual perceptron, as Martinez et al. (2017) lift bodies. What it takes and gives is written down in
:mod:`handloom.lifting.normalisation`; :mod:`handloom.lifting.lifter` computes the same without torch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from handloom.lifting.normalisation import INPUTS
from handloom.skeleton import HAND


class Lifter(nn.Module):
    """Keypoints → joints in space.

    Args:
        width: of the hidden layers.
        blocks: residual blocks of two layers each.
    """

    def __init__(self, width: int = 320, blocks: int = 2) -> None:
        super().__init__()
        self.enter = nn.Linear(INPUTS, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.leave = nn.Linear(width, 3 * len(HAND))

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, 64) inputs of the virtual camera → (N, 21, 3) decimetres in its axes, around their middle."""
        x = self.enter(inputs)
        for block in self.blocks:
            x = block(x)
        points = self.leave(torch.relu(x)).reshape(-1, len(HAND), 3)
        return points - points.mean(dim=1, keepdim=True)


class _Block(nn.Module):
    """x + W₂ relu(W₁ relu(x)); starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.second(torch.relu(self.first(torch.relu(x))))
        return out
