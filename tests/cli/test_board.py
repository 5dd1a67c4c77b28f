"""``handloom board``."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from handloom.cli.main import app


def test_board_is_written_and_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["board", "charuco:5x7:25mm", "-o", str(tmp_path / "board.pdf")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "board.pdf").read_bytes().startswith(b"%PDF")
    assert "charuco:5x7:25mm:marker=18.75mm:dict=4X4_50" in result.output
