"""What the loop asks of a network that is to be trained: a task, and the settings of a run.

A task's batches are a pure function of seed and step. So a run needs no state of a loader: whoever makes a
batch, in whichever process and however often, makes the same one, and resuming means to count on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from handloom.networks.registry import Exported, info


@dataclass(frozen=True)
class Settings:
    """What a run is, besides its data. Written into the run's folder and the weights' metadata.

    Attributes:
        steps: of the optimiser, in all.
        batch: samples of a step, on each device.
        learning_rate: Adam's, at the start.
        drops: steps at which the rate is multiplied by ``drop_factor``.
        schedule: ``"steps"`` (``drops``) or ``"cosine"``: half a cosine down to zero at the last step.
        warmup: steps over which the rate rises from zero.
        weight_decay: decoupled, of weights with two axes or more.
        clip: largest norm of the gradient; 0 leaves it as it is.
        average: decay of the moving average of the weights that is validated and exported; 0 takes the
            weights themselves.
        seed: of the first weights and of every batch.
        precision: ``"32"`` or ``"bf16"`` (mixed).
        validate_every: steps between two validations, and between two checkpoints.
    """

    steps: int
    batch: int
    learning_rate: float
    drops: tuple[int, ...] = ()
    drop_factor: float = 0.1
    schedule: str = "steps"
    warmup: int = 0
    weight_decay: float = 0.0
    clip: float = 0.0
    average: float = 0.0
    seed: int = 0
    precision: str = "32"
    validate_every: int = 1000


@dataclass(frozen=True, eq=False)
class Part:
    """A network, or one of several that were trained together, as it is exported.

    Attributes:
        name: of the files: ``posenet`` gives ``posenet.safetensors`` and ``posenet.onnx``.
        weights: whose state goes into the safetensors.
        module: what goes into the ONNX file: takes and gives plain tensors.
        inputs: names of what it takes.
        outputs: names of what it gives.
        example: inputs of one sample or more; the first axis counts samples and stays free.
        metadata: what a user of the weights must know: network, variant, size of the crop, joint order, …
        free: further axes of the inputs that stay free, such as (2, 3) for pictures of any size.
    """

    name: str
    weights: nn.Module
    module: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    example: tuple[Tensor, ...]
    metadata: dict[str, str]
    free: tuple[int, ...] = ()

    @classmethod
    def of(cls, name: str, variant: str, network: nn.Module, **metadata: str) -> Part:
        """A network of the registry, with what the registry says of it."""
        about = info(name, variant)
        said = {**about.metadata(), **metadata}
        return cls(name, network, Exported(network), about.inputs, about.outputs, about.example(2), said)


class Task(Protocol):
    """A network, its batches, its loss and its figures.

    Attributes:
        name: of the network, such as ``"posenet"``.
        defaults: the settings of a run where nothing else is asked for.
    """

    @property
    def name(self) -> str: ...

    @property
    def defaults(self) -> Settings: ...

    def network(self) -> nn.Module:
        """The network, initialised; depends on the state of torch's generator only."""
        ...

    def batch(self, seed: int, step: int, size: int) -> dict[str, Tensor]:
        """``size`` samples: a pure function of its arguments. It may run in another process, so the task
        must be picklable and the tensors lie in memory of the CPU; pictures are best left uint8 (the loss
        divides by 255)."""
        ...

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The scalar to lessen, and figures of the step by name (detached scalars) for the log.

        The network is to be called as ``network(...)``, never by its parts, so that it may be distributed.
        """
        ...

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Figures on data that are not trained on, by name with unit (``"2D error, px"``).

        The network is in evaluation mode, on any device; nothing random may happen here.
        """
        ...

    def parts(self, network: nn.Module) -> tuple[Part, ...]:
        """What is exported of a trained network, each part to files of its own."""
        ...

    def data(self) -> dict[str, Any]:
        """What it is trained and validated on, for the run's folder; fits into TOML, so no ``None``."""
        ...
