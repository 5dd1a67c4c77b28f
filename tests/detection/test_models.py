"""The networks' files."""

from __future__ import annotations

import hashlib

import pytest

from handloom.detection.models import MODELS, model_path
from handloom.errors import ModelError


@pytest.mark.parametrize("name", MODELS)
def test_every_network_is_the_file_expected(name: str) -> None:
    path = model_path(name)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == MODELS[name].sha256
    assert path.read_bytes()[4:8] == b"TFL3"
    assert MODELS[name].state == "ready"


def test_unknown_network() -> None:
    with pytest.raises(ModelError, match=r"no network 'foot'.*hand_landmark_full"):
        model_path("foot")
