"""Pictures as they arrive."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator

import numpy as np
import pytest

from handloom.errors import VideoError
from handloom.live import LivePictures
from handloom.video import Frame

END, FAIL = "end", "fail"


def picture(index: int, time_s: float = 0.0) -> Frame:
    return Frame(index, time_s, np.zeros((4, 4, 3), dtype=np.uint8))


class Camera:
    """A source whose pictures come when the test releases them."""

    live = True

    def __init__(self, pictures: int = 0, *, fps: float | None = 50.0, ends: bool = False) -> None:
        self.name, self.image_size, self.fps, self.frame_count = "camera", (4, 4), fps, None
        self._orders: queue.Queue[str] = queue.Queue()
        self.closed = False
        self.release(pictures)
        if ends:
            self.end()

    def release(self, count: int = 1) -> None:
        for _ in range(count):
            self._orders.put("picture")

    def end(self, how: str = END) -> None:
        self._orders.put(how)

    def frames(self, start: int = 0) -> Iterator[Frame]:
        index = 0
        while (order := self._orders.get()) == "picture":
            yield picture(index)
            index += 1
        if order == FAIL:
            raise VideoError("The camera stopped.", "Check its cable.")

    def close(self) -> None:
        self.closed = True


class File:
    """A source that has all its pictures at once, to be shown at the times given."""

    def __init__(self, times: list[float]) -> None:
        self.name, self.image_size, self.fps, self.frame_count = "file", (4, 4), 30.0, len(times)
        self._times = times

    def frames(self, start: int = 0) -> Iterator[Frame]:
        yield from (picture(index, time_s) for index, time_s in enumerate(self._times))

    def close(self) -> None:
        pass


def indices(instant) -> list[int | None]:
    return [None if frame is None else frame.index for frame in instant.frames]


def until(pictures: LivePictures, arrived: int) -> None:
    while pictures.arrived < arrived:
        time.sleep(0.001)


def test_every_picture_that_is_waited_for():
    camera = Camera(1)
    with LivePictures([camera]) as pictures:
        found = []
        for instant in pictures:
            found.append(indices(instant))
            camera.release() if len(found) < 3 else camera.end()
    assert found == [[0], [1], [2]]
    assert camera.closed


def test_what_arrives_meanwhile_is_skipped():
    camera = Camera(1)
    with LivePictures([camera]) as pictures:
        moments = iter(pictures)
        assert indices(next(moments)) == [0]
        camera.release(30)
        until(pictures, 31)
        assert indices(next(moments)) == [30]
        camera.end()
        assert next(moments, None) is None


def test_a_file_plays_at_its_own_pace():
    with LivePictures([File([0.0, 0.1, 0.2])]) as pictures:
        instants = list(pictures)
        assert pictures.arrived == 3
    assert indices(instants[-1]) == [2]
    # Not before its time; later on a busy machine.
    begin = instants[0].arrived_s - 0.1 * indices(instants[0])[0]
    assert instants[-1].arrived_s - begin > 0.1


def test_a_view_that_lags_does_not_hold_the_others():
    quick, slow = Camera(1), Camera(1)
    with LivePictures([quick, slow]) as pictures:
        moments = iter(pictures)
        assert indices(next(moments)) == [0, 0]
        quick.release()
        assert indices(next(moments)) == [1, None]
        slow.release()
        assert indices(next(moments)) == [None, 1]


def test_a_camera_that_fails_leaves_the_others():
    broken, whole = Camera(1), Camera(1)
    with LivePictures([broken, whole]) as pictures:
        moments = iter(pictures)
        assert indices(next(moments)) == [0, 0]
        broken.end(FAIL)
        whole.release()
        assert indices(next(moments)) == [None, 1]
        whole.end()
        assert next(moments, None) is None
    assert [problem.problem for problem in pictures.problems] == ["The camera stopped."]


def test_stops_when_told():
    camera = Camera(1)
    with LivePictures([camera]) as pictures:
        for count, _ in enumerate(pictures):
            camera.release()
            if count == 3:
                pictures.stop()
    assert count == 3


def test_no_picture_at_all():
    with LivePictures([Camera(ends=True)]) as pictures:
        assert list(pictures) == []
        assert pictures.arrived == 0


@pytest.mark.parametrize("rates", [(30.0, 60.0), (60.0, None)])
def test_the_slowest_rate_counts(rates):
    assert LivePictures([Camera(fps=rate) for rate in rates]).fps == 30.0
