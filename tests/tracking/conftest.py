"""Recordings to track: the real clip of two views, a short piece of it, and videos without a hand."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from clips import Clip, small_rig

from handloom import Session, track, write_rig
from handloom.video import VideoWriter, open_video


@pytest.fixture(scope="session")
def clip(data: Path) -> Clip:
    """Two views of a right hand, 378 frames, measured in squares of a board."""
    folder = data / "temugeb_handpose3d"
    return Clip(
        (folder / "media/cam0_test.mp4", folder / "media/cam1_test.mp4"), folder / "camera_parameters"
    )


@pytest.fixture(scope="session")
def tracked(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The whole clip, tracked without interruption."""
    return track(clip.videos, clip.rig, tmp_path_factory.mktemp("clip") / "session")


@pytest.fixture(scope="session")
def short(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Eighteen frames of the clip with the hand in both views."""
    folder = tmp_path_factory.mktemp("short")
    for video in clip.videos:
        with open_video(video) as source, VideoWriter(folder / video.name, fps=30, quality=16) as writer:
            for frame in islice(source.frames(40), 18):
                writer.write(frame.image)
    return Clip(tuple(folder / video.name for video in clip.videos), clip.rig)


@pytest.fixture(scope="session")
def handless(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Two videos of noise with a calibration of their size."""
    folder = tmp_path_factory.mktemp("handless")
    random = np.random.default_rng(0)
    for name in ("cam0", "cam1"):
        with VideoWriter(folder / f"{name}.mp4", fps=30) as writer:
            for _ in range(12):
                writer.write(random.integers(0, 256, (240, 320, 3)).astype(np.uint8))
    write_rig(small_rig(2), folder / "rig.toml")
    return Clip((folder / "cam0.mp4", folder / "cam1.mp4"), folder / "rig.toml")
