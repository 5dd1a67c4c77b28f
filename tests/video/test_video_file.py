"""Video files: the right pictures at the right times, and a clear word about damage."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import number_in

from handloom.errors import VideoError
from handloom.video import open_video
from handloom.video.file import VideoFile

Record = Callable[..., Path]
CLIPS = [
    "temugeb_handpose3d/media/cam0_test.mp4",
    "pose2sim/Demo_SinglePerson/videos/cam01.mp4",
    "pose2sim/Demo_SinglePerson/videos/cam02.mp4",
    "slp_pose/src/python/tests/data/test_video.mp4",
]


def test_every_frame_comes_once_with_its_time(record: Record) -> None:
    with VideoFile(record("clip.mp4", count=50, fps=25)) as source:
        frames = list(source.frames())
    assert (source.image_size, source.fps, source.frame_count, source.name) == ((96, 64), 25.0, 50, "clip")
    assert (
        [frame.index for frame in frames] == [number_in(frame.image) for frame in frames] == list(range(50))
    )
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(50) / 25, atol=1e-6)
    assert all(frame.image.flags.c_contiguous and frame.image.dtype == np.uint8 for frame in frames)


def test_variable_frame_rate_keeps_its_timestamps(record: Record) -> None:
    times = np.cumsum([0, *np.random.default_rng(1).integers(10, 80, 39)]).tolist()
    source = VideoFile(record("phone.mkv", count=40, times_ms=times))
    measured = [frame.time_s for frame in source.frames()]
    np.testing.assert_allclose(measured, np.array(times) / 1000, atol=1.5e-3)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts", "clip.avi", "clip.webm"])
@pytest.mark.parametrize("start", [1, 13, 37, 59])
def test_seek_gives_exactly_the_frame_asked_for(record: Record, name: str, start: int) -> None:
    codec = {"avi": "mpeg4", "webm": "vp9"}.get(name.rsplit(".", 1)[1], "h264")
    source = VideoFile(record(name, codec=codec))
    whole, part = list(source.frames()), list(source.frames(start))
    assert [frame.index for frame in part] == list(range(start, 60))
    for a, b in zip(whole[start:], part, strict=True):
        assert a.time_s == b.time_s
        np.testing.assert_array_equal(a.image, b.image)


def test_seek_beyond_the_end_gives_nothing(record: Record) -> None:
    assert list(VideoFile(record("clip.mp4")).frames(60)) == []


@pytest.mark.parametrize("clip", CLIPS)
def test_seek_on_real_recordings(data: Path, clip: str) -> None:
    source = VideoFile(data / clip)
    start = 40
    later = {}
    for frame in source.frames():
        if frame.index in (start, start + 5):
            later[frame.index] = frame
        if frame.index > start + 5:
            break
    for frame in source.frames(start):
        if frame.index in later:
            assert frame.time_s == later[frame.index].time_s
            np.testing.assert_array_equal(frame.image, later[frame.index].image)
        if frame.index > start + 5:
            break


@pytest.mark.parametrize("clip", CLIPS)
def test_colours_equal_those_of_opencv(data: Path, clip: str) -> None:
    capture = cv2.VideoCapture(str(data / clip))
    for frame in VideoFile(data / clip).frames():
        expected = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
        if frame.index % 10 == 0:
            assert np.abs(frame.image.astype(int) - expected).max() <= 1
        if frame.index == 40:
            break


@pytest.mark.parametrize(("matrix", "turns"), [((0, 1, -1, 0), -1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)])
def test_rotation_in_the_metadata_is_honoured(record: Record, matrix: tuple[int, ...], turns: int) -> None:
    path = record("phone.mp4", count=5)
    stored = [frame.image for frame in VideoFile(path).frames()]
    _write_display_matrix(path, matrix)
    source = VideoFile(path)
    upright = next(iter(source.frames())).image
    assert source.image_size == (upright.shape[1], upright.shape[0])
    np.testing.assert_array_equal(upright, np.rot90(stored[0], turns))
    np.testing.assert_array_equal(upright[..., ::-1], cv2.VideoCapture(str(path)).read()[1])


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no video file"):
        open_video(tmp_path / "nothing.mp4")


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(VideoError, match="empty"):
        open_video(tmp_path / "empty.mp4")


def test_file_that_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("not a video " * 100)
    with pytest.raises(VideoError, match="not a video"):
        open_video(tmp_path / "notes.mp4")


def test_sound_without_pictures(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(VideoError, match="no video stream"):
        open_video(path)


def test_video_without_frames(record: Record) -> None:
    path = record("blank.avi", count=12, codec="mpeg4")
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"movi") + 4])
    with pytest.raises(VideoError, match=r"no picture|truncated"):
        open_video(path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may read everything")
def test_file_without_read_permission(record: Record) -> None:
    path = record("secret.mp4", count=3)
    path.chmod(0)
    with pytest.raises(VideoError, match="cannot be read"):
        open_video(path)


def test_mp4_without_its_index_is_called_truncated(record: Record) -> None:
    path = record("clip.mp4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(VideoError, match=r"truncated.*moov"):
        open_video(path)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("clip.mp4", {"movflags": "faststart"}),
        ("clip.mp4", {"movflags": "frag_keyframe+empty_moov"}),
        ("clip.mkv", {}),
        ("clip.avi", {"codec": "mpeg4"}),
    ],
)
def test_recording_cut_in_the_middle_gives_its_frames_and_then_an_error(
    record: Record, name: str, options: dict[str, str]
) -> None:
    path = record(name, **options)
    whole = [frame.image for frame in VideoFile(path).frames()]
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    source = VideoFile(path)
    read: list[NDArray[np.uint8]] = []
    with pytest.raises(VideoError, match="truncated"):
        _read_into(read, source)
    assert 0 < len(read) < len(whole)
    for a, b in zip(whole, read, strict=False):
        np.testing.assert_array_equal(a, b)


def test_damage_in_the_middle_is_reported(record: Record) -> None:
    path = record("clip.mp4", movflags="faststart")
    content = bytearray(path.read_bytes())
    middle = len(content) * 6 // 10
    content[middle : middle + 3000] = b"\xff" * 3000
    path.write_bytes(content)
    with pytest.raises(VideoError, match="damaged"):
        list(VideoFile(path).frames())


def test_abandoned_iteration_closes_the_file(record: Record) -> None:
    path = record("clip.mp4")
    frames = VideoFile(path).frames()
    next(frames)
    del frames
    descriptors = Path("/proc/self/fd")
    if descriptors.is_dir():
        held = [os.readlink(fd) for fd in descriptors.iterdir() if fd.exists()]
        assert str(path) not in held


def _read_into(images: list[NDArray[np.uint8]], source: VideoFile) -> None:
    for frame in source.frames():
        images.append(frame.image)


def _write_display_matrix(path: Path, matrix: tuple[int, ...]) -> None:
    """Turn the pictures of an MP4 as a phone does: by the matrix in its track header."""
    content = bytearray(path.read_bytes())
    header = content.index(b"tkhd")
    a, b, c, d = (value << 16 for value in matrix)
    struct.pack_into(">9i", content, header + 4 + 40, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
