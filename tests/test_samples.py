"""The real recording behind ``handloom demo --real``."""

from __future__ import annotations

from handloom.samples import real_walk
from handloom.video import open_video


def test_walk_holds_four_videos_and_their_calibration() -> None:
    folder = real_walk()
    assert (folder / "Calib.qca.txt").read_text(encoding="utf-8-sig").lstrip().startswith("<")
    sources = [open_video(folder / f"cam0{camera}.mp4") for camera in range(1, 5)]
    assert [(source.fps, source.frame_count) for source in sources] == [(60.0, 100)] * 4
