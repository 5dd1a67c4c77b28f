"""The linear system of the landmark head."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.errors import TrainingError
from handloom.training.landmark_head import Examples, fit_head, make_examples, network_head, ridge


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.abs(np.random.default_rng(0).normal(size=(400, 1152))).astype(np.float32)


def _as_the_network_reads(features: np.ndarray) -> Examples:
    (W, b), (V, v) = network_head()
    xyz = (features @ V.T + v).reshape(-1, 21, 3)
    xyz = xyz - xyz.mean(axis=1, keepdims=True)
    return Examples(features, (features @ W.T + b).reshape(-1, 21, 2), xyz, np.ones(len(features)))


def test_a_linear_map_is_found_and_a_strong_penalty_keeps_it_away() -> None:
    rng = np.random.default_rng(0)
    F, W, b = rng.normal(size=(200, 6)), rng.normal(size=(3, 6)), rng.normal(size=3)
    found, bias = ridge(F, F @ W.T + b, 1e-9)
    assert found == pytest.approx(W, abs=1e-5)
    assert bias == pytest.approx(b, abs=1e-5)
    assert np.abs(ridge(F, F @ W.T + b, 1e9)[0]).max() < 1e-6


def test_where_the_network_is_right_the_head_is_the_networks(features: np.ndarray) -> None:
    tensors, used = fit_head(_as_the_network_reads(features))
    (W, b), (V, v) = network_head()
    assert used == len(features)
    for name, own in {"xy.weight": W, "xy.bias": b, "world.weight": V, "world.bias": v}.items():
        assert tensors[name] == pytest.approx(own, abs=1e-4)


def test_pictures_that_the_network_reads_badly_take_no_part(features: np.ndarray) -> None:
    examples = _as_the_network_reads(features)
    examples.xy[:150] += 40.0
    examples.presence[150:180] = 0.1
    assert fit_head(examples)[1] == len(features) - 180


def test_too_few_pictures_are_refused(features: np.ndarray) -> None:
    with pytest.raises(TrainingError, match="only 50 of 50"):
        fit_head(_as_the_network_reads(features[:50]))


def test_examples_are_a_function_of_seed_and_number() -> None:
    one, other = (make_examples(1, [4]) for _ in range(2))
    assert np.array_equal(one.features, other.features)
    assert np.array_equal(one.xyz, other.xyz)
    # True keypoints lie in the crop, and the joints around their middle.
    assert ((one.xy > 0) & (one.xy < 224)).mean() > 0.8
    assert np.abs(one.xyz.mean(axis=1)).max() < 1e-9
