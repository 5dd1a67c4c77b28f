"""From maps to coordinates inside a network, so that losses on coordinates reach the maps.

A map's cell (i, j) covers ``stride`` pixels in either direction; its centre is pixel
``stride * (j + 1/2) − 1/2``, with pixel (0, 0) the centre of the first one.
"""

from __future__ import annotations

import torch
from torch import Tensor

PAPER_SIGMA = 25 / 2**0.5 / 256
"""Standard deviation of the paper's score maps, in sides of the crop."""


def cell_centres(count: int, like: Tensor) -> Tensor:
    """(count,) centres of cells in a map's own extent: −½ at its first edge, ½ at its last."""
    return (torch.arange(count, dtype=like.dtype, device=like.device) + 0.5) / count - 0.5


def expectation(maps: Tensor) -> Tensor:
    """(..., 2) mean place x, y of (..., h, w) weights that sum to one, in the map's extent [−½, ½]."""
    x = maps.sum(dim=-2) @ cell_centres(maps.shape[-1], maps)
    y = maps.sum(dim=-1) @ cell_centres(maps.shape[-2], maps)
    return torch.stack([x, y], dim=-1)


def spatial_log_softmax(logits: Tensor) -> Tensor:
    """(..., h, w) logarithms of a distribution over the cells."""
    return logits.flatten(-2).log_softmax(dim=-1).unflatten(-1, logits.shape[-2:])


def gaussian(places: Tensor, size: tuple[int, int], sigma: float) -> Tensor:
    """(..., h, w) distributions over the cells, Gaussian about (..., 2) places in [−½, ½].

    Args:
        sigma: standard deviation, in the same unit.
    """
    height, width = size
    x = -0.5 * ((cell_centres(width, places) - places[..., :1]) / sigma) ** 2
    y = -0.5 * ((cell_centres(height, places) - places[..., 1:]) / sigma) ** 2
    return y.softmax(dim=-1)[..., :, None] * x.softmax(dim=-1)[..., None, :]


def pixels(places: Tensor, width: int, height: int) -> Tensor:
    """(..., 2) places in [−½, ½] as pixels of a picture of that size."""
    size = places.new_tensor([width, height])
    return (places + 0.5) * size - 0.5


def places(pixels: Tensor, width: int, height: int) -> Tensor:
    """The inverse of :func:`pixels`."""
    size = pixels.new_tensor([width, height])
    return (pixels + 0.5) / size - 0.5
