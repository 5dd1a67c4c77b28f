"""Webcams: what can be said without one."""

from __future__ import annotations

import pytest

from handloom.errors import VideoError
from handloom.video import open_video


@pytest.mark.parametrize("spec", [97, "97"])
def test_no_such_camera(spec: int | str) -> None:
    with pytest.raises(VideoError, match="Camera 97 gives no picture"):
        open_video(spec)
