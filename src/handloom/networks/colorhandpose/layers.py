"""The layers of which all networks of the paper are made (Zimmermann and Brox 2017)."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.01
"""Of the leaky ReLU, everywhere."""


class Convolution(nn.Conv2d):
    """SAME padding as TensorFlow has it, then a leaky ReLU unless ``linear``."""

    def __init__(
        self, width_in: int, width_out: int, kernel: int, stride: int = 1, *, linear: bool = False
    ) -> None:
        super().__init__(width_in, width_out, kernel, stride, padding=kernel // 2 if stride == 1 else 0)
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        if self.stride[0] > 1:
            # On an even side the kernel is placed one further than padding from both sides would have it.
            total = self.kernel_size[0] - self.stride[0]
            x = functional.pad(x, (total // 2, total - total // 2) * 2)
        x = super().forward(x)
        return x if self.linear else functional.leaky_relu(x, SLOPE, inplace=True)


def trunk(*widths: tuple[int, ...]) -> OrderedDict[str, nn.Module]:
    """3×3 convolutions ``conv1_1``, ``conv1_2``, … in blocks of the widths given, pooled between blocks.

    Layers that two networks share bear the same names in both, so that weights pass from one to the other.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    width = 3
    for block, outputs in enumerate(widths, start=1):
        if block > 1:
            layers[f"pool{block - 1}"] = nn.MaxPool2d(2)
        for i, output in enumerate(outputs, start=1):
            layers[f"conv{block}_{i}"] = Convolution(width, output, 3)
            width = output
    return layers
