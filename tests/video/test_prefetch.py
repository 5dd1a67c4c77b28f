"""Decoding ahead in a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from handloom.errors import VideoError
from handloom.video.prefetch import prefetched


def decoders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "decoder"]


def test_everything_comes_in_order() -> None:
    assert list(prefetched(iter(range(50)), depth=3)) == list(range(50))
    assert list(prefetched(iter(()))) == []
    assert list(prefetched(iter([None, None]))) == [None, None]


def test_an_error_comes_where_it_happened() -> None:
    def broken() -> Iterator[int]:
        yield from range(3)
        raise VideoError("cam0 is damaged at frame 3.")

    got = []
    with pytest.raises(VideoError, match="damaged at frame 3"):
        got.extend(item for item in prefetched(broken()))
    assert got == [0, 1, 2]
    assert not decoders()


def test_no_more_than_depth_items_are_held() -> None:
    made = []
    resume = threading.Event()

    def counted() -> Iterator[int]:
        for i in range(100):
            made.append(i)
            if len(made) == 8:
                resume.set()
            yield i

    items = prefetched(counted(), depth=4)
    assert next(items) == 0
    assert not resume.wait(0.3)
    assert len(made) <= 6
    items.close()


def test_stopping_early_ends_the_thread() -> None:
    def endless() -> Iterator[int]:
        i = 0
        while True:
            yield i
            i += 1

    items = prefetched(endless())
    assert [next(items) for _ in range(5)] == list(range(5))
    assert len(decoders()) == 1
    items.close()
    assert not decoders()


def test_an_interrupted_consumer_ends_the_thread() -> None:
    items = prefetched(iter(range(1000)))
    assert next(items) == 0
    with pytest.raises(KeyboardInterrupt):
        items.throw(KeyboardInterrupt)
    assert not decoders()
