"""Written videos are whole, or not there."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from pictures import number_in, picture

from handloom.errors import VideoError
from handloom.video import VideoWriter, open_video


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoWriter(path, fps=30) as writer:
        for i in range(40):
            writer.write(picture(i))
            assert not path.exists()
    with open_video(path) as source:
        frames = list(source.frames())
    assert (source.frame_count, source.fps, source.image_size) == (40, 30.0, (96, 64))
    assert [number_in(frame.image) for frame in frames] == list(range(40))
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(40) / 30, atol=1e-6)
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT) == 40
    assert list(tmp_path.iterdir()) == [path]


def test_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    with suppress(KeyError), VideoWriter(tmp_path / "out.mp4", fps=30) as writer:
        writer.write(picture(0))
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_writing_no_picture(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no picture"), VideoWriter(tmp_path / "out.mp4", fps=30):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(64, 96), (64, 96, 4), (63, 96, 3), (32, 96, 3)])
def test_pictures_that_do_not_fit(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with VideoWriter(tmp_path / "out.mp4", fps=30) as writer:
        writer.write(picture(0))
        with pytest.raises(ValueError, match="pictures"):
            writer.write(np.zeros(shape, np.uint8))


def test_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="cannot be written"):
        VideoWriter(tmp_path / "nowhere" / "out.mp4", fps=30)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_disk_that_fills_up(tmp_path: Path) -> None:
    program = f"""
import resource
import numpy as np
from handloom.errors import VideoError
from handloom.video import VideoWriter

resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
rng = np.random.default_rng(0)
try:
    with VideoWriter({str(tmp_path / "out.mp4")!r}, fps=30) as writer:
        for _ in range(60):
            writer.write(rng.integers(0, 255, (128, 128, 3)).astype(np.uint8))
except VideoError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "cannot be written" in result.stdout
    assert list(tmp_path.iterdir()) == []
