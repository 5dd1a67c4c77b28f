"""``handloom train``: from a folder to weights, and messages where that cannot be."""

from __future__ import annotations

import tomllib

import pytest
from made_samples import made_samples
from typer.testing import CliRunner

torch = pytest.importorskip("torch", reason="the learning rooms need torch: pip install 'handloom[learn]'")
pytest.importorskip("lightning_fabric", reason="training needs Fabric: pip install 'handloom[learn]'")

from handloom.cli.main import app  # noqa: E402
from handloom.datasets import get_writer  # noqa: E402
from handloom.errors import HandloomError  # noqa: E402

FEW = ["--steps", "2", "--batch", "2", "--workers", "0", "--threads", "1", "--accelerator", "cpu"]


def written(folder, layout="webdataset"):
    writer = get_writer(layout, folder)
    writer.write_part(0, 0, made_samples(4, ("left", "right")))
    writer.finish(1)
    return str(folder)


def train(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["train", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_folder_becomes_weights(tmp_path) -> None:
    run = tmp_path / "run"
    said = train("poseprior", "--data", written(tmp_path / "set"), "-o", str(run), "--seed", "3", *FEW)
    assert "scaled MPJPE, mm" in said
    made = {path.name for path in run.iterdir()}
    assert {"poseprior.onnx", "poseprior.safetensors", "viewpoint.onnx", "viewpoint.safetensors"} <= made
    assert "examples" not in made
    content = tomllib.loads((run / "run.toml").read_text())
    assert content["finished"]
    assert (content["settings"]["seed"], content["settings"]["warmup"]) == (3, 0)
    assert content["data"]["sets"][0]["layout"] == "webdataset"


@pytest.mark.parametrize("network", ["handsegnet", "poseprior"])
def test_a_set_without_the_labels_is_refused(tmp_path, network) -> None:
    data = written(tmp_path / "set", "coco-wholebody")
    with pytest.raises(HandloomError, match=f"does not label .*{network} cannot be trained"):
        train(network, "--data", data, "-o", str(tmp_path / "run"), *FEW)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "nothing to train on"),
        (["--data", "nowhere"], "There is no nowhere"),
        (["--data", "set", "--weights", "a,b"], "are no numbers"),
        (["--data", "set", "--init", "none.safetensors"], "There are no weights"),
    ],
)
def test_what_is_asked_for_wrongly_is_said(tmp_path, monkeypatch, arguments, says) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HandloomError, match=says):
        train("poseprior", "-o", "run", *arguments, *FEW)
