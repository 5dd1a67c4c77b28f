"""Looks for the board in many pictures side by side, holding few of them in memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.calibration.boards.board import Board, Corners
from handloom.errors import VideoError
from handloom.video.images import read_image

Image = NDArray[np.uint8]
Tag = TypeVar("Tag")


@dataclass(frozen=True, eq=False)
class Searched(Generic[Tag]):
    """A picture that was searched.

    Attributes:
        tag: what it was handed in with.
        image: the picture; None if it cannot be read.
        corners: what was found, possibly nothing.
        damage: why it cannot be read.
    """

    tag: Tag
    image: Image | None
    corners: Corners
    damage: str = ""


class BoardSearch:
    """Workers that look for a board; OpenCV releases Python's lock, so that threads are enough.

    Args:
        board: what to look for.
        workers: number of threads; by default one per core this process may use.
    """

    def __init__(self, board: Board, workers: int | None = None) -> None:
        self._board = board
        self._workers = workers or _usable_cores()

    def __enter__(self) -> Self:
        # Pictures run side by side: OpenCV must not start threads of its own beside them.
        self._opencv_threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="board")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        cv2.setNumThreads(self._opencv_threads)

    def search(self, pictures: Iterable[tuple[Tag, Image | Path]]) -> Iterator[Searched[Tag]]:
        """Search pictures in the order given; files are read by the workers."""
        pending: deque[Future[Searched[Tag]]] = deque()
        for tag, picture in pictures:
            pending.append(self._pool.submit(self._one, tag, picture))
            if len(pending) > 2 * self._workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()

    def _one(self, tag: Tag, picture: Image | Path) -> Searched[Tag]:
        if isinstance(picture, Path):
            try:
                picture = read_image(picture)
            except VideoError as error:
                return Searched(tag, None, _NOTHING, error.problem)
        return Searched(tag, picture, self._board.find(picture))


_NOTHING = Corners(np.zeros(0, np.int32), np.zeros((0, 2)))


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
