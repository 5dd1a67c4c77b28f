"""Exported files: equal to the network, for any number of samples, and saying what they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the learning rooms need torch: pip install 'handloom[learn]'")
onnx = pytest.importorskip("onnx", reason="exports need onnx: pip install 'handloom[learn]'")

from tiny_task import TinyNetwork, TinyTask  # noqa: E402
from torch import nn  # noqa: E402

from handloom.errors import HandloomError, TrainingError  # noqa: E402
from handloom.training.export import export, load_weights, onnx_difference, save_weights  # noqa: E402


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    torch.manual_seed(0)
    (part,) = TinyTask().parts(TinyNetwork().eval())
    folder = tmp_path_factory.mktemp("exports")
    return part, *export(part, folder, {"steps": "40"})


def test_onnx_equals_the_network_for_any_number_of_samples(exported) -> None:
    from onnxruntime import InferenceSession

    part, _, path, difference = exported
    assert difference < 1e-5
    x = torch.randn(7, 3)
    found = InferenceSession(str(path)).run(["y"], {"x": x.numpy()})[0]
    np.testing.assert_allclose(found, part.module(x).detach().numpy(), atol=1e-6)


def test_both_files_say_what_they_are(exported) -> None:
    from safetensors import safe_open

    _, weights, path, _ = exported
    properties = {prop.key: prop.value for prop in onnx.load(str(path)).metadata_props}
    with safe_open(str(weights), "pt") as file:
        assert file.metadata() == properties
    assert properties["network"] == "tiny"
    assert properties["steps"] == "40"
    assert "handloom" in properties


def test_a_file_that_computes_something_else_is_not_kept(exported, tmp_path) -> None:
    part, _, path, _ = exported
    with torch.no_grad():
        other = replace(part, module=TinyNetwork().eval())
    assert onnx_difference(other, path) > 1e-2

    class Random(nn.Module):
        """Gives other values whenever it is asked."""

        calls = 0

        def forward(self, x):
            if torch.compiler.is_exporting():
                return 2 * x
            return x

    with pytest.raises(TrainingError, match="differs from the network"):
        export(replace(part, weights=nn.Linear(1, 1), module=Random()), tmp_path)
    assert not (tmp_path / "tiny.onnx").exists()


def test_weights_come_back(tmp_path) -> None:
    network = TinyNetwork()
    save_weights(network, tmp_path / "a.safetensors", {"network": "tiny"})
    found = load_weights(tmp_path / "a.safetensors")
    assert found.keys() == network.state_dict().keys()
    assert all(torch.equal(found[name], value) for name, value in network.state_dict().items())


def test_files_that_hold_no_weights(tmp_path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(HandloomError, match="holds no weights"):
        load_weights(tmp_path / "a.safetensors")
    with pytest.raises(HandloomError, match="There are no weights"):
        load_weights(tmp_path / "b.safetensors")
