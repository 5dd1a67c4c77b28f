"""``handloom synth``."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from handloom.cli.main import app
from handloom.datasets import open_dataset
from handloom.errors import HandloomError, SynthesisError

SMALL = ("--size", "64", "--workers", "1", "--part-size", "2")


def synth(*words: str | Path) -> str:
    result = CliRunner().invoke(app, ["synth", *map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def files(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items()}


def test_a_set_is_made_resumed_and_made_longer(tmp_path: Path) -> None:
    said = synth("-o", tmp_path / "set", "--count", 3, *SMALL)
    assert "3 pictures (webdataset), in 2 parts" in said
    assert "handloom datasets check" in said
    said = synth("-o", tmp_path / "set", "--count", 5, *SMALL, "--resume")
    assert "5 pictures (webdataset), 3 of them new" in said
    synth("-o", tmp_path / "at once", "--count", 5, *SMALL)
    assert files(tmp_path / "set") == files(tmp_path / "at once")
    samples = open_dataset(tmp_path / "set")
    assert len(samples) == 5
    first = samples[0]
    assert first.image is not None
    assert first.image.shape == (64, 64, 3)
    assert first.parts is not None
    assert first.depth is not None
    assert first.normals is not None
    assert all(hand.vertices is not None and hand.visible is not None for hand in first.hands)


@pytest.mark.parametrize("layout", ["freihand", "rhd", "interhand", "coco-wholebody"])
def test_every_layout_can_be_read_back(tmp_path: Path, layout: str) -> None:
    synth("-o", tmp_path / "set", "--count", 3, "--layout", layout, *SMALL)
    samples = open_dataset(tmp_path / "set", layout)
    assert len(samples) == 3
    for index in range(3):
        labels = samples.labels(index)
        assert labels.hands
        if layout == "freihand":
            assert [hand.side for hand in labels.hands] == ["right"]


def test_many_cameras_share_their_moments(tmp_path: Path) -> None:
    words = ("--count", 4, "--cameras", 2, "--layout", "interhand", "--hands", "interacting")
    synth("-o", tmp_path / "set", *words, *SMALL)
    first, second = (open_dataset(tmp_path / "set", "interhand").labels(index) for index in (0, 1))
    assert first.moment == second.moment
    assert first.camera is not None
    assert second.camera is not None
    worlds = [
        (label.hands[0].xyz - label.camera.T_camera_world[:3, 3]) @ label.camera.T_camera_world[:3, :3]
        for label in (first, second)
        if label.camera is not None
    ]
    np.testing.assert_allclose(worlds[0], worlds[1], atol=1e-6)


def test_a_set_is_a_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("sensor = 0.5\nimage_size = [48, 64]\nhands = { two = 1 }\n")
    synth("-o", tmp_path / "set", "--count", 2, "--recipe", recipe, "--workers", 1)
    image = open_dataset(tmp_path / "set")[0].image
    assert image is not None
    assert image.shape == (64, 48, 3)
    synth("-o", tmp_path / "again", "--count", 2, "--recipe", tmp_path / "set" / "synth.toml", "--workers", 1)
    assert files(tmp_path / "again") == files(tmp_path / "set")


def test_photographs_are_part_of_the_recipe(tmp_path: Path) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (80, 120, 3), dtype=np.uint8)
    cv2.imwrite(str(photographs / "one.png"), noise)
    words = ("-o", tmp_path / "set", "--count", 2, "--backgrounds", photographs, *SMALL)
    synth(*words)
    cv2.imwrite(str(photographs / "two.png"), noise)
    with pytest.raises(SynthesisError, match="photographs_sha256 was"):
        synth(*words, "--resume")


def test_another_recipe_is_not_mixed_in(tmp_path: Path) -> None:
    synth("-o", tmp_path / "set", "--count", 2, *SMALL)
    with pytest.raises(SynthesisError, match=r"hands\.one was 0\.6 and is now 1\.0"):
        synth("-o", tmp_path / "set", "--count", 2, *SMALL, "--hands", "one", "--resume")


def test_a_sheet_alone(tmp_path: Path) -> None:
    said = synth("--sheet", tmp_path / "sheet.png", "--sheet-pictures", 5, "--size", 64)
    assert "-o FOLDER makes the set" in said
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    assert sheet.shape[:2] == (2 * 240, 8 * 224)
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Neither a data set nor a contact sheet"),
        (("-o", "set", "--size", "big"), "'big' is no size"),
        (("-o", "set", "--size", "8"), "image_size"),
        (("-o", "set", "--layout", "freihand", "--hands", "two"), "one right hand in every picture"),
        (("-o", "set", "--backgrounds", "nowhere"), "photographs"),
        (("-o", "set", "--recipe", "nowhere.toml"), "no recipe"),
        (("-o", "set", "--recipe", "strange.toml"), "no option hand"),
        (("-o", "set", "--recipe", "text.toml"), "malformed"),
        (("-o", "set", "--recipe", "broken.toml"), "is no TOML"),
        (("-o", "set", "--ray", "auto", "--workers", "2"), "cannot be had together"),
        (("--sheet", "sheet.bmp"), "cannot be written as sheet.bmp"),
    ],
)
def test_what_cannot_be_made(
    words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in (("strange", "hand = 2"), ("text", 'occluders = "many"'), ("broken", "a =")):
        (tmp_path / f"{name}.toml").write_text(content)
    with pytest.raises(HandloomError, match=said):
        synth(*words)
    assert not (tmp_path / "set").exists()
