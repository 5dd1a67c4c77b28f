"""PosePrior and Viewpoint as the paper has them: from score maps to the canonical hand and its rotation.

The hand is ``canonical @ rotation`` with points as rows, from its root and in units of the bone that
scales it. The z of a right hand's canonical points is negated first: the canonical frame is a left hand's.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from handloom.networks.colorhandpose.layers import SLOPE, Convolution
from handloom.skeleton import HAND

MAP_SIZE = 32
"""Side of the score maps: the dense layers take no other."""


class _Stream(nn.Module):
    """Three pairs of convolutions that halve the maps, then dense layers that know the side."""

    def __init__(self, widths: tuple[int, ...], dense: tuple[int, ...], outputs: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, width in pairwise((len(HAND), *widths)):
            layers += [Convolution(before, width, 3), Convolution(width, width, 3, stride=2)]
        self.maps = nn.Sequential(*layers)
        cells = (MAP_SIZE >> len(widths)) ** 2
        sizes = (cells * widths[-1] + 2, *dense)
        self.dense = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))
        self.out = nn.Linear(dense[-1], outputs)
        self.dropout = dropout

    def forward(self, maps: Tensor, side: Tensor) -> Tensor:
        x = torch.cat([self.maps(maps).flatten(1), side], dim=1)
        for layer in self.dense:
            x = functional.leaky_relu(layer(x), SLOPE, inplace=True)
            x = functional.dropout(x, self.dropout, self.training)
        return self.out(x)


class PosePrior(_Stream):
    """Canonical coordinates of the joints (§3.3 of the paper); 1 637 279 weights.

    Args:
        dropout: share of values dropped. The paper has 0.2; the published training leaves it out.
    """

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__((32, 64, 128), (512, 512), 3 * len(HAND), dropout)

    def forward(self, maps: Tensor, side: Tensor) -> Tensor:
        """(N, 21, 3) canonical joints of (N, 21, 32, 32) maps and (N, 2) sides: [1, 0] left, [0, 1] right."""
        return super().forward(maps, side).unflatten(1, (len(HAND), 3))


class Viewpoint(_Stream):
    """Rotation from the canonical frame to the camera's (§3.3 of the paper); 2 238 403 weights.

    Args:
        dropout: share of values dropped. The paper has 0.25; the published training leaves it out.
    """

    def __init__(self, dropout: float = 0.25) -> None:
        super().__init__((64, 128, 256), (256, 128), 3, dropout)

    def forward(self, maps: Tensor, side: Tensor) -> Tensor:
        """(N, 3) axis times angle, radians, for the inputs of :class:`PosePrior`."""
        return super().forward(maps, side)
