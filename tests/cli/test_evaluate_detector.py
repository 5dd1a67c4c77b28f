"""``handloom evaluate --data``: ColorHandPose3D's protocol in one command, on sets of its layouts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_onnx import drawn, write_handsegnet, write_lifting, write_posenet
from made_samples import made_sample
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner, Result

from handloom.cli.main import app
from handloom.datasets.sample import FIRST_PART
from handloom.datasets.writer import get_writer
from handloom.errors import DataSetError, HandloomError
from handloom.hand.canonical import canonical

COUNT, SIZE = 5, 320
SIDES = ("left", "right")


def _sample(number: int):
    """Always the same pose, of either side."""
    sample = replace(made_sample(0, (SIDES[number % 2],), size=SIZE), key=f"made/{number:05d}")
    (hand,) = sample.hands
    parts = np.zeros((SIZE, SIZE), np.uint8)
    image = drawn([hand.xy], (SIZE, SIZE), 4, hull=1.1)
    parts[image[..., 0] > 200] = FIRST_PART[hand.side]
    return replace(sample, image=image, parts=parts)


@pytest.fixture(scope="module")
def rhd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set") / "rhd"
    writer = get_writer("rhd", folder, split="evaluation")
    writer.write_part(0, 0, [_sample(n) for n in range(COUNT)])
    writer.finish(1)
    return folder


@pytest.fixture(scope="module")
def stb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from scipy.io import savemat

    from handloom.datasets.orders import order, palm_of
    from handloom.datasets.stb import Stb

    folder = tmp_path_factory.mktemp("set") / "stb"
    (folder / "labels").mkdir(parents=True)
    points = np.stack([_sample(2 * n).hands[0].xyz for n in range(2)]) + np.array([0.08, 0.0, 0.3])
    native = 1e3 * np.stack([order("stb").from_hand(xyz) for xyz in palm_of(points)])
    for motion in ("Counting", "Random"):
        (folder / f"B1{motion}").mkdir()
        savemat(folder / f"labels/B1{motion}_BB.mat", {"handPara": native.transpose(2, 1, 0)})
    data = Stb(folder, "evaluation")
    for index in range(len(data)):
        labels = data.labels(index)
        picture = drawn([labels.hands[0].xy], (640, 480), 6, hull=1.1)
        cv2.imwrite(str(folder / f"{labels.key}.png"), picture[..., ::-1])
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    write_handsegnet(folder, 256)
    write_posenet(folder, 256)
    left, right = (canonical(_sample(n).hands[0].xyz, side) for n, side in enumerate(SIDES))
    turns = Rotation.from_matrix([left.R, right.R]).as_rotvec()
    write_lifting(folder, left.points, *turns)
    return folder


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def _rows(out: Path) -> dict[tuple[str, str], dict]:
    content = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    return {(row["way"], row["figure"]): row for row in content["rows"]}


def test_rhd_beside_the_published_figures(rhd: Path, weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = _run("--data", rhd, "--weights", weights, "--protocol", "rhd", "-o", out)
    assert result.exit_code == 0, result.output
    rows = _rows(out)
    crop = rows["true crops", "2D median, px of a 256 px crop"]
    assert crop["published"] == {"paper": 5.001, "public": 3.939}
    assert crop["ours"] < 8.0
    assert rows["whole pipeline", "2D median, px of the picture"]["ours"] < 8.0
    assert rows["true score maps", "3D median, mm"]["published"] == {"paper": 18.84}
    assert rows["whole pipeline", "3D mean, mm"]["ours"] < 1.0
    assert rows["mask of all hands", "mean IoU"]["ours"] > 0.9
    for word in ("18.84", "17.04", "5 pictures of the folder", "variant 'made'"):
        assert word in " ".join(result.output.split())
    for name in ("true_crops", "whole_pipeline", "true_score_maps"):
        assert (out / f"{name}.json").exists()
        assert (out / f"{name}.npz").exists()
    assert (out / "report.html").exists()


def test_stb_beside_the_published_figures(stb: Path, weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = _run("--data", stb, "--weights", weights, "--protocol", "stb", "-o", out)
    assert result.exit_code == 0, result.output
    rows = _rows(out)
    assert rows["whole pipeline", "3D AUC 0–50 mm"]["published"] == {"public": 0.764}
    # The wrist of the pictures is the palm's centre, and nowhere drawn.
    assert rows["true crops", "2D median, px of the picture"]["ours"] < 10.0


def test_another_detector_is_held_beside_the_same_figures(rhd: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = _run("--data", rhd, "--detector", "mediapipe", "--protocol", "rhd", "-o", out)
    assert result.exit_code == 0, result.output
    rows = _rows(out)
    assert ("true crops", "3D mean, mm") in rows
    assert ("true score maps", "3D mean, mm") not in rows
    assert ("mask of all hands", "mean IoU") not in rows
    assert "Another method: mediapipe" in result.output


def test_a_protocol_of_another_data_set(rhd: Path, tmp_path: Path) -> None:
    result = _run("--data", rhd, "--protocol", "freihand", "-o", tmp_path / "out")
    assert isinstance(result.exception, HandloomError)
    assert "--protocol rhd" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_predictions_and_a_detector_at_once(rhd: Path, tmp_path: Path) -> None:
    result = _run("pred.json", rhd, "--data", rhd, "--protocol", "rhd", "-o", tmp_path / "out")
    assert isinstance(result.exception, HandloomError)


def test_a_folder_of_no_known_layout(weights: Path, tmp_path: Path) -> None:
    result = _run("--data", weights, "--weights", weights, "--protocol", "rhd", "-o", tmp_path / "out")
    assert isinstance(result.exception, DataSetError)
