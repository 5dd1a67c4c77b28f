"""All networks of ColorHandPose3D by name and variant, and what one must know to use them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from handloom.errors import ModelError
from handloom.networks.colorhandpose.paper import HandSegNet, PoseNet
from handloom.networks.colorhandpose.paper_lifting import MAP_SIZE, PosePrior, Viewpoint
from handloom.networks.colorhandpose.small import MASK_STRIDE, STRIDE, Pose, SmallHandSegNet, SmallPoseNet
from handloom.networks.colorhandpose.small_lifting import SmallPosePrior, SmallViewpoint
from handloom.networks.initial import xavier
from handloom.networks.pretrained import load_imagenet
from handloom.skeleton import HAND


@dataclass(frozen=True)
class NetworkInfo:
    """A network as seen from outside.

    Attributes:
        name: ``"handsegnet"``, ``"posenet"``, ``"poseprior"`` or ``"viewpoint"``.
        variant: ``"paper"`` or ``"small"``.
        inputs: names, as in the exported file.
        outputs: names, as in the exported file; see :class:`Exported`.
        size: (width, height) of the pictures or maps it was made for.
        multiple: sides of pictures must be multiples of it; 0 if only ``size`` will do.
        stride: pixels of the picture per cell of mask or maps; 1 for the lifting networks.
    """

    name: str
    variant: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    size: tuple[int, int]
    multiple: int
    stride: int

    def example(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Random inputs of the right shapes."""
        width, height = self.size
        if self.inputs == _PICTURES:
            return (torch.rand(batch, 3, height, width),)
        side = nn.functional.one_hot(torch.arange(batch) % 2, 2).float()
        return torch.rand(batch, len(HAND), height, width), side

    def metadata(self) -> dict[str, str]:
        """What goes with the weights, as text."""
        return {
            "network": self.name,
            "variant": self.variant,
            "size": f"{self.size[0]}x{self.size[1]}",
            "multiple": str(self.multiple),
            "stride": str(self.stride),
            "outputs": ",".join(self.outputs),
            "joints": ",".join(HAND.joints),
        }


_PICTURES = ("pictures",)
_MAPS = ("maps", "side")
_POSE = ("maps", "keypoints", "hand", "right")
_MADE: dict[tuple[str, str], tuple[Callable[..., nn.Module], NetworkInfo]] = {}


def _add(make: Callable[..., nn.Module], *values: Any) -> None:
    info = NetworkInfo(*values)
    _MADE[info.name, info.variant] = make, info


_add(HandSegNet, "handsegnet", "paper", _PICTURES, ("logits",), (256, 256), 8, 1)
_add(PoseNet, "posenet", "paper", _PICTURES, ("maps",), (256, 256), 8, 8)
_add(PosePrior, "poseprior", "paper", _MAPS, ("canonical",), (MAP_SIZE, MAP_SIZE), 0, 1)
_add(Viewpoint, "viewpoint", "paper", _MAPS, ("rotation",), (MAP_SIZE, MAP_SIZE), 0, 1)
_add(SmallHandSegNet, "handsegnet", "small", _PICTURES, ("logits",), (256, 256), 32, MASK_STRIDE)
_add(SmallPoseNet, "posenet", "small", _PICTURES, _POSE, (128, 128), 16, STRIDE)
_add(SmallPosePrior, "poseprior", "small", _MAPS, ("canonical",), (MAP_SIZE, MAP_SIZE), 1, 1)
_add(SmallViewpoint, "viewpoint", "small", _MAPS, ("rotation",), (MAP_SIZE, MAP_SIZE), 1, 1)

FIXED_STAGES = {"handsegnet": 6, "posenet": 2}
"""Of a pretrained backbone. HandSegNet's is not trained at all: one that has learnt from made pictures takes
faces and cloth in photographs for hands, since no made picture told it otherwise."""

NETWORKS = tuple(sorted({name for name, _ in _MADE}))
VARIANTS = ("paper", "small")


def info(name: str, variant: str = "small") -> NetworkInfo:
    """What one must know of a network.

    Raises:
        ModelError: for an unknown name or variant.
    """
    return _entry(name, variant)[1]


def build(
    name: str,
    variant: str = "small",
    *,
    pretrained: bool = False,
    fixed_stages: int | None = None,
    **options: Any,
) -> nn.Module:
    """A network with its first weights, which depend on the state of torch's generator only.

    Args:
        name: one of ``NETWORKS``.
        variant: one of ``VARIANTS``.
        pretrained: give the backbone of a small image network the weights learnt on ImageNet, fetching them
            if need be, and freeze its normalisation; else everything is learnt from scratch.
        fixed_stages: of a pretrained backbone, so many are not trained at all (:meth:`Backbone.freeze`);
            ``FIXED_STAGES`` of the network without.
        options: of the network's class.

    Raises:
        ModelError: for an unknown name or variant, if it has no pretrained backbone, or if the weights of
            that cannot be had.
    """
    make, _ = _entry(name, variant)
    network = make(**options)
    if variant == "paper":
        xavier(network)
    if pretrained:
        backbone = getattr(network, "backbone", None)
        if backbone is None:
            raise ModelError(
                f"There are no pretrained weights for {name}, variant {variant}.",
                "Only the small variants of handsegnet and posenet have a pretrained backbone.",
            )
        load_imagenet(backbone)
        backbone.freeze(FIXED_STAGES[name] if fixed_stages is None else fixed_stages)
    return network


class Exported(nn.Module):
    """A network whose outputs are a plain tuple of tensors, as many as ``info.outputs`` names.

    PoseNet gives the maps of its last stage; the small one, in place of logits, ``hand`` and ``right`` as
    probabilities.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        found = self.network(*inputs)
        if isinstance(found, Pose):
            return found.maps, found.keypoints, found.hand.sigmoid(), found.right.sigmoid()
        return (found[-1],) if isinstance(found, list) else (found,)


def _entry(name: str, variant: str) -> tuple[Callable[..., nn.Module], NetworkInfo]:
    try:
        return _MADE[name, variant]
    except KeyError:
        known = ", ".join(f"{each} ({kind})" for each, kind in _MADE)
        raise ModelError(
            f"There is no network {name!r}, variant {variant!r}.", f"Known are {known}."
        ) from None
