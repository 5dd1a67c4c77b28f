"""The real networks, loaded once."""

from __future__ import annotations

import pytest

from handloom.detection import BodyDetector, HandDetector


@pytest.fixture(scope="session")
def hand_detector() -> HandDetector:
    return HandDetector()


@pytest.fixture(scope="session")
def body_detector() -> BodyDetector:
    return BodyDetector()
