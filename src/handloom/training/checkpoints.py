"""All that a run needs to go on: one file, whole or absent, that holds tensors and plain values only."""

from __future__ import annotations

import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from handloom.errors import TrainingError
from handloom.session.files import explained, whole_file
from handloom.training.task import Settings

CHECKPOINT = "checkpoint.pt"
_VERSION = 1
_AGAIN = "Start the run again without --resume, in another folder."


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state of a run between two steps.

    Attributes:
        task: name of the task.
        settings: of the run.
        data: fingerprint of what it is trained on.
        step: how many are done.
        network: state of the network.
        optimiser: state of the optimiser.
        average: moving average of the weights, by name; empty without.
    """

    task: str
    settings: Settings
    data: str
    step: int
    network: dict[str, Tensor]
    optimiser: dict[str, Any]
    average: dict[str, Tensor]


def save(checkpoint: Checkpoint, folder: Path) -> None:
    """Replace the run's checkpoint.

    Raises:
        SessionError: if the disk is full or the folder may not be written; the one before then stays.
    """
    content = {
        "version": _VERSION,
        "task": checkpoint.task,
        "settings": asdict(checkpoint.settings),
        "data": checkpoint.data,
        "step": checkpoint.step,
        "network": checkpoint.network,
        "optimiser": checkpoint.optimiser,
        "average": checkpoint.average,
    }
    with whole_file(folder / CHECKPOINT) as temporary, temporary.open("wb") as file:
        torch.save(content, file)


def load(folder: Path) -> Checkpoint:
    """The checkpoint of a run, on the CPU.

    Raises:
        TrainingError: if there is none, or it is damaged or of another version.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        raise TrainingError(f"There is no {path} to resume from.", "Leave --resume out to start the run.")
    try:
        with explained(path):
            content = torch.load(path, map_location="cpu", weights_only=True)
        if content["version"] != _VERSION:
            raise TrainingError(
                f"{path} is of version {content['version']}, this handloom reads {_VERSION}.",
                "Go on with the handloom that wrote it.",
            )
        settings = dict(content["settings"])
        settings["drops"] = tuple(settings["drops"])
        return Checkpoint(
            content["task"], Settings(**settings), content["data"], content["step"], content["network"],
            content["optimiser"], content["average"],
        )  # fmt: skip
    except (RuntimeError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        raise TrainingError(f"{path} is damaged: {error}.", _AGAIN) from error


def require_same_run(checkpoint: Checkpoint, task: str, settings: Settings, data: str) -> None:
    """See that a run that is resumed is the one that was begun.

    A run whose rate falls in drops may be made longer; with a cosine the length is part of every step.

    Raises:
        TrainingError: naming what differs.
    """
    if checkpoint.task != task:
        raise TrainingError(
            f"The run in this folder trains {checkpoint.task}, not {task}.",
            "Name its network, or another folder.",
        )
    before, now = asdict(checkpoint.settings), asdict(settings)
    free = {"validate_every"} | ({"steps"} if settings.schedule == "steps" else set())
    changed = [name for name in now if name not in free and before[name] != now[name]]
    if changed:
        differences = ", ".join(f"{name} {before[name]} became {now[name]}" for name in changed)
        raise TrainingError(
            f"The run was begun with other settings: {differences}.",
            "Resume with the same command, or begin another run.",
        )
    if checkpoint.data != data:
        raise TrainingError(
            "The run was begun with other data.",
            "Resume with the same data, or begin another run with --init.",
        )
