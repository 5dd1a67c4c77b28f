"""Folders of pictures as recordings."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from pictures import number_in, picture

from handloom.errors import VideoError
from handloom.video import open_video


def _fill(folder: Path, count: int = 12) -> Path:
    for i in range(count):
        cv2.imwrite(str(folder / f"frame{i}.png"), picture(i)[..., ::-1])
    return folder


def test_pictures_come_in_natural_order_and_others_are_passed_over(tmp_path: Path) -> None:
    (_fill(tmp_path) / "notes.txt").write_text("no picture")
    with open_video(tmp_path, fps=10) as source:
        frames = list(source.frames())
    assert (source.frame_count, source.image_size, source.fps, source.live) == (12, (96, 64), 10.0, False)
    assert [number_in(frame.image) for frame in frames] == list(range(12))
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(12) / 10)
    np.testing.assert_array_equal(frames[3].image, picture(3))


def test_start(tmp_path: Path) -> None:
    frames = list(open_video(_fill(tmp_path)).frames(9))
    assert [frame.index for frame in frames] == [number_in(frame.image) for frame in frames] == [9, 10, 11]
    assert frames[0].time_s == pytest.approx(9 / 30)


def test_single_picture(tmp_path: Path) -> None:
    source = open_video(_fill(tmp_path) / "frame7.png")
    assert [number_in(frame.image) for frame in source.frames()] == [7]


def test_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no pictures"):
        open_video(tmp_path)


def test_pictures_of_different_sizes(tmp_path: Path) -> None:
    cv2.imwrite(str(_fill(tmp_path) / "frame5.png"), np.zeros((10, 20, 3), np.uint8))
    frames = open_video(tmp_path).frames()
    assert [next(frames).index for _ in range(5)] == list(range(5))
    with pytest.raises(VideoError, match=r"frame5\.png has 20 × 10 pixels.*96 × 64"):
        next(frames)


@pytest.mark.parametrize("content", [b"", b"not a picture"])
def test_unreadable_picture(tmp_path: Path, content: bytes) -> None:
    (_fill(tmp_path) / "frame4.png").write_bytes(content)
    with pytest.raises(VideoError, match=r"frame4\.png is damaged"):
        list(open_video(tmp_path).frames())


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may read everything")
def test_picture_without_read_permission(tmp_path: Path) -> None:
    (_fill(tmp_path) / "frame4.png").chmod(0)
    with pytest.raises(VideoError, match=r"frame4\.png cannot be read"):
        list(open_video(tmp_path).frames())
