"""All that can be trained, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from handloom.errors import TrainingError
from handloom.networks.registry import VARIANTS
from handloom.progress import SILENT, Progress
from handloom.training.examples import Cut
from handloom.training.sources import Data, DataName, gather
from handloom.training.task import Task

NETWORKS = ("handsegnet", "posenet", "poseprior", "lifter")
_BACKGROUNDS, _BYSTANDERS = 300, 900


@dataclass(frozen=True)
class Wish:
    """A task as it is asked for.

    Attributes:
        network: one of :data:`NETWORKS`.
        variant: ``"small"`` or ``"paper"``.
        data: to train on.
        weights: how often each is drawn from; empty by their sizes.
        validation: data to validate on; empty holds out a part of each.
        store: folder for cut examples.
        photographs: folder of pictures without hands, for backgrounds.
        pretrained: whether the small networks' backbone begins with its weights of ImageNet.
        seed: of made pictures and backgrounds.
        threads: that read data sets.
    """

    network: str
    variant: str
    data: tuple[DataName, ...]
    weights: tuple[float, ...] = ()
    validation: tuple[DataName, ...] = ()
    store: Path = Path("examples")
    photographs: Path | None = None
    pretrained: bool = True
    seed: int = 0
    threads: int = 2


def task_of(wish: Wish, progress: Progress = SILENT) -> Task:
    """The task, with its data gathered.

    Raises:
        TrainingError: for an unknown network or variant, or data that a network does not take.
        HandloomError: if data cannot be read or lack labels.
    """
    if wish.network not in _MAKERS:
        raise TrainingError(f"There is no training of {wish.network!r}.", f"There is {', '.join(NETWORKS)}.")
    if wish.variant not in VARIANTS:
        raise TrainingError(f"There is no variant {wish.variant!r}.", f"There is {' and '.join(VARIANTS)}.")
    return _MAKERS[wish.network](wish, progress)


def _handsegnet(wish: Wish, progress: Progress) -> Task:
    from handloom.training import handsegnet

    data = _gathered(wish, handsegnet.cut_for(wish.variant), progress)
    return handsegnet.HandSegNetTask(data, wish.variant, _backgrounds(wish, progress), _pretrained(wish))


def _posenet(wish: Wish, progress: Progress) -> Task:
    from handloom.training import posenet

    data = _gathered(wish, posenet.cut_for(wish.variant), progress)
    return posenet.PoseNetTask(data, wish.variant, _backgrounds(wish, progress), _pretrained(wish))


def _poseprior(wish: Wish, progress: Progress) -> Task:
    from handloom.training import poseprior

    return poseprior.PosePriorTask(_gathered(wish, poseprior.cut_for(wish.variant), progress), wish.variant)


def _lifter(wish: Wish, progress: Progress) -> Task:
    from handloom.training.lifting import LifterTask

    if wish.data:
        raise TrainingError("The lifter makes its own data.", "Leave --data out.")
    return LifterTask()


_MAKERS: dict[str, Callable[[Wish, Progress], Task]] = dict(
    zip(NETWORKS, (_handsegnet, _posenet, _poseprior, _lifter), strict=True)
)


def _gathered(wish: Wish, cut: Cut, progress: Progress) -> Data:
    return gather(
        wish.data,
        cut,
        wish.store,
        what=wish.network,
        weights=wish.weights,
        validation=wish.validation,
        seed=wish.seed,
        progress=progress,
        threads=wish.threads,
    )


def _backgrounds(wish: Wish, progress: Progress) -> NDArray[np.uint8]:
    from handloom.training.backgrounds import stored_backgrounds

    people = _BYSTANDERS if wish.variant == "small" else 0
    return stored_backgrounds(
        wish.store, _BACKGROUNDS, wish.seed, wish.photographs, progress, bystanders=people
    )


def _pretrained(wish: Wish) -> bool:
    return wish.pretrained and wish.variant == "small"
