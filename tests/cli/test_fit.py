"""``handloom fit`` from the command line."""

from __future__ import annotations

import sys

import pytest
from synthetic import PERSON, RIGHT_HAND, Scene
from typer.testing import CliRunner

from handloom.cli.main import app, main
from handloom.session import Session
from handloom.session.layout import HANDS

QUIET = ["--no-report", "--no-recording"]


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
