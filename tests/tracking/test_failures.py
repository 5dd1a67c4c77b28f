"""Everything a user can get wrong: named in the message, status 1, and no trace of the attempt."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from clips import Clip, small_rig

from handloom import track, write_rig
from handloom.cameras import CameraRig
from handloom.cli.main import main
from handloom.errors import SessionError

Fails = Callable[..., str]


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fails:
    """Run ``handloom track`` with arguments it cannot work with; gives what it says."""

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["handloom", "track", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "2000")
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert end.value.code == 1, said.err
        assert "error" in said.err
        assert "→" in said.err
        assert "Traceback" not in said.err + said.out
        return said.err

    return run


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "session"


def options(clip: Clip, out: Path) -> list[object]:
    return ["--rig", clip.rig, "-o", out, "--no-report", "--no-recording"]


def test_missing_video(fails: Fails, handless: Clip, out: Path) -> None:
    assert "nowhere.mp4" in fails(handless.videos[0], "nowhere.mp4", *options(handless, out))
    assert not out.exists()


def test_a_rig_of_lenses_without_places(fails: Fails, handless: Clip, out: Path, tmp_path: Path) -> None:
    rig = small_rig(2)
    cameras = tuple(replace(camera, T_camera_world=np.eye(4)) for camera in rig)
    write_rig(replace(rig, cameras=cameras), tmp_path / "lenses.toml")
    said = fails(*handless.videos, "--rig", tmp_path / "lenses.toml", "-o", out)
    assert "in one place" in said
    assert not out.exists()


def test_empty_video(fails: Fails, handless: Clip, out: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert "empty.mp4" in fails(handless.videos[0], tmp_path / "empty.mp4", *options(handless, out))
    assert not out.exists()


def test_not_a_video(fails: Fails, handless: Clip, out: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("take two was better\n" * 100)
    assert "notes.mp4" in fails(handless.videos[0], tmp_path / "notes.mp4", *options(handless, out))
    assert not out.exists()


@pytest.mark.parametrize("index_first", [False, True])
def test_truncated_video(fails: Fails, handless: Clip, out: Path, tmp_path: Path, index_first: bool) -> None:
    """Without its index a video does not open; with it, it ends in the middle of the run."""
    path = tmp_path / "cut.mp4"
    random = np.random.default_rng(0)
    with av.open(str(path), "w", options={"movflags": "faststart"} if index_first else {}) as container:
        stream = container.add_stream("h264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(12):
            image = random.integers(0, 256, (240, 320, 3)).astype(np.uint8)
            container.mux(stream.encode(VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    assert "cut.mp4" in fails(handless.videos[0], path, *options(handless, out))
    assert not out.exists()


def test_video_without_a_hand(fails: Fails, handless: Clip, out: Path) -> None:
    said = fails(*handless.videos, *options(handless, out))
    assert "No hand was found in 12 frames of 2 views" in said
    assert not out.exists()


def test_video_without_a_hand_leaves_a_folder_that_was_there(fails: Fails, handless: Clip, out: Path) -> None:
    out.mkdir()
    fails(*handless.videos, *options(handless, out))
    assert list(out.iterdir()) == []


def test_fewer_cameras_than_videos(fails: Fails, handless: Clip, out: Path) -> None:
    third = handless.videos[0].with_name("extra.mp4")
    third.write_bytes(handless.videos[0].read_bytes())
    said = fails(*handless.videos, third, *options(handless, out))
    assert "3 videos (cam0, cam1, extra) and 2 cameras (cam0, cam1)" in said
    assert not out.exists()


def test_pictures_of_another_size(fails: Fails, handless: Clip, out: Path, tmp_path: Path) -> None:
    write_rig(CameraRig(tuple(c.scaled(640, 480) for c in small_rig(2))), tmp_path / "rig.toml")
    said = fails(*handless.videos, "--rig", tmp_path / "rig.toml", "-o", out)
    assert "cam0 was calibrated at 640×480, but cam0 is 320×240" in said
    assert not out.exists()


def test_missing_camera_file(fails: Fails, handless: Clip, out: Path) -> None:
    assert "no-rig.toml" in fails(*handless.videos, "--rig", "no-rig.toml", "-o", out)


def test_not_a_camera_file(fails: Fails, handless: Clip, out: Path, tmp_path: Path) -> None:
    (tmp_path / "shopping.toml").write_text("milk = 2\n")
    assert "shopping.toml" in fails(*handless.videos, "--rig", tmp_path / "shopping.toml", "-o", out)
    assert not out.exists()


def test_nan_in_the_camera_file(fails: Fails, handless: Clip, out: Path, tmp_path: Path) -> None:
    lines = handless.rig.read_text().splitlines()
    row = next(i for i, line in enumerate(lines) if line.startswith("translation"))
    lines[row] = "translation = [nan, 0.0, 1.0]"
    del lines[row + 1 : next(i for i in range(row + 1, len(lines)) if "=" in lines[i] or lines[i][:1] == "[")]
    (tmp_path / "nan.toml").write_text("\n".join(lines))
    said = fails(*handless.videos, "--rig", tmp_path / "nan.toml", "-o", out)
    assert "nan.toml" in said
    assert "translation" in said
    assert not out.exists()


def test_a_file_where_the_folder_should_be(fails: Fails, handless: Clip, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    assert "taken" in fails(*handless.videos, *options(handless, tmp_path / "taken"))
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_folder_that_cannot_be_written(fails: Fails, handless: Clip) -> None:
    if not Path("/proc").is_dir():
        pytest.skip("this system has no /proc")
    assert "/proc/session" in fails(*handless.videos, *options(handless, Path("/proc/session")))


def test_a_folder_whose_parent_is_missing(fails: Fails, handless: Clip, tmp_path: Path) -> None:
    out = tmp_path / "no" / "session"
    assert str(out) in fails(*handless.videos, *options(handless, out))
    assert not (tmp_path / "no").exists()


def test_a_session_is_there_already(fails: Fails, short: Clip, handless: Clip, out: Path) -> None:
    track(short.videos, short.rig, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    said = fails(*short.videos, *options(short, out))
    assert "already holds a finished session" in said
    assert "--overwrite" in said
    # A replacement that fails leaves it as well.
    fails(*handless.videos, *options(handless, out), "--overwrite")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize("flag", ["--overwrite", "--resume", "--no-report"])
def test_a_folder_of_somebody_else(fails: Fails, handless: Clip, out: Path, flag: str) -> None:
    out.mkdir()
    (out / "thesis.tex").write_text("chapter 1")
    said = fails(*handless.videos, *options(handless, out), flag)
    assert str(out) in said
    assert "holds no session" in said
    assert [path.name for path in out.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--offset", "soon,later"], "soon,later"),
        (["--offset", "0"], "1 offsets (0) do not fit 2 views"),
        (["--offset", "0,nan"], "nan"),
        (["--fps", "0"], "frame rate of 0"),
        (["--fps", "nan"], "frame rate of nan"),
        (["--unit", "cubits"], "cubits"),
    ],
)
def test_options_that_make_no_sense(
    fails: Fails, handless: Clip, out: Path, arguments: list[str], culprit: str
) -> None:
    assert culprit in fails(*handless.videos, *options(handless, out), *arguments)
    assert not out.exists()


def test_offsets_that_cannot_be_told(fails: Fails, handless: Clip, out: Path) -> None:
    assert "cam0" in fails(*handless.videos, *options(handless, out), "--offset", "auto")
    assert not out.exists()


def test_as_a_program_of_its_own(handless: Clip, out: Path) -> None:
    program = "from handloom.cli.main import main; main()"
    arguments = ["track", str(handless.videos[0]), "nowhere.mp4", *map(str, options(handless, out))]
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "2000"},
    )
    assert ended.returncode == 1
    assert "nowhere.mp4" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_full_disk_loses_nothing_that_was_detected(short: Clip, out: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    whole = track(short.videos, short.rig, tmp_path / "whole")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file may grow beyond the limit: the journal fits, the tables do not.
    limit = (whole.folder / "keypoints3d.parquet").stat().st_size - 1000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(SessionError, match="no room left"):
            track(short.videos, short.rig, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in out.iterdir()] == [".journal"]
    resumed = track(short.videos, short.rig, out, resume=True)
    name = "keypoints3d.parquet"
    assert (resumed.folder / name).read_bytes() == (whole.folder / name).read_bytes()
