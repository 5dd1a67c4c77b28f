"""The whole main job on a capture the project makes itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from handloom.demo import DemoError, errors_against, run_demo
from handloom.errors import HandloomError
from handloom.keypoints import Track
from handloom.session import Session

Demo = tuple[Session, list[DemoError]]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    session, truth = run_demo(tmp_path_factory.mktemp("demo"), cameras=3, frames=30)
    return session, errors_against(session, truth)


def test_both_hands_are_found(demo: Demo) -> None:
    session, errors = demo
    assert session.tracks == [Track(0, "hand", "left"), Track(0, "hand", "right")]
    assert [error.track for error in errors] == session.tracks
    assert len(session) == 30
    assert session.unit == "m"


def test_the_error_is_a_few_millimetres(demo: Demo) -> None:
    for error in demo[1]:
        assert error.coverage > 0.9
        assert error.frames > 20
        assert error.mean_mm < 8.0
        assert error.median_mm <= error.p95_mm


def test_a_track_that_is_not_in_the_truth_is_passed_over(demo: Demo) -> None:
    session, _ = demo
    truth = {session.tracks[0]: session.keypoints3d(session.tracks[0]).xyz}
    assert [error.track for error in errors_against(session, truth)] == session.tracks[:1]


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(HandloomError, match="taken"):
        run_demo(tmp_path / "taken", frames=10)
