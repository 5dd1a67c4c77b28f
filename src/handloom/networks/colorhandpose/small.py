"""HandSegNet and PoseNet that run in real time on a processor: one backbone, small decoders.

Both are EfficientNet-lite0 up to some stage and a decoder that climbs back to a quarter of the picture's
size with what it passed on the way down. PoseNet's maps are distributions over the cells, so that a place is
a mean and not a cell: the maps may be coarse (integral regression, Sun et al. 2018; with a target for the
maps' shape, Nibali et al. 2018).
"""

from __future__ import annotations

from itertools import pairwise
from math import pi
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from handloom.networks.colorhandpose.decoding import (
    PAPER_SIGMA,
    expectation,
    pixels,
    spatial_log_softmax,
)
from handloom.networks.efficientnet import Backbone
from handloom.skeleton import HAND

POSE_STAGES = 5
"""Of the backbone: down to 1/16. The sixth is slower to train and does not lower PoseNet's loss."""
MASK_STAGES, LAST_BLOCKS = 6, 1
"""Down to 1/32, and so much of the sixth: a cell sees what a piece of skin or cloth belongs to."""
STRIDE = 4
"""Pixels of the picture per cell of PoseNet's maps."""
MASK_STRIDE = 2
"""And of the mask: fingers in a picture are a few pixels wide."""
_AT_A_JOINT = 24
"""Channels that are looked at where a joint is."""


class Pose(NamedTuple):
    """What the small PoseNet says of (N, 3, H, W) crops.

    Attributes:
        logits: (N, 21, H/4, W/4) of the distributions over the cells; what losses take.
        maps: the distributions, scaled so that a Gaussian of the paper's width has its peak at 1. The peak is
            a confidence: lower the less the network is sure where the joint is.
        keypoints: (N, 21, 2) means of the distributions, pixels of the crop.
        hand: (N,) logit that the crop shows a hand at all.
        right: (N,) logit that it is a right one.
    """

    logits: Tensor
    maps: Tensor
    keypoints: Tensor
    hand: Tensor
    right: Tensor


class SmallHandSegNet(nn.Module):
    """Hand or not, for every block of 2×2 pixels; four blocks are told by one cell of the decoder.

    Args:
        backbone: to share it with another network; else it has one of its own.
        widths: channels of the decoder, from coarse to fine; one for each of the backbone's features.
    """

    def __init__(self, backbone: Backbone | None = None, widths: tuple[int, ...] = (128, 96, 64, 32)) -> None:
        super().__init__()
        self.backbone = backbone or Backbone(MASK_STAGES, LAST_BLOCKS)
        self.decoder = Decoder(self.backbone.channels, widths)
        self.finer = STRIDE // MASK_STRIDE
        self.out = _last_layer(widths[-1], 2 * self.finer**2)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 2, H/2, W/2) logits of background and hand for (N, 3, H, W) RGB in [0, 1].

        H and W must be multiples of the backbone's stride.
        """
        return functional.pixel_shuffle(self.out(self.decoder(self.backbone(pictures))), self.finer)


class SmallPoseNet(nn.Module):
    """Where the 21 joints are in a crop, whether it shows a hand, and which.

    Args:
        backbone: to share it with another network; else it has one of its own.
        widths: channels of the decoder, from coarse to fine; one for each of the backbone's features.
    """

    def __init__(self, backbone: Backbone | None = None, widths: tuple[int, ...] = (128, 96, 64)) -> None:
        super().__init__()
        self.backbone = backbone or Backbone(POSE_STAGES)
        self.decoder = Decoder(self.backbone.channels, widths)
        self.out = _last_layer(widths[-1], len(HAND))
        self.kind = nn.Sequential(nn.Linear(self.backbone.channels[-1], 64), nn.ReLU(), nn.Linear(64, 2))
        self.side = SideHead(self.backbone.channels[-1])

    def forward(self, crops: Tensor) -> Pose:
        """Read (N, 3, H, W) RGB in [0, 1]; H and W must be multiples of the backbone's stride."""
        features = self.backbone(crops)
        logits = self.out(self.decoder(features))
        hand, right = self.kind(features[-1].mean(dim=(-2, -1))).unbind(-1)
        share = spatial_log_softmax(logits).exp()
        height, width = logits.shape[-2:]
        found = expectation(share)
        right = right + self.side(features[-1], share.detach(), found.detach())
        keypoints = pixels(found, STRIDE * width, STRIDE * height)
        peak = 1 / (2 * pi * PAPER_SIGMA**2 * height * width)
        return Pose(logits, share / peak, keypoints, hand, right)


class SideHead(nn.Module):
    """Which hand it is: from the features at every joint, and where the joints are.

    A left palm has the outline of the back of a right hand. So neither the outline nor what the picture shows
    as a whole tells the side; how the skin looks where the thumb is, or the nails, does.

    Args:
        channels: of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(channels, _AT_A_JOINT, 1)
        last = nn.Linear(128, 1)
        # Begins without a say, so that it can be added to a network that was trained without it.
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        first = nn.Linear(len(HAND) * (_AT_A_JOINT + 2), 128)
        self.layers = nn.Sequential(first, nn.ReLU(), nn.Dropout(0.2), last)

    def forward(self, features: Tensor, share: Tensor, places: Tensor) -> Tensor:
        """(N,) what is added to the logit of a right hand.

        Args:
            features: (N, C, h, w).
            share: (N, 21, H, W) distributions over cells that are a whole number of times finer.
            places: (N, 21, 2) their means, in sides of the crop.
        """
        finer = share.shape[-1] // features.shape[-1]
        there = (finer**2 * functional.avg_pool2d(share, finer)).flatten(2)
        seen = there @ self.narrow(features).flatten(2).transpose(1, 2)
        return self.layers(torch.cat([seen, places], dim=-1).flatten(1))[:, 0]


class Decoder(nn.Module):
    """Features of a backbone, from coarse to fine: twice as large, the finer features added, filtered.

    The coarsest also get the mean over the picture: what it shows as a whole.

    Args:
        channels: of the features, from fine to coarse.
        widths: of the levels, from coarse to fine.
    """

    def __init__(self, channels: tuple[int, ...], widths: tuple[int, ...]) -> None:
        super().__init__()
        if len(channels) != len(widths):
            raise ValueError(f"{len(channels)} features want as many widths, not {len(widths)}")
        self.skips = nn.ModuleList(
            nn.Conv2d(channel, width, 1) for channel, width in zip(reversed(channels), widths, strict=True)
        )
        self.whole = nn.Linear(channels[-1], widths[0])
        self.narrowing = nn.ModuleList(
            nn.Conv2d(before, width, 1, bias=False) for before, width in pairwise(widths)
        )
        self.filters = nn.ModuleList(_filter(width) for width in widths)

    def forward(self, features: list[Tensor]) -> Tensor:
        whole = self.whole(features[-1].mean(dim=(-2, -1)))[..., None, None]
        x = self.filters[0](self.skips[0](features[-1]) + whole)
        levels = zip(self.narrowing, self.skips[1:], self.filters[1:], reversed(features[:-1]), strict=True)
        for narrow, skip, filtered, feature in levels:
            x = functional.interpolate(narrow(x), scale_factor=2.0, mode="nearest")
            x = filtered(x + skip(feature))
        return x


def _filter(width: int) -> nn.Sequential:
    """Depthwise 5×5 and 1×1, normalised, as the backbone's blocks have them."""
    return nn.Sequential(
        nn.Conv2d(width, width, 5, padding=2, groups=width, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )


def _last_layer(width: int, outputs: int) -> nn.Conv2d:
    """Small at first, so that training begins from an even distribution."""
    layer = nn.Conv2d(width, outputs, 1)
    nn.init.normal_(layer.weight, std=0.01)
    assert layer.bias is not None
    torch.nn.init.zeros_(layer.bias)
    return layer
