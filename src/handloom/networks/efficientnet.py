"""EfficientNet-lite0 as a backbone: features of a picture at 1/4 to 1/32 of its size.

Tan and Le 2019, in the variant of their authors for small devices: ReLU6, no squeeze and excitation, widths
of stem and head fixed. The module carries only what a decoder uses; the classifier is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

_STEM = 32


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


class Backbone(nn.Module):
    """The first stages of EfficientNet-lite0.

    Args:
        stages: how many of the seven are kept.
        frozen_norms: keep the statistics of the normalisation as they are, in training too: for weights that
            were trained before. Generated pictures then do not replace the statistics of photographs, small
            batches do no harm, and a step is faster. Scale and offset are trained in any case.

    Attributes:
        channels: of the features that ``forward`` gives.
        stride: of the last of them; sides of a picture must be multiples of it.
    """

    def __init__(self, stages: int = len(STAGES), *, frozen_norms: bool = False) -> None:
        super().__init__()
        self.frozen_norms = frozen_norms
        self.stem = nn.Conv2d(3, _STEM, 3, stride=2, bias=False)
        self.stem_norm = _norm(_STEM)
        self.blocks = nn.ModuleList()
        width, stride = _STEM, 2
        # Features leave where the resolution is about to drop, and at the end.
        features: dict[int, tuple[int, int]] = {}
        for stage in STAGES[:stages]:
            for i in range(stage.blocks):
                step = stage.stride if i == 0 else 1
                self.blocks.append(_Block(width, stage.channels, stage.kernel, step, stage.expansion))
                width, stride = stage.channels, stride * step
            features[stride] = len(self.blocks) - 1, width
        self.stride = stride
        self._leaving = {block for at, (block, _) in features.items() if at >= 4}
        self.channels = tuple(channels for at, (_, channels) in features.items() if at >= 4)
        self.train()

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Features of (N, 3, H, W) RGB in [0, 1] at 1/4, 1/8, … of its size, ``channels`` wide.

        Raises:
            ValueError: if a side is not a multiple of ``stride``.
        """
        if not torch.compiler.is_exporting() and any(side % self.stride for side in pictures.shape[-2:]):
            raise ValueError(f"sides {tuple(pictures.shape[-2:])} are not multiples of {self.stride}")
        # The authors' normalisation: mean 127 and deviation 128 of [0, 255].
        x = pictures * (255 / 128) - 127 / 128
        x = functional.relu6(self.stem_norm(self.stem(_padded(x, self.stem))))
        features = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self._leaving:
                features.append(x)
        return features

    def train(self, mode: bool = True) -> Self:
        """Training mode; with ``frozen_norms`` the normalisation stays in evaluation mode."""
        super().train(mode)
        if self.frozen_norms:
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
        self.expand: nn.Module | None = None
        if expansion > 1:
            self.expand = nn.Conv2d(width_in, wide, 1, bias=False)
            self.expand_norm = _norm(wide)
        padding = kernel // 2 if stride == 1 else 0
        self.depthwise = nn.Conv2d(wide, wide, kernel, stride, padding, groups=wide, bias=False)
        self.depthwise_norm = _norm(wide)
        self.project = nn.Conv2d(wide, width_out, 1, bias=False)
        self.project_norm = _norm(width_out)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        if self.expand is not None:
            y = functional.relu6(self.expand_norm(self.expand(y)))
        if self.depthwise.stride[0] > 1:
            y = _padded(y, self.depthwise)
        y = functional.relu6(self.depthwise_norm(self.depthwise(y)))
        y = self.project_norm(self.project(y))
        return x + y if self.residual else y


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-3, momentum=0.01)


def _padded(x: Tensor, convolution: nn.Conv2d) -> Tensor:
    """TensorFlow's SAME padding of a side that the stride divides: the odd row goes to the far end."""
    total = convolution.kernel_size[0] - convolution.stride[0]
    near, far = total // 2, total - total // 2
    return functional.pad(x, (near, far, near, far))
