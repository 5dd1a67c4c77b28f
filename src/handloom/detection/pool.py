"""Reads several pictures side by side: one detector per worker, one request per core."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.detection.detector import Detector, Reading
from handloom.detection.regions import Region

Image = NDArray[np.uint8]


class DetectorPool:
    """Workers that each own a detector.

    Args:
        make: makes a detector; called once for every worker.
        workers: number of workers; by default one per core this process may use.
    """

    def __init__(self, make: Callable[[], Detector], workers: int | None = None) -> None:
        # Crops are cut by the workers: OpenCV must not start threads of its own beside them.
        self._opencv_threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        self.example = make()
        """A detector for questions that need no network run: skeleton, thresholds, next region."""
        self._spare = [self.example]
        self._make = make
        self._own = threading.local()
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(workers or usable_cores(), thread_name_prefix="detector")

    def read(self, jobs: Sequence[tuple[Image, Region]]) -> list[Reading]:
        """Read every region, in the order given."""
        return self._all("read", jobs)

    def find(self, images: Sequence[Image]) -> list[list[Region]]:
        """Search every picture, in the order given."""
        return self._all("find", [(image,) for image in images])

    def close(self) -> None:
        """Let the workers end."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        cv2.setNumThreads(self._opencv_threads)

    def _all(self, method: str, jobs: Sequence[tuple]) -> list:
        return list(self._executor.map(lambda job: getattr(self._detector(), method)(*job), jobs))

    def _detector(self) -> Detector:
        detector = getattr(self._own, "detector", None)
        if detector is None:
            with self._lock:
                detector = self._spare.pop() if self._spare else None
            detector = detector or self._make()
            self._own.detector = detector
        return detector


def usable_cores() -> int:
    """Number of cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
