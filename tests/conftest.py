"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("HANDLOOM_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of real recordings, beside the project or named by HANDLOOM_TEST_DATA."""
    if not DATA.is_dir():
        pytest.skip(f"no real recordings at {DATA}; set HANDLOOM_TEST_DATA to run this test")
    return DATA
