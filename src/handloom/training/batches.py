"""Batches of a run, made ahead by worker processes and handed over in order."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from handloom.errors import HandloomError
from handloom.training.task import Task

_AHEAD = 4  # batches per worker
Batch = dict[str, Tensor]


class _Steps(Dataset[Batch | HandloomError]):
    """Batches by number: a pure function, so it does not matter who asks."""

    def __init__(self, task: Task, seed: int, size: int, numbers: range) -> None:
        self.task, self.seed, self.size, self.numbers = task, seed, size, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Batch | HandloomError:
        try:
            return self.task.batch(self.seed, self.numbers[index], self.size)
        except HandloomError as error:
            # Raised in a worker it would arrive wrapped in the text of a traceback.
            return error


def batches(
    task: Task, seed: int, size: int, numbers: range, *, workers: int = 0, pinned: bool = False
) -> Iterator[Batch]:
    """Batches of these numbers, in order.

    Args:
        task: whose batches; picklable if there are workers.
        size: samples of a batch.
        numbers: of the batches.
        workers: processes that make them ahead; 0 makes each when it is asked for.
        pinned: whether to lay them into memory from which a GPU copies faster.

    Raises:
        HandloomError: that making a batch raised.
    """
    loader: DataLoader[Batch | HandloomError] = DataLoader(
        _Steps(task, seed, size, numbers),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=_AHEAD if workers else None,
        # Threads of torch and OpenCV do not survive a fork.
        multiprocessing_context="spawn" if workers else None,
        worker_init_fn=_settle if workers else None,
        pin_memory=pinned,
        # Draws from the common generator would be one more state to resume.
        generator=torch.Generator(),
    )
    for batch in loader:
        if isinstance(batch, HandloomError):
            raise batch
        yield batch


def _settle(_: int) -> None:
    """One thread for each worker, and Ctrl-C left to the process that ends them."""
    import cv2

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
