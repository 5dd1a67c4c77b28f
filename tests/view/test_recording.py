"""The rerun recording, read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from recordings import FRAMES, faulty_session, write_videos
from rerun.chunk import Chunk, RrdReader
from synthetic import RIGHT_HAND, Scene, arc_rig

from handloom.errors import SessionError
from handloom.session import Session
from handloom.view import recording
from handloom.view.recording import write_recording

TRACK = RIGHT_HAND.name


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return faulty_session(tmp_path_factory.mktemp("session"))


@pytest.fixture(scope="module")
def chunks(session: Session, tmp_path_factory: pytest.TempPathFactory) -> list[Chunk]:
    folder = tmp_path_factory.mktemp("recording")
    videos = write_videos(folder, session.views)
    path = write_recording(session, folder / "recording.rrd", videos, max_image_width=160)
    reader = RrdReader(path)
    assert len(reader.recordings()) == 1
    assert len(reader.blueprints()) == 1
    return list(reader.stream())


def column(chunks: list[Chunk], entity: str, name: str) -> list[object]:
    """Values of one component of an entity over time."""
    rows: list[object] = []
    for chunk in chunks:
        batch = chunk.to_record_batch()
        if chunk.entity_path == entity and name in batch.schema.names:
            rows += batch.column(name).to_pylist()
    return rows


def test_every_entity_is_there(chunks: list[Chunk], session: Session) -> None:
    found = {chunk.entity_path for chunk in chunks}
    expected = {
        "/",
        f"/world/{TRACK}/joints",
        f"/world/{TRACK}/bones",
        f"/bones/{TRACK}",
        f"/views_used/{TRACK}",
    }
    for view in session.views:
        camera = f"/world/cameras/{view}"
        expected |= {camera, f"{camera}/picture", f"{camera}/{TRACK}/joints", f"{camera}/{TRACK}/bones"}
        expected.add(f"/error/{TRACK}/{view}")
    assert expected <= found


def test_positions_come_back(chunks: list[Chunk], session: Session) -> None:
    rows = column(chunks, f"/world/{TRACK}/joints", "Points3D:positions")
    assert len(rows) == FRAMES
    np.testing.assert_allclose(np.array(rows), session.positions(RIGHT_HAND), atol=1e-6)


def test_overlays_are_in_the_pixels_of_the_shrunk_pictures(chunks: list[Chunk], session: Session) -> None:
    rows = column(chunks, f"/world/cameras/cam0/{TRACK}/joints", "Points2D:positions")
    xy = session.keypoints2d(RIGHT_HAND).xy[0]
    np.testing.assert_allclose(np.array(rows), (xy + 0.5) * 0.5, atol=1e-3)


def test_missing_detections_are_empty_not_nan(chunks: list[Chunk]) -> None:
    rows = column(chunks, f"/world/cameras/cam1/{TRACK}/joints", "Points2D:positions")
    assert rows[:8] == [[]] * 8
    assert np.isfinite(np.concatenate([np.array(row) for row in rows[8:]])).all()


def test_error_curve_shows_the_bad_frame(chunks: list[Chunk]) -> None:
    rows = column(chunks, f"/error/{TRACK}/cam1", "Scalars:scalars")
    errors = np.array(rows, dtype=float)[:, 0]
    assert int(np.nanargmax(errors)) == 47
    assert np.isnan(errors[:8]).all()


def test_both_timelines_are_logged(chunks: list[Chunk]) -> None:
    chunk = next(c for c in chunks if c.entity_path == f"/world/{TRACK}/joints" and not c.is_static)
    assert {"time", "frame"} <= set(chunk.to_record_batch().schema.names)


def test_pictures_are_logged_for_every_frame(chunks: list[Chunk]) -> None:
    rows = column(chunks, "/world/cameras/cam2/picture", "EncodedImage:blob")
    assert len(rows) == FRAMES


def test_frusta_fit_a_scene_of_any_scale(tmp_path: Path) -> None:
    depths = []
    for name, distance in (("near", 2.5), ("far", 25.0)):
        scene = Scene.of(4, rig=arc_rig(2, distance=distance, unit="unknown"), tracks=[RIGHT_HAND])
        session = scene.write(tmp_path / name)
        read = list(RrdReader(write_recording(session, tmp_path / f"{name}.rrd")).stream())
        rows = column(read, "/world/cameras/cam0", "Pinhole:image_plane_distance")
        depths.append(np.array(rows).ravel()[0])
    assert 8.0 < depths[1] / depths[0] < 12.0


def test_windows_join_without_a_gap(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "WINDOW_FRAMES", 16)
    read = list(RrdReader(write_recording(session, tmp_path / "recording.rrd")).stream())
    assert len(column(read, f"/world/{TRACK}/bones", "LineStrips3D:strips")) == FRAMES


def test_session_without_a_track_can_be_recorded(tmp_path: Path) -> None:
    session = Scene.of(5, tracks=[]).write(tmp_path / "session")
    assert write_recording(session, tmp_path / "recording.rrd").stat().st_size > 0


def test_unwritable_place_leaves_nothing(session: Session, tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="does not exist"):
        write_recording(session, tmp_path / "nowhere" / "recording.rrd")
