"""The command line: what it costs to ask for help, and what it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from synthetic import LEFT_HAND, RIGHT_HAND, Scene
from typer.testing import CliRunner

from handloom.cli.main import INTERRUPTED, app, main
from handloom.detection.models import MODELS
from handloom.errors import HandloomError
from handloom.tracking import TrackOptions

COMMANDS = ("demo", "track", "image", "view", "report", "export", "models")
MAIN = "from handloom.cli.main import main; main()"


def test_help_is_cheap() -> None:
    program = f"""
import sys
from typer.testing import CliRunner
from handloom.cli.main import app
for command in [[], *([name] for name in {COMMANDS!r})]:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage" in result.output
heavy = {{"numba", "torch", "rerun", "scipy", "cv2", "av", "pyarrow", "ai_edge_litert", "jinja2"}}
print(sorted(heavy & set(sys.modules)))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_every_command_is_listed() -> None:
    output = CliRunner().invoke(app, ["--help"]).output
    assert all(command in output for command in COMMANDS)


def test_without_a_command_comes_help() -> None:
    assert "Usage" in CliRunner().invoke(app, []).output


def test_models_lists_every_network() -> None:
    result = CliRunner().invoke(app, ["models"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert all(name in result.output for name in MODELS)
    assert "efficientnet_lite0" in result.stdout


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("session")
    Scene.of(12, tracks=[LEFT_HAND, RIGHT_HAND]).write(folder, noise_px=1.0)
    return folder


def test_export_writes_every_format_asked_for(session: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["export", str(session), "-f", "csv, trc", "-o", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".trc"}


def test_export_goes_beside_the_session_by_default(session: Path) -> None:
    assert CliRunner().invoke(app, ["export", str(session), "-f", "csv-wide"]).exit_code == 0
    assert list((session / "export").iterdir())


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["export", "{session}", "-f", "docx"], "docx"),
        (["export", "{nowhere}", "-f", "csv"], "nowhere"),
        (["report", "{nowhere}"], "nowhere"),
        (["models", "--wheel", "{nowhere}.whl"], "nowhere"),
        (["track", "a.mp4", "--rig", "{nowhere}", "-o", "{nowhere}"], "nowhere"),
        (["demo", "-o", "{session}/run.toml"], "run.toml"),
        (["demo", "--real", "-o", "{session}/run.toml"], "run.toml"),
    ],
)
def test_what_goes_wrong_is_said_in_two_sentences(
    arguments: list[str],
    culprit: str,
    session: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {"session": session, "nowhere": tmp_path / "nowhere"}
    monkeypatch.setattr(sys, "argv", ["handloom", *(part.format(**places) for part in arguments)])
    monkeypatch.setenv("COLUMNS", "2000")
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr().err
    assert end.value.code == 1
    assert culprit in said
    assert "→" in said


def test_an_option_that_does_not_exist_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["handloom", "track", "--faster"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "--faster" in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on(data: Path, tmp_path: Path) -> None:
    folder, out = data / "temugeb_handpose3d", tmp_path / "session"
    videos = [str(folder / f"media/cam{view}_test.mp4") for view in (0, 1)]
    command = ["track", *videos, "--rig", str(folder / "camera_parameters"), "-o", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "2000"},
    )
    while not list(out.glob(".journal/chunk-*")) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == INTERRUPTED
    assert "--resume" in said
    assert "Traceback" not in said
    assert list(out.glob(".journal/chunk-*"))


def test_offsets_are_numbers() -> None:
    assert TrackOptions().with_offsets("0, -0.04").offsets_s == (0.0, -0.04)
    with pytest.raises(HandloomError, match="'0;1'"):
        TrackOptions().with_offsets("0;1")


def test_options_know_their_networks_and_limits() -> None:
    assert set(TrackOptions(target="both", lite=True).models()) == {
        "palm_detection_lite",
        "hand_landmark_lite",
        "pose_detection",
        "pose_landmark_full",
    }
    options = TrackOptions(target="both", people=2)
    assert (options.limit("hand"), options.limit("body"), options.kinds) == (4, 2, ("body", "hand"))
    assert TrackOptions(max_hands=1).limit("hand") == 1
