"""Score maps as ColorHandPose3D trains them: a Gaussian for every joint, and places read back (§1.5)."""

from __future__ import annotations

import torch
from torch import Tensor

SPREAD = 25.0
"""Of a map on a 256² crop, as the paper's code has it: exp(−d² / 25²), a standard deviation of 25 / √2."""

FULL = 256


def score_maps(xy: Tensor, shown: Tensor, size: int, cells: int) -> Tensor:
    """(N, 21, cells, cells) maps of joints; the mean over a cell's pixels, as the paper's pooled maps.

    Args:
        xy: (N, 21, 2) pixels of a crop of ``size``; what is not shown may be NaN.
        shown: (N, 21); maps of other joints are 0.
        size: side of the crop; a multiple of ``cells``.
    """
    pixels = torch.arange(size, dtype=xy.dtype, device=xy.device)
    spread = SPREAD * size / FULL
    along = torch.exp(-(((pixels - xy.nan_to_num(-1e6)[..., None]) / spread) ** 2))
    # Gaussians of two axes are products, and so are their means over square cells.
    mean = along.unflatten(-1, (cells, size // cells)).mean(dim=-1) * shown[..., None, None]
    return mean[..., 1, :, None] * mean[..., 0, None, :]


def peaks(maps: Tensor, size: int) -> Tensor:
    """(N, 21, 2) pixels of the largest value of (N, 21, h, w) maps enlarged to a crop of ``size`` (§1.5)."""
    large = torch.nn.functional.interpolate(maps, (size, size), mode="bilinear", align_corners=False)
    best = large.flatten(-2).argmax(dim=-1)
    return torch.stack([best % size, best // size], dim=-1).to(maps.dtype)
