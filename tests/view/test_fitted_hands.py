"""Fitted hands in the recording and in the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fitted_hands import GAP, fitted_session
from pages import Page, words
from rerun.chunk import Chunk, RrdReader
from synthetic import LEFT_HAND, RIGHT_HAND, Scene, arc_rig

from handloom.keypoints import Track
from handloom.session import FittedHand, Session, write_hands
from handloom.session.layout import HANDS
from handloom.synthesis import demo_rig
from handloom.view import recorded_hands
from handloom.view.recording import write_recording
from handloom.view.report import write_report

Fitted = tuple[Session, dict[Track, FittedHand]]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    return fitted_session(tmp_path_factory.mktemp("session"), rig=demo_rig(2))


@pytest.fixture(scope="module")
def page(fitted: Fitted, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    return write_report(fitted[0], path).read_text(encoding="utf-8")


def column(path: Path, entity: str, name: str) -> list[object]:
    """Values of one component of an entity over time."""
    rows: list[object] = []
    chunks: list[Chunk] = list(RrdReader(path).stream())
    for chunk in chunks:
        batch = chunk.to_record_batch()
        if chunk.entity_path == entity and name in batch.schema.names:
            rows += batch.column(name).to_pylist()
    return rows


def test_recording_holds_the_mesh_of_every_frame(fitted: Fitted, tmp_path: Path) -> None:
    session, hands = fitted
    path = write_recording(session, tmp_path / "recording.rrd")
    for track, hand in hands.items():
        rows = column(path, f"/world/{track.name}/mesh", "Mesh3D:vertex_positions")
        assert len(rows) == len(session)
        assert [len(row) for row in rows[GAP]] == [0, 0, 0]
        np.testing.assert_allclose(rows[3], hand.posed(3).vertices, atol=1e-6)
        normals = column(path, f"/world/{track.name}/mesh", "Mesh3D:vertex_normals")
        np.testing.assert_allclose(np.linalg.norm(normals[3], axis=1), 1.0, atol=1e-5)
        [faces] = column(path, f"/world/{track.name}/mesh", "Mesh3D:triangle_indices")
        np.testing.assert_array_equal(faces, hand.model.faces)


def test_outlines_lie_around_the_hand_in_the_pixels_shown(fitted: Fitted, tmp_path: Path) -> None:
    session, hands = fitted
    path = write_recording(session, tmp_path / "recording.rrd", max_image_width=320)
    camera = session.rig[1]
    rows = column(path, f"/world/cameras/{camera.name}/{RIGHT_HAND.name}/outline", "LineStrips2D:strips")
    assert [len(row) for row in rows[GAP]] == [0, 0, 0]
    line = np.concatenate([np.array(strip) for strip in rows[3]])
    pixels = (camera.project(hands[RIGHT_HAND].posed(3).vertices) + 0.5) * 0.5
    np.testing.assert_allclose(line.min(axis=0), pixels.min(axis=0), atol=0.6)
    np.testing.assert_allclose(line.max(axis=0), pixels.max(axis=0), atol=0.6)


def test_a_long_recording_keeps_some_meshes_only(
    fitted: Fitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded_hands, "MOST_MESHES", 8)
    path = write_recording(fitted[0], tmp_path / "recording.rrd")
    rows = column(path, f"/world/{LEFT_HAND.name}/mesh", "Mesh3D:vertex_positions")
    assert len(rows) == 4


def test_report_has_a_section_for_fitted_hands(page: str) -> None:
    parsed = Page(page)
    assert parsed.open == []
    assert parsed.sections[:3] == ["headline", "doubts", "hands"]
    assert all(load.startswith("data:image/jpeg;base64,") for load in parsed.loads)
    assert len(page) < 3_000_000


def test_report_says_how_large_the_hand_is(fitted: Fitted, page: str) -> None:
    length = 1e3 * fitted[1][RIGHT_HAND].hand_length
    assert f"Hand length {length:.0f} mm" in words(page)


def test_report_counts_the_flags(page: str) -> None:
    text = words(page)
    assert "not seen 3 25" in text
    assert "4–6" in text
    assert "begun anew 1" in text
    assert "not converged" not in text


def test_report_draws_every_finger_in_clinical_names(page: str) -> None:
    text = words(page)
    for caption in ("Thumb: CMC, MCP, IP", "Index: MCP, PIP, DIP", "Little: MCP, PIP, DIP"):
        assert text.count(caption) == 2
    assert page.count('data-name="PIP flexion"') == 2 * 4
    assert page.count('data-name="MCP abduction"') == 2 * 4


def test_curves_show_the_angles_in_degrees(tmp_path: Path) -> None:
    session, hands = fitted_session(tmp_path / "session", tracks=[RIGHT_HAND])
    angles = np.zeros_like(hands[RIGHT_HAND].angles)
    angles[:, 4, 0] = np.deg2rad(87.0)
    still = replace(hands[RIGHT_HAND], angles=angles)
    write_hands(session.folder / HANDS, [still], session.frames, session.times_s, session.unit)
    page = write_report(session, tmp_path / "report.html").read_text(encoding="utf-8")
    assert 'data-ranges="0 0.366667 0 100"' in page


def test_nothing_is_said_without_a_fit(tmp_path: Path) -> None:
    session = Scene.of(5, tracks=[RIGHT_HAND]).write(tmp_path / "session")
    page = write_report(session, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "hands" not in Page(page).sections
    assert "Fitted hands" not in words(page)


def test_no_millimetres_for_a_rig_that_is_not_metric(tmp_path: Path) -> None:
    rig = arc_rig(2, unit="unknown", distance=100.0)
    session, _ = fitted_session(tmp_path / "session", tracks=[RIGHT_HAND], rig=rig, scale=40.0)
    page = write_report(session, tmp_path / "report.html").read_text(encoding="utf-8")
    text = words(page[page.index('<section id="hands">') : page.index('<section id="worst">')])
    assert "Hand length" in text
    assert "units" in text
    assert "mm" not in text.replace("common", "")
    write_recording(session, tmp_path / "recording.rrd")


def test_a_hand_that_was_never_fitted_is_left_out(tmp_path: Path) -> None:
    session, hands = fitted_session(tmp_path / "session", tracks=[RIGHT_HAND])
    hand = hands[RIGHT_HAND]
    never = replace(hand, angles=np.full_like(hand.angles, np.nan))
    write_hands(session.folder / HANDS, [never], session.frames, session.times_s, session.unit)
    page = write_report(session, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "hands" not in Page(page).sections
    rows = column(
        write_recording(session, tmp_path / "recording.rrd"),
        f"/world/{RIGHT_HAND.name}/mesh",
        "Mesh3D:vertex_positions",
    )
    assert all(len(row) == 0 for row in rows)
