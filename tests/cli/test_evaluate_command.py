"""``handloom evaluate`` from the outside, on a small set in FreiHAND's layout."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_hands import CENTRE_PX, FOCAL_PX, made, noisy
from typer.testing import CliRunner, Result

from handloom.cameras import Camera
from handloom.cli.main import app
from handloom.datasets.registry import open_dataset
from handloom.datasets.sample import HandLabel, Sample
from handloom.datasets.writer import get_writer
from handloom.errors import DataSetError, HandloomError
from handloom.evaluation.submissions import read_predictions, write_predictions, write_submission
from handloom.video.images import read_image

HANDS = made(12)


def _write(folder: Path, image: np.ndarray, count: int) -> Path:
    K = np.array([[FOCAL_PX, 0, CENTRE_PX], [0, FOCAL_PX, CENTRE_PX], [0, 0, 1.0]])
    camera = Camera("camera", (image.shape[1], image.shape[0]), K, np.zeros(5), np.eye(4))
    samples = [
        Sample(f"{n:05d}", image, camera, (HandLabel("right", HANDS.xy[n], HANDS.xyz[n]),))
        for n in range(count)
    ]
    writer = get_writer("freihand", folder, split="evaluation")
    writer.write_part(0, 0, samples)
    writer.finish(1)
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = np.random.default_rng(0).integers(0, 255, (224, 224, 3), dtype=np.uint8)
    return _write(tmp_path_factory.mktemp("set") / "freihand", image, len(HANDS))


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def test_a_submission_is_evaluated(dataset: Path, tmp_path: Path) -> None:
    path = write_submission(noisy(HANDS), tmp_path / "pred.zip", "freihand")
    result = _run(path, dataset, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "out/evaluation.json").read_text(encoding="utf-8"))
    assert content["coverage"]["found"] == 12
    assert 1.0 < content["figures"]["PA-MPJPE, mm"] < 8.0
    report = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    for word in ("Worst samples", "data:image/jpeg", "<svg", "mean pose", "pred.zip", "Definitions"):
        assert word in report


def test_mistakes_are_said_on_the_terminal(dataset: Path, tmp_path: Path) -> None:
    wrong = replace(noisy(HANDS), xyz=1000 * noisy(HANDS).xyz)
    path = write_submission(wrong, tmp_path / "pred.json", "freihand")
    result = _run(path, dataset, "-o", tmp_path / "out")
    assert "look like millimetres" in " ".join(result.output.split())
    assert "look like millimetres" in (tmp_path / "out/report.html").read_text(encoding="utf-8")


def test_our_own_file_with_gaps_and_training_data(dataset: Path, tmp_path: Path) -> None:
    keys = open_dataset(dataset).keys
    some = replace(noisy(HANDS), keys=tuple(keys)).take([0, 1, 2])
    path = write_predictions(some, tmp_path / "p.npz")
    result = _run(path, dataset, "-o", tmp_path / "out", "--training", dataset, "--protocol", "chp3d")
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "out/evaluation.json").read_text(encoding="utf-8"))
    assert content["coverage"]["found"] == 3
    assert {"coverage", "training samples"} <= {finding["trap"] for finding in content["findings"]}


def test_our_own_method(data: Path, tmp_path: Path) -> None:
    raw = data / "mediapipe/mediapipe/model_maker/python/vision/gesture_recognizer/testdata/raw_data"
    photograph = raw / "four/105f8f8e-ccd6-45a0-b22a-e314930bc13e.jpg"
    if not photograph.exists():
        pytest.skip(f"no photograph {photograph}")
    folder = _write(tmp_path / "set", read_image(photograph), 2)
    result = _run(folder, "--method", "handloom", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    predictions = read_predictions(tmp_path / "out/predictions.npz")
    assert len(predictions) == 2
    assert np.isfinite(predictions.xyz).all()
    assert (
        json.loads((tmp_path / "out/evaluation.json").read_text(encoding="utf-8"))["coverage"]["found"] == 2
    )


def test_what_cannot_be(dataset: Path, tmp_path: Path) -> None:
    short = write_submission(HANDS.take([0]), tmp_path / "pred.json", "freihand")
    cases: list[tuple[tuple[str | Path, ...], type[HandloomError], str]] = [
        ((short, dataset), DataSetError, "1 hands, the data set 12"),
        ((tmp_path / "gone.json", dataset), DataSetError, "cannot be read"),
        ((dataset,), HandloomError, "2 are needed"),
        ((short, dataset, "--method", "handloom"), HandloomError, "1 are needed"),
        ((short, dataset, "--protocol", "strange"), HandloomError, "no evaluation protocol"),
        ((short, tmp_path), DataSetError, ""),
    ]
    for arguments, kind, message in cases:
        result = _run(*arguments, "-o", tmp_path / "out")
        assert isinstance(result.exception, kind), result.output
        assert message in str(result.exception)
        assert not (tmp_path / "out").exists()
