"""Weights that others trained: EfficientNet-lite0 on ImageNet, fetched once and known by its hash."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from handloom.assets import obtain
from handloom.networks.efficientnet import Backbone
from handloom.networks.fetched import EFFICIENTNET

_LAYERS = {"_conv_stem": "stem.filter", "_bn0": "stem.norm"}
_BLOCK_LAYERS = {
    "_expand_conv": "expand.filter",
    "_bn0": "expand.norm",
    "_depthwise_conv": "depthwise.filter",
    "_bn1": "depthwise.norm",
    "_project_conv": "project.filter",
    "_bn2": "project.norm",
}


def load_imagenet(backbone: Backbone) -> None:
    """Give a backbone the weights learnt on ImageNet (Apache-2.0); the first call on a computer fetches them.

    Raises:
        ModelError: if the file cannot be fetched or is not the one expected.
    """
    weights = _imagenet_weights(obtain([EFFICIENTNET])[0])
    backbone.load_state_dict({name: weights[name] for name in backbone.state_dict()})


def _imagenet_weights(path: Path) -> dict[str, Tensor]:
    """The file's tensors under the names of :class:`Backbone`; layers that it does not have are left out."""
    weights = {}
    for name, value in torch.load(path, map_location="cpu", weights_only=True).items():
        parts = name.split(".")
        if parts[0] == "_blocks":
            weights[f"blocks.{parts[1]}.{_BLOCK_LAYERS[parts[2]]}.{parts[3]}"] = value
        elif parts[0] in _LAYERS:
            weights[f"{_LAYERS[parts[0]]}.{parts[1]}"] = value
    return weights
