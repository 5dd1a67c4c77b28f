"""The head on the landmark network's features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from handloom.detection import HandDetector, Region
from handloom.errors import ModelError
from handloom.lifting import LandmarkHead, load_landmark_head
from handloom.training.landmark_head import network_head


def test_the_networks_own_weights_give_the_networks_own_reading() -> None:
    (W, b), (V, v) = network_head()
    head = LandmarkHead(
        (W.astype(np.float32), b.astype(np.float32)), (V.astype(np.float32), v.astype(np.float32)), {}
    )
    picture = np.random.default_rng(0).integers(0, 255, (300, 300, 3), dtype=np.uint8)
    region = Region(150.0, 140.0, 200.0, 0.7)
    reading = HandDetector(features=True).read(picture, region)
    assert reading.features is not None
    assert head.keypoints(reading.features, region) == pytest.approx(reading.xy, abs=1e-2)
    assert head.in_space(reading.features, region) == pytest.approx(reading.world, abs=1e-4)


def test_the_head_that_comes_along_is_near_the_networks() -> None:
    (W, _), (V, _) = network_head()
    head = load_landmark_head()
    for own, moved in ((W, head.xy[0]), (V, head.world[0])):
        assert 0.0 < np.linalg.norm(moved - own) < 2.0 * np.linalg.norm(own)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "other.safetensors"
    save_file({"xy.weight": np.zeros((42, 3), np.float32)}, path)
    with pytest.raises(ModelError, match="holds no landmark head"):
        LandmarkHead.read(path)
