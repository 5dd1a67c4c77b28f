"""The report: whole, self-contained, honest about units, and pointing at what is bad."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from pages import Page, words
from recordings import BAD_FRAMES, faulty_session, write_videos
from synthetic import PERSON, RIGHT_HAND, Scene, arc_rig

from handloom.errors import SessionError, VideoError
from handloom.session import Session, SessionWriter, describe_run
from handloom.view.report import write_report
from handloom.view.report.statistics import Statistics
from handloom.view.report.worst import worst_positions

SECTIONS = ("headline", "doubts", "worst", "coverage", "reprojection", "bones", "jitter", "cameras", "speed")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return faulty_session(
        tmp_path_factory.mktemp("session"),
        timings_s={"2D keypoints": 2.0},
        options={"offsets_s": {"cam2": 0.02}},
    )


@pytest.fixture(scope="module")
def page(session: Session, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("videos")
    path = write_report(session, folder / "report.html", write_videos(folder, session.views))
    return path.read_text(encoding="utf-8")


def test_all_sections_are_there_and_every_element_is_closed(page: str) -> None:
    parsed = Page(page)
    assert tuple(parsed.sections) == SECTIONS
    assert parsed.open == []


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    assert all(load.startswith("data:image/jpeg;base64,") for load in Page(page).loads)
    assert not re.search(r"https?://|url\(|@import|//cdn", page)


def test_report_is_small(page: str) -> None:
    assert len(page) < 3_000_000


def test_worst_frames_are_those_made_bad(session: Session, page: str) -> None:
    tracks = Statistics.of(session).tracks
    worst = [int(session.frames[position]) for position, _ in worst_positions(tracks, 3)]
    assert worst == sorted(BAD_FRAMES, reverse=True)
    listed = [int(number) for number in re.findall(r"<strong>Frame (\d+),", page)]
    assert listed[:3] == worst
    assert "In cam1 the detection lies" in page


def test_worst_frames_keep_their_distance(session: Session) -> None:
    positions = sorted(position for position, _ in worst_positions(Statistics.of(session).tracks, 6))
    assert np.diff(positions).min() >= 10


def test_warnings_name_offsets(page: str) -> None:
    assert "cam2 by +20.0 ms" in words(page)


def test_metric_rig_is_shown_in_mm(page: str) -> None:
    assert "mm/frame²" in words(page)


@pytest.mark.parametrize(("unit", "said"), [("board-square", "board squares"), ("unknown", "units")])
def test_no_mm_for_a_rig_without_metric_scale(tmp_path: Path, unit: str, said: str) -> None:
    session = faulty_session(tmp_path / "session", arc_rig(3, unit=unit))
    truth = {RIGHT_HAND: session.positions(RIGHT_HAND)}
    text = words(write_report(session, tmp_path / "report.html", truth=truth).read_text(encoding="utf-8"))
    assert not re.search(r"\bmm\b", text.replace("such as &#39;25 mm&#39;", ""))
    assert f"{said}/frame²" in text
    assert "not metric" in text


def test_error_against_the_truth(session: Session, tmp_path: Path) -> None:
    truth = {RIGHT_HAND: session.positions(RIGHT_HAND) + np.array([0.003, 0.0, 0.0])}
    page = write_report(session, tmp_path / "report.html", truth=truth).read_text(encoding="utf-8")
    assert "truth" in Page(page).sections
    assert Statistics.of(session, truth).tracks[0].errors.mean == pytest.approx(0.003)
    assert "3.00 mm" in words(page)


def test_truth_of_another_length_is_refused(session: Session, tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="shape"):
        write_report(session, tmp_path / "report.html", truth={RIGHT_HAND: np.zeros((3, 21, 3))})
    assert not (tmp_path / "report.html").exists()


def test_view_that_disagrees_is_named(tmp_path: Path) -> None:
    scene = Scene.of(40, rig=arc_rig(4), tracks=[PERSON])
    window = scene.window(noise_px=0.5)
    window.observations[PERSON].xy[2] += 30.0
    with SessionWriter(tmp_path / "session", scene.rig) as writer:
        writer.append(window)
        writer.finish(describe_run(["synthetic"]))
    page = write_report(Session.open(tmp_path / "session"), tmp_path / "report.html").read_text("utf-8")
    assert "cam2 disagrees" in words(page)
    assert "cam1 disagrees" not in words(page)


def test_session_without_a_track_has_a_report(tmp_path: Path) -> None:
    session = Scene.of(5, tracks=[]).write(tmp_path / "session")
    text = words(write_report(session, tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "No hand or body was reconstructed" in text


def test_names_are_escaped(tmp_path: Path) -> None:
    session = faulty_session(tmp_path / "<b>bold & brave")
    assert "<b>bold" not in write_report(session, tmp_path / "report.html").read_text(encoding="utf-8")


def test_wrong_number_of_videos_is_refused(session: Session, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="2 recordings were given for 3 views"):
        write_report(session, tmp_path / "report.html", [tmp_path / "a.mp4", tmp_path / "b.mp4"])


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    def peak(frames: int) -> int:
        session = Scene.of(frames, tracks=[RIGHT_HAND]).write(tmp_path / str(frames))
        write_report(session, tmp_path / "warm.html")
        tracemalloc.start()
        write_report(session, tmp_path / "report.html")
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert peak(3072) < 1.2 * peak(1024)
