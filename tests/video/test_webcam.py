"""Webcams: what can be said without one."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.errors import VideoError
from handloom.video import VideoWriter, open_video
from handloom.video.webcam import without_password


@pytest.mark.parametrize("spec", [97, "97"])
def test_no_such_camera(spec: int | str) -> None:
    with pytest.raises(VideoError, match="Camera 97 gives no picture"):
        open_video(spec)


def test_stream_by_its_address(tmp_path):
    with VideoWriter(tmp_path / "cam.mp4", fps=30.0) as writer:
        for _ in range(3):
            writer.write(np.full((48, 64, 3), 90, dtype=np.uint8))
    with open_video((tmp_path / "cam.mp4").as_uri()) as source:
        assert source.live
        assert source.image_size == (64, 48)
        assert source.name.endswith("cam_mp4")
        assert next(iter(source.frames())).image.shape == (48, 64, 3)


def test_stream_that_is_not_there():
    with pytest.raises(VideoError, match="gives no picture") as caught:
        open_video("file://user:secret@localhost/nowhere/cam.mp4")
    assert "secret" not in str(caught.value)


def test_passwords_are_not_shown():
    assert without_password("rtsp://me:secret@host:554/one?x=1") == "rtsp://host:554/one?x=1"
    assert without_password("videos/me@home.mp4") == "videos/me@home.mp4"
