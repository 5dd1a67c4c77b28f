"""An inner tensor of a network as one more output."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.detection import HandDetector, Region
from handloom.detection.hands import FEATURES
from handloom.detection.inner_tensors import with_output
from handloom.detection.models import model_path
from handloom.errors import ModelError

REGION = Region(150.0, 140.0, 200.0, 0.3)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (300, 300, 3), dtype=np.uint8)


def test_the_network_computes_what_it_did_before(hand_detector: HandDetector, picture: np.ndarray) -> None:
    one, other = (each.read(picture, REGION) for each in (hand_detector, HandDetector(features=True)))
    assert np.array_equal(one.xy, other.xy)
    assert one.features is None
    assert other.features is not None
    assert other.features.shape == (1152,)


def test_the_faster_runtime_gives_the_same_features(picture: np.ndarray) -> None:
    pytest.importorskip("openvino", reason="needs handloom[fast]")
    one, other = (HandDetector(run, features=True).read(picture, REGION) for run in ("litert", "openvino"))  # type: ignore[arg-type]
    # bfloat16, where the processor has it, keeps two to three digits.
    assert other.features == pytest.approx(one.features, abs=0.05)


def test_a_tensor_that_is_not_there_is_named() -> None:
    with pytest.raises(ModelError, match="no tensor 'nothing'"):
        with_output(model_path("hand_landmark_full").read_bytes(), "nothing")


@pytest.mark.parametrize(
    "content", [b"", b"abc", bytes(64), b"\xff" * 200], ids=["empty", "short", "zeros", "ones"]
)
def test_what_is_no_network_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match=r"no \.tflite network"):
        with_output(content, FEATURES)
