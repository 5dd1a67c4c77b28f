"""EfficientNet-lite0 as a backbone: features of a picture at 1/4 to 1/32 of its size.

Tan and Le 2019, in the variant of their authors for small devices: ReLU6, no squeeze and excitation, widths
of stem and head fixed. The module carries only what a decoder uses; the classifier is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Stage:
    """Blocks of one width; the first has the stride."""

    kernel: int
    stride: int
    expansion: int
    channels: int
    blocks: int


STAGES = (
    Stage(3, 1, 1, 16, 1),
    Stage(3, 2, 6, 24, 2),
    Stage(5, 2, 6, 40, 2),
    Stage(3, 2, 6, 80, 3),
    Stage(5, 1, 6, 112, 3),
    Stage(5, 2, 6, 192, 4),
    Stage(3, 1, 6, 320, 1),
)
"""The seven stages of EfficientNet-lite0."""
_STEM = 32


class Backbone(nn.Module):
    """The first stages of EfficientNet-lite0.

    Args:
        stages: how many of the seven are kept.
        last_blocks: of the last of them, so many blocks; None for all.

    Attributes:
        channels: of the features that ``forward`` gives.
        stride: of the last of them; sides of a picture must be multiples of it.
    """

    def __init__(self, stages: int = len(STAGES), last_blocks: int | None = None) -> None:
        super().__init__()
        self.stem = _Convolution(3, _STEM, 3, stride=2)
        self.blocks = nn.ModuleList()
        width, stride = _STEM, 2
        # Features leave where the resolution is about to drop, and at the end.
        features: dict[int, tuple[int, int]] = {}
        for number, stage in enumerate(STAGES[:stages], start=1):
            for i in range(stage.blocks if number < stages else last_blocks or stage.blocks):
                step = stage.stride if i == 0 else 1
                self.blocks.append(_Block(width, stage.channels, stage.kernel, step, stage.expansion))
                width, stride = stage.channels, stride * step
            features[stride] = len(self.blocks) - 1, width
        self.stride = stride
        self._leaving = {block for at, (block, _) in features.items() if at >= 4}
        self.channels = tuple(channels for at, (_, channels) in features.items() if at >= 4)
        self._frozen_norms = False

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Features of (N, 3, H, W) RGB in [0, 1] at 1/4, 1/8, … of its size, ``channels`` wide.

        Raises:
            ValueError: if a side is not a multiple of ``stride``.
        """
        if not torch.compiler.is_exporting() and any(side % self.stride for side in pictures.shape[-2:]):
            raise ValueError(f"sides {tuple(pictures.shape[-2:])} are not multiples of {self.stride}")
        # The authors' normalisation: mean 127 and deviation 128 of [0, 255].
        x = pictures * (255 / 128) - 127 / 128
        if not torch.compiler.is_exporting():
            # Channels last is half as fast again on processors, forwards and backwards.
            x = x.contiguous(memory_format=torch.channels_last)
        x = self.stem(x)
        features = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self._leaving:
                features.append(x)
        return features

    def freeze(self, stages: int = 0) -> None:
        """For weights that were trained before: keep the normalisation's statistics, in training too.

        Those of photographs are then not replaced by those of generated pictures, small batches do no harm,
        and a step is faster. Scale and offset of the normalisation remain trained.

        Args:
            stages: so many of the first, and the stem, are not trained at all. What they see is nearly the
                same in every picture, and they are the slowest to train.
        """
        self._frozen_norms = True
        if stages:
            fixed = [self.stem, *islice(self.blocks, sum(stage.blocks for stage in STAGES[:stages]))]
            nn.ModuleList(fixed).requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Training mode; a frozen normalisation stays in evaluation mode."""
        super().train(mode)
        if self._frozen_norms:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


class _Block(nn.Module):
    """Inverted residual: widen, filter each channel, narrow; added to its input where shapes agree."""

    def __init__(self, width_in: int, width_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = width_in * expansion
        self.residual = stride == 1 and width_in == width_out
        self.expand = _Convolution(width_in, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = _Convolution(wide, wide, kernel, stride, groups=wide)
        self.project = _Convolution(wide, width_out, 1, linear=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class _Convolution(nn.Module):
    """SAME padding as TensorFlow has it, normalisation, and ReLU6 unless ``linear``."""

    def __init__(
        self,
        width_in: int,
        width_out: int,
        kernel: int,
        stride: int = 1,
        *,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        padding = kernel // 2 if stride == 1 else 0
        self.filter = nn.Conv2d(width_in, width_out, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(width_out, eps=1e-3, momentum=0.01)
        self.linear = linear
        total = kernel - stride
        # The stride divides the side, so that the odd row goes to the far end.
        self.margin = (total // 2, total - total // 2) * 2 if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        if self.margin:
            x = functional.pad(x, self.margin)
        y = self.norm(self.filter(x)) if self.norm.training else self._folded(x)
        return y if self.linear else functional.relu6(y, inplace=True)

    def _folded(self, x: Tensor) -> Tensor:
        """Fixed statistics make the normalisation part of the filter: the same values and derivatives with no
        pass over the pictures, which are far larger than the filters."""
        norm, convolution = self.norm, self.filter
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        weight = convolution.weight * scale[:, None, None, None]
        bias = norm.bias - norm.running_mean * scale
        return functional.conv2d(
            x, weight, bias, convolution.stride, convolution.padding, groups=convolution.groups
        )
