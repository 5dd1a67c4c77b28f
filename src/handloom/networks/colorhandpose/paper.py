"""HandSegNet and PoseNet as the paper has them."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from handloom.networks.colorhandpose.layers import Convolution, trunk
from handloom.skeleton import HAND

_SHARED = ((64,) * 2, (128,) * 2, (256,) * 4)
_MIDDLE = 0.5
"""What is taken from pictures in [0, 1]."""


class HandSegNet(nn.Module):
    """Hand or not, for every pixel (§3.1 of the paper); 13 601 986 weights."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(trunk(*_SHARED, (512,) * 4))
        self.head = nn.Sequential(
            OrderedDict(
                conv5_1=Convolution(512, 512, 3),
                conv5_2=Convolution(512, 128, 3),
                conv6_1=Convolution(128, 512, 1),
                conv6_2=Convolution(512, 2, 1, linear=True),
            )
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 2, H, W) logits of background and hand for (N, 3, H, W) RGB in [0, 1], H and W at least 8."""
        logits = self.head(self.trunk(pictures - _MIDDLE))
        return functional.interpolate(logits, pictures.shape[-2:], mode="bilinear", align_corners=False)


class PoseNet(nn.Module):
    """Score maps of the 21 joints, refined twice (§3.2 of the paper); 17 518 847 weights.

    Every stage after the first sees the maps of the one before beside the features.
    """

    def __init__(self) -> None:
        super().__init__()
        joints = len(HAND)
        self.trunk = nn.Sequential(trunk(*_SHARED, (512, 512, 256, 256, 256, 256, 128)))
        self.stage1 = nn.Sequential(
            OrderedDict(conv5_1=Convolution(128, 512, 1), conv5_2=Convolution(512, joints, 1, linear=True))
        )
        self.stage2 = _refinement("conv6", joints)
        self.stage3 = _refinement("conv7", joints)

    def forward(self, crops: Tensor) -> list[Tensor]:
        """Maps of the three stages, each (N, 21, H/8, W/8), for (N, 3, H, W) RGB in [0, 1].

        A map is to be 1 at its joint and falls off as a Gaussian; the last stage is the result.
        """
        features = self.trunk(crops - _MIDDLE)
        maps = [self.stage1(features)]
        for stage in (self.stage2, self.stage3):
            maps.append(stage(torch.cat([maps[-1], features], dim=1)))
        return maps


def _refinement(name: str, joints: int) -> nn.Sequential:
    widths = [joints + 128, *(128,) * 5]
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        (f"{name}_{i}", Convolution(width, 128, 7)) for i, width in enumerate(widths[:-1], start=1)
    )
    layers[f"{name}_6"] = Convolution(128, 128, 1)
    layers[f"{name}_7"] = Convolution(128, joints, 1, linear=True)
    return nn.Sequential(layers)
