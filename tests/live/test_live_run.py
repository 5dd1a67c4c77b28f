"""Live hands from pictures to a kept session."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import arc_rig
from typer.testing import CliRunner

from handloom.cli.main import app
from handloom.errors import RigError, SessionError
from handloom.fitting.causal import LiveHand
from handloom.hand import load_open_hand
from handloom.hand.kinematics import rigid
from handloom.keypoints import Track
from handloom.live import HandNow, Instant, Keeper, LiveHands, LiveOptions, LivePictures, one_camera, run_live
from handloom.session import FitFlag, Session
from handloom.synthesis import make_demo_capture
from handloom.video import open_video

FRAMES = 24


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("capture")
    make_demo_capture(folder, cameras=2, frames=FRAMES, image_size=(480, 360), seed=3)
    return folder


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["live", "--headless", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return " ".join(result.output.split())


def test_two_cameras_keep_a_session(capture: Path, tmp_path: Path) -> None:
    videos = [capture / "cam0.mp4", capture / "cam1.mp4"]
    said = run(*videos, "--rig", capture / "rig.toml", "-o", tmp_path / "s")
    assert "ms median" in said
    session = Session.open(tmp_path / "s")
    assert session.views == ("cam0", "cam1")
    assert session.tracks
    assert np.isfinite(session.positions(session.tracks[0])).any()
    for track, hand in session.hands().items():
        assert track in session.tracks
        assert hand.fitted.any()
        assert ((hand.flags & FitFlag.UNSEEN) != 0).sum() == (~hand.fitted).sum()
        assert np.nanmedian(hand.reprojection_px) < 20.0
    assert np.nanmax(session.source_frames) < FRAMES


def test_one_camera_needs_no_rig(capture: Path, tmp_path: Path) -> None:
    run(capture / "cam0.mp4", "--fov", "60", "-o", tmp_path / "s")
    session = Session.open(tmp_path / "s")
    (hand, *_) = session.hands().values()
    depth = hand.T_world_wrist[hand.fitted, 2, 3]
    assert len(depth)
    assert (depth > 0.1).all()
    assert (depth < 2.0).all()


def test_ctrl_c_ends_without_an_error(capture: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "handloom.cli.main", "live", str(capture / "cam0.mp4"), "--headless"]
    with subprocess.Popen(
        [*command, "-o", str(tmp_path / "s")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while "Ctrl-C" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        said = process.stdout.read()
    assert process.returncode == 0
    assert (tmp_path / "s").exists() == ("session" in said)


def test_what_was_kept_when_stopped_is_a_session(capture: Path, tmp_path: Path) -> None:
    source = open_video(capture / "cam0.mp4")
    rig = one_camera("cam0", source.image_size, 60.0)
    pictures, keeper = LivePictures([source]), Keeper(tmp_path / "s", rig)
    with closing(LiveHands(rig, 30.0)) as hands, pictures:
        summary = run_live(pictures, hands, keeper=keeper, show=lambda *_: pictures.stop())
    session = keeper.finish(["live"], {}, {})
    assert summary.frames == len(session) == 1


def test_several_cameras_need_a_rig(capture: Path) -> None:
    with pytest.raises(RigError, match="without a calibration"):
        run(capture / "cam0.mp4", capture / "cam1.mp4")


def test_rig_without_metres() -> None:
    with pytest.raises(RigError, match="how long its unit is"):
        LiveHands(replace(arc_rig(2), unit="unknown"), 30.0)


@pytest.mark.parametrize("fov", [0.0, 180.0, float("nan")])
def test_absurd_field_of_view(fov: float) -> None:
    with pytest.raises(RigError, match="field of view"):
        one_camera("cam", (640, 480), fov)


def test_a_session_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "letter.txt").write_text("mine")
    with pytest.raises(SessionError, match="holds no session"):
        Keeper(tmp_path / "s", one_camera("cam", (64, 48), 60.0))
    assert (tmp_path / "s" / "letter.txt").read_text() == "mine"


def test_nothing_kept_leaves_nothing(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "s", one_camera("cam", (64, 48), 60.0))
    keeper.abort()
    assert not (tmp_path / "s").exists()


def test_no_hand_in_the_picture() -> None:
    hands = LiveHands(one_camera("cam", (64, 48), 60.0), 30.0, LiveOptions(max_hands=1))
    try:
        assert hands.step([np.zeros((48, 64, 3), dtype=np.uint8)]) == []
        assert hands.step([None]) == []
    finally:
        hands.close()


def hand_now(size: float) -> HandNow:
    model = load_open_hand("right")
    shape = np.full(model.shape_count, size)
    T = rigid(np.eye(3), np.array([0.0, 0.0, 0.5]))
    fit = LiveHand(np.zeros((15, 3)), T, 1.0, True, False)
    posed = model.pose(fit.angles, shape, T)
    xy = one_camera("cam", (64, 48), 60.0).project(posed.keypoints)
    seen = np.ones((1, 21))
    return HandNow(Track(0, "hand", "right"), xy, seen, seen > 0, None, model, shape, fit, posed)


def kept(folder: Path, sizes: list[float]) -> np.ndarray:
    keeper = Keeper(folder, one_camera("cam", (64, 48), 60.0))
    for t, size in enumerate(sizes):
        keeper.add(Instant(0.1 * t, 0.1 * t, (None,)), [hand_now(size)])
    [hand] = keeper.finish(["live"], {}, {}).hands().values()
    return hand.fitted


def test_a_hand_that_comes_back_is_kept_with_what_was_before(tmp_path: Path) -> None:
    assert kept(tmp_path / "s", [0.0, 0.0]).tolist() == [True, True]


def test_poses_of_the_shape_before_are_left_out(tmp_path: Path) -> None:
    assert kept(tmp_path / "s", [0.0, 1.0]).tolist() == [False, True]
