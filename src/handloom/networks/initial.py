"""The weights a network begins with: at random as the paper has it, or those of a network trained before."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from handloom.errors import ModelError

PAPER_BIAS = 1e-4


def xavier(network: nn.Module) -> None:
    """Xavier's uniform weights and biases of 1e-4, in all convolutions and dense layers.

    Depends on the state of torch's generator.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.constant_(module.bias, PAPER_BIAS)


def start_from(network: nn.Module, weights: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Copy into a network what another one has under the same name in the same shape.

    So PoseNet can begin with the layers it shares with HandSegNet (as the paper's begin with those of a
    person detector), and a finer training with a coarser one.

    Args:
        network: changed in place.
        weights: state of the other network.

    Returns:
        Names of the tensors that were copied.

    Raises:
        ModelError: if not one agrees.
    """
    own = network.state_dict()
    shared = {
        name: weights[name] for name in own if name in weights and weights[name].shape == own[name].shape
    }
    if not shared:
        raise ModelError(
            f"Not one of the {len(weights)} weights given fits {type(network).__name__}.",
            "Start from weights of the same variant.",
        )
    network.load_state_dict(shared, strict=False)
    return tuple(shared)
