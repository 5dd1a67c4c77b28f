"""The smallest task there is: a line to be learnt, in milliseconds.

Run as a program it is trained in a process of its own, slowly enough to be killed.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from handloom.training.task import Part, Settings

STEPS = 40
SETTINGS = Settings(
    STEPS, 8, 1e-2, schedule="cosine", warmup=4, weight_decay=1e-2, clip=1.0, average=0.9, validate_every=10
)


class TinyNetwork(nn.Module):
    """With dropout and a normalisation that counts batches, so that there is more state than weights."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


@dataclass(frozen=True)
class TinyTask:
    """Learns y = x W. ``broken_at`` gives a batch without numbers, ``pause_s`` makes steps last."""

    pause_s: float = 0.0
    broken_at: int = -1
    fingerprint: str = "line"
    name: str = "tiny"
    defaults: Settings = SETTINGS

    def network(self) -> nn.Module:
        return TinyNetwork()

    def batch(self, seed: int, step: int, size: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        x = torch.randn(size, 3, generator=generator)
        y = x @ torch.tensor([[1.0, 0.0], [0.5, -1.0], [0.0, 2.0]])
        return {"x": x, "y": y * float("nan") if step == self.broken_at else y}

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        time.sleep(self.pause_s)
        error = network(batch["x"]) - batch["y"]
        return (error**2).mean(), {"largest": error.detach().abs().max()}

    def validate(self, network: nn.Module) -> dict[str, float]:
        batch = self.batch(10_000, 0, 64)
        return {"mean square": float(((network(batch["x"]) - batch["y"]) ** 2).mean())}

    def parts(self, network: nn.Module) -> tuple[Part, ...]:
        example = (torch.linspace(-1, 1, 6).reshape(2, 3),)
        return (Part("tiny", network, network, ("x",), ("y",), example, {"network": "tiny"}),)

    def data(self) -> dict[str, Any]:
        return {"fingerprint": self.fingerprint}


if __name__ == "__main__":
    from handloom.training.loop import Machine, train

    torch.set_num_threads(1)
    folder, workers, resume = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "resume"
    pause = 0.0 if resume else 0.05
    print(os.getpid(), flush=True)
    train(
        TinyTask(pause_s=pause), SETTINGS, folder, machine=Machine(workers=workers, threads=1), resume=resume
    )
