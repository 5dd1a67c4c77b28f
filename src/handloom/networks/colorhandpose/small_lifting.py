"""PosePrior and Viewpoint in small: from where the joints are, instead of from the maps' pixels.

The maps are reduced to a place and a confidence per joint, which a residual network of dense layers (Martinez
et al. 2017) lifts. Inputs and outputs are those of the paper's networks, for maps of any size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from handloom.networks.colorhandpose.decoding import expectation
from handloom.networks.colorhandpose.layers import SLOPE
from handloom.skeleton import HAND


class _SmallStream(nn.Module):
    def __init__(self, outputs: int, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        # Joints about their mean, confidences, that mean, their spread, the side.
        self.first = nn.Linear(3 * len(HAND) + 2 + 1 + 2, width)
        self.blocks = nn.ModuleList(_Residual(width, dropout) for _ in range(blocks))
        self.out = nn.Linear(width, outputs)

    def forward(self, maps: Tensor, side: Tensor) -> Tensor:
        positive = maps.clamp(min=0)
        mass = positive.sum(dim=(-2, -1), keepdim=True)
        places = expectation(positive / mass.clamp(min=1e-6))
        confidence = positive.amax(dim=(-2, -1)).clamp(max=1)
        # Joints without a place (empty maps) count neither in the mean nor as inputs.
        weight = confidence / confidence.sum(dim=-1, keepdim=True).clamp(min=1e-6)
        mean = (weight[..., None] * places).sum(dim=-2)
        about = places - mean[..., None, :]
        spread = ((weight[..., None] * about**2).sum(dim=(-2, -1)) + 1e-6).sqrt()[..., None]
        about = confidence[..., None] * about / spread[..., None]
        x = torch.cat([about.flatten(-2), confidence, mean, spread, side], dim=-1)
        x = functional.leaky_relu(self.first(x), SLOPE)
        for block in self.blocks:
            x = block(x)
        return self.out(x)


class SmallPosePrior(_SmallStream):
    """Canonical coordinates of the joints.

    Args:
        width: of the layers.
        blocks: pairs of layers.
        dropout: share of values dropped.
    """

    def __init__(self, width: int = 256, blocks: int = 2, dropout: float = 0.0) -> None:
        super().__init__(3 * len(HAND), width, blocks, dropout)

    def forward(self, maps: Tensor, side: Tensor) -> Tensor:
        """(N, 21, 3) canonical joints for (N, 21, h, w) maps and (N, 2) sides, [1, 0] left, [0, 1] right."""
        return super().forward(maps, side).unflatten(1, (len(HAND), 3))


class SmallViewpoint(_SmallStream):
    """Rotation from the canonical frame to the camera's; arguments as of :class:`SmallPosePrior`."""

    def __init__(self, width: int = 256, blocks: int = 2, dropout: float = 0.0) -> None:
        super().__init__(3, width, blocks, dropout)

    def forward(self, maps: Tensor, side: Tensor) -> Tensor:
        """(N, 3) axis times angle, radians, for the inputs of :class:`SmallPosePrior`."""
        return super().forward(maps, side)


class _Residual(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        y = functional.leaky_relu(self.first(self.norm(x)), SLOPE)
        return x + functional.dropout(self.second(y), self.dropout, self.training)
