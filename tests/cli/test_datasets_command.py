"""``handloom datasets``: what is checked and shown, and how it ends."""

from __future__ import annotations

import cv2
import pytest
from made_samples import made_samples
from typer.testing import CliRunner

from handloom.cli.main import app
from handloom.datasets import get_writer
from handloom.errors import DataSetError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    writer = get_writer("rhd", tmp_path_factory.mktemp("sets") / "rhd")
    writer.write_part(0, 0, made_samples(4, ("left", "right")))
    writer.finish(1)
    return writer.folder


def run(*arguments):
    return CliRunner().invoke(app, ["datasets", *map(str, arguments)])


def test_a_sound_set_ends_with_status_0(folder):
    ended = run("check", folder)
    assert ended.exit_code == 0, ended.output
    assert "rhd: 4 samples, 4 checked; hands: 4 left, 4 right" in ended.output
    assert "It agrees with itself." in ended.output


def test_findings_end_with_status_1(folder, tmp_path):
    writer = get_writer("rhd", tmp_path / "rhd")
    writer.write_part(0, 0, made_samples(2))
    writer.finish(1)
    (tmp_path / "rhd/training/color/00001.png").unlink()
    ended = run("check", tmp_path / "rhd")
    assert ended.exit_code == 1
    assert "unreadable: 1 of 2 samples cannot be read" in ended.output
    assert run("check", tmp_path / "rhd", "--no-pictures").exit_code == 0


def test_sheet_shows_the_samples(folder, tmp_path):
    ended = run("show", folder, "-o", tmp_path / "sheet.png", "--columns", 3, "--tile", 100)
    assert ended.exit_code == 0, ended.output
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * 116, 300, 3)


def test_sheet_of_another_kind_is_refused(folder, tmp_path):
    ended = run("show", folder, "-o", tmp_path / "sheet.gif")
    assert isinstance(ended.exception, DataSetError)


def test_layout_and_split_can_be_named(folder):
    ended = run("check", folder, "--layout", "rhd", "--split", "evaluation")
    assert isinstance(ended.exception, DataSetError)
    assert "anno_evaluation.pickle" in str(ended.exception)
