"""``handloom fit`` from the command line."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from mano_files import mano_content, write_mano
from synthetic import LEFT_HAND, PERSON, RIGHT_HAND, Scene, arc_rig
from typer.testing import CliRunner

from handloom.cli.main import app, main
from handloom.session import Session, SessionWriter, describe_run
from handloom.session.layout import HANDS
from handloom.video import VideoWriter

QUIET = ["--no-report", "--no-recording", "--no-overlays"]


def fails_with(arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["handloom", "fit", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    return " ".join(capsys.readouterr().err.split())


def test_writes_hands_and_the_report(tmp_path):
    session = Scene.of(8, tracks=(RIGHT_HAND,)).write(tmp_path / "s")
    result = CliRunner().invoke(app, ["fit", str(session.folder), "--no-recording"])
    assert result.exit_code == 0, result.output
    assert set(Session.open(session.folder).hands()) == {RIGHT_HAND}
    assert (session.folder / "report.html").exists()


def filmed_session(folder: Path) -> Session:
    """A right hand before two cameras whose recordings are named by the run and there."""
    scene = Scene.of(4, rig=arc_rig(2), tracks=(RIGHT_HAND,))
    videos = [folder / f"{camera.name}.mp4" for camera in scene.rig]
    for camera, path in zip(scene.rig, videos, strict=True):
        width, height = camera.image_size
        with VideoWriter(path, fps=30.0) as writer:
            for _ in range(4):
                writer.write(np.full((height, width, 3), 60, dtype=np.uint8))
    with SessionWriter(folder / "s", scene.rig) as writer:
        writer.append(scene.window())
        writer.finish(describe_run(["synthetic"], inputs={"videos": [str(path) for path in videos]}))
    return Session.open(folder / "s")


def test_overlays_of_every_view(tmp_path):
    session = filmed_session(tmp_path)
    result = CliRunner().invoke(app, ["fit", str(session.folder), *QUIET[:2]])
    assert result.exit_code == 0, result.output
    written = sorted((session.folder / "overlays").iterdir())
    assert [path.name for path in written] == [f"overlay_{view}.mp4" for view in session.views]
    said = "".join(result.output.split())
    assert all(path.name in said for path in written)
    assert "nooverlay" not in said


def test_recordings_that_are_gone(tmp_path):
    session = filmed_session(tmp_path)
    (tmp_path / f"{session.views[1]}.mp4").unlink()
    result = CliRunner().invoke(app, ["fit", str(session.folder), *QUIET[:2]])
    assert result.exit_code == 0, result.output
    assert f"no overlay video of {session.views[1]}:" in " ".join(result.output.split())
    (tmp_path / f"{session.views[0]}.mp4").unlink()
    result = CliRunner().invoke(app, ["fit", str(session.folder), *QUIET[:2]])
    assert result.exit_code == 0, result.output
    assert f"no overlay video of {', '.join(session.views)}:" in " ".join(result.output.split())


def test_overlays_left_out(tmp_path):
    session = filmed_session(tmp_path)
    result = CliRunner().invoke(app, ["fit", str(session.folder), *QUIET])
    assert result.exit_code == 0, result.output
    assert not (session.folder / "overlays").exists()
    assert "no overlay video" not in " ".join(result.output.split())


def test_no_session(tmp_path, monkeypatch, capsys):
    assert "no folder" in fails_with([tmp_path / "none", *QUIET], monkeypatch, capsys)


def test_no_hands(tmp_path, monkeypatch, capsys):
    session = Scene.of(5, tracks=(PERSON,)).write(tmp_path / "s")
    said = fails_with([session.folder, *QUIET], monkeypatch, capsys)
    assert "holds no hands" in said
    assert "--target hands" in said


def test_absurd_length(tmp_path, monkeypatch, capsys):
    session = Scene.of(5, tracks=(RIGHT_HAND,)).write(tmp_path / "s")
    said = fails_with([session.folder, "--hand-length", "18", *QUIET], monkeypatch, capsys)
    assert "18 mm" in said
    assert not (session.folder / HANDS).exists()


def test_no_model_there(tmp_path, monkeypatch, capsys):
    session = Scene.of(5, tracks=(RIGHT_HAND,)).write(tmp_path / "s")
    said = fails_with([session.folder, "--hand", tmp_path / "MANO_RIGHT.pkl", *QUIET], monkeypatch, capsys)
    assert "MANO_RIGHT.pkl" in said.replace(" ", "")


def test_no_mano(tmp_path, monkeypatch, capsys):
    session = Scene.of(5, tracks=(RIGHT_HAND,)).write(tmp_path / "s")
    other = tmp_path / "other.pkl"
    other.write_bytes(pickle.dumps({"weights": [1.0, 2.0]}, protocol=2))
    assert "no MANO model" in fails_with([session.folder, "--hand", other, *QUIET], monkeypatch, capsys)
    assert not (session.folder / HANDS).exists()


def test_mano_of_one_side_for_two_hands(tmp_path, monkeypatch, capsys):
    session = Scene.of(5, tracks=(LEFT_HAND, RIGHT_HAND)).write(tmp_path / "s")
    file = write_mano(tmp_path / "MANO_RIGHT.pkl", mano_content("right", vertices=778))
    said = fails_with([session.folder, "--hand", file, *QUIET], monkeypatch, capsys)
    assert "folder that holds both" in said
    assert not (session.folder / HANDS).exists()


def test_a_fit_that_fails_keeps_the_one_before(tmp_path, monkeypatch, capsys):
    session = Scene.of(5, tracks=(RIGHT_HAND,)).write(tmp_path / "s")
    assert CliRunner().invoke(app, ["fit", str(session.folder), *QUIET]).exit_code == 0
    before = (session.folder / HANDS).read_bytes()
    fails_with([session.folder, "--hand", tmp_path, *QUIET], monkeypatch, capsys)
    assert (session.folder / HANDS).read_bytes() == before


def test_mangled_hands_are_fitted_anew(tmp_path):
    session = Scene.of(5, tracks=(RIGHT_HAND,)).write(tmp_path / "s")
    (session.folder / HANDS).write_bytes(b"PK\x03\x04 and no more")
    result = CliRunner().invoke(app, ["fit", str(session.folder), *QUIET])
    assert result.exit_code == 0, result.output
    assert set(Session.open(session.folder).hands()) == {RIGHT_HAND}


def test_no_frames(tmp_path, monkeypatch, capsys):
    session = Scene.of(0, tracks=(RIGHT_HAND,)).write(tmp_path / "s")
    assert "holds no hands" in fails_with([session.folder, *QUIET], monkeypatch, capsys)
