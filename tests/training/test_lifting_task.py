"""The lifting network's training."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the learning rooms need torch: pip install 'handloom[learn]'")

from safetensors.torch import save_file  # noqa: E402

from handloom.lifting import Lifter as WithoutTorch  # noqa: E402
from handloom.networks.lifter import Lifter  # noqa: E402
from handloom.training.lifting import LifterTask  # noqa: E402

SMALL = LifterTask(width=48, blocks=1)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


def test_a_batch_is_a_function_of_seed_and_step():
    one, other, next_one = SMALL.batch(1, 5, 8), SMALL.batch(1, 5, 8), SMALL.batch(1, 6, 8)
    for name in one:
        assert torch.equal(one[name], other[name])
        assert not torch.equal(one[name], next_one[name])


def test_the_network_overfits_sixteen_samples():
    torch.manual_seed(0)
    network, batch = SMALL.network(), SMALL.batch(0, 0, 16)
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(400):
        loss, _ = SMALL.loss(network, batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.02


def test_numpy_computes_the_same(tmp_path):
    torch.manual_seed(0)
    network = Lifter(32, 2)
    for block in network.blocks:
        torch.nn.init.normal_(block.second.weight, 0.0, 0.1)
    path = tmp_path / "lifter.safetensors"
    save_file(network.state_dict(), path)
    inputs = np.random.default_rng(0).normal(size=(7, 64)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(inputs)).numpy()
    assert WithoutTorch.read(path).run(inputs) == pytest.approx(expected, abs=1e-5)


def test_validation_sees_other_hands_than_training_and_is_always_the_same():
    network = SMALL.network().eval()
    figures = SMALL.validate(network)
    assert figures == SMALL.validate(network)
    assert figures["PA-MPJPE, mm"] > 10.0


def test_what_is_exported_says_what_it_takes():
    (part,) = SMALL.parts(SMALL.network())
    assert part.name == "lifter"
    assert part.metadata["joint order"].startswith("wrist thumb_cmc")
    assert part.module(*part.example)[0].shape == (2, 21, 3)
