"""Workers side by side."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from handloom.detection import DetectorPool, Reading, Region
from handloom.skeleton import HAND

BLACK = np.zeros((8, 8, 3), np.uint8)


class Echo:
    """Answers with the region it was given; the further left, the later."""

    skeleton = HAND
    presence_threshold = 0.5
    noise = 0.01

    def __init__(self) -> None:
        self.threads: set[int] = set()

    def find(self, image: NDArray[np.uint8]) -> list[Region]:
        return [Region(float(image[0, 0, 0]), 0.0, 1.0)]

    def read(self, image: NDArray[np.uint8], region: Region) -> Reading:
        self.threads.add(threading.get_ident())
        if region.x < 0:
            raise ValueError(f"no reading at {region.x}")
        time.sleep(0.002 * (5 - region.x % 5))
        return Reading(np.full((21, 2), region.x), np.ones(21), 1.0, 0.5, region)

    def region_of(self, xy: NDArray[np.float64]) -> Region:
        return Region(0.0, 0.0, 1.0)


def test_results_come_in_the_order_of_the_jobs() -> None:
    with closing(DetectorPool(Echo, workers=3)) as pool:
        jobs = [(BLACK, Region(float(x), 0.0, 1.0)) for x in range(20)]
        assert [reading.region.x for reading in pool.read(jobs)] == list(range(20))
        images = [np.full((8, 8, 3), value, np.uint8) for value in range(20)]
        assert [regions[0].x for regions in pool.find(images)] == list(range(20))
        assert pool.read([]) == []


def test_every_worker_owns_its_detector() -> None:
    made: list[Echo] = []

    def make() -> Echo:
        made.append(Echo())
        return made[-1]

    with closing(DetectorPool(make, workers=3)) as pool:
        pool.read([(BLACK, Region(float(x), 0.0, 1.0)) for x in range(30)])
        assert pool.example is made[0]
    assert 1 <= len(made) <= 3
    assert all(len(echo.threads) <= 1 for echo in made)


def test_errors_are_passed_on_and_the_pool_goes_on() -> None:
    with closing(DetectorPool(Echo, workers=2)) as pool:
        with pytest.raises(ValueError, match=r"no reading at -1"):
            pool.read([(BLACK, Region(x, 0.0, 1.0)) for x in (1.0, -1.0, 2.0)])
        assert pool.read([(BLACK, Region(3.0, 0.0, 1.0))])[0].region.x == 3.0


def test_an_error_while_making_a_detector_is_passed_on() -> None:
    def refuse() -> Echo:
        raise OSError("no weights")

    with pytest.raises(OSError, match="no weights"):
        DetectorPool(refuse)


def test_threads_of_opencv_are_given_back() -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        with closing(DetectorPool(Echo, workers=1)):
            assert cv2.getNumThreads() == 1
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)
