"""The rerun recording of a calibration, read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from calibrations import calibrated
from rerun.chunk import Chunk, RrdReader

from handloom.calibration.calibration import Calibration
from handloom.errors import SessionError
from handloom.view.calibration_recording import write_calibration_recording

MOMENTS = 40


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return calibrated(3, MOMENTS, not_linked=["cam2"])


@pytest.fixture(scope="module")
def chunks(calibration: Calibration, tmp_path_factory: pytest.TempPathFactory) -> list[Chunk]:
    reader = RrdReader(write_calibration_recording(calibration, tmp_path_factory.mktemp("rrd") / "c.rrd"))
    assert len(reader.recordings()) == 1
    assert len(reader.blueprints()) == 1
    return list(reader.stream())


def column(chunks: list[Chunk], entity: str, name: str) -> list[list[list[float]] | None]:
    """Values of one component of an entity over time."""
    rows: list[list[list[float]] | None] = []
    for chunk in chunks:
        batch = chunk.to_record_batch()
        if chunk.entity_path == entity and name in batch.schema.names:
            rows += batch.column(name).to_pylist()
    return rows


def test_every_entity_is_there(chunks: list[Chunk]) -> None:
    expected = {"/world/board/corners", "/world/board/outline", "/not_calibrated/cam2/seen"}
    for name in ("cam0", "cam1"):
        camera = f"/world/cameras/{name}"
        expected |= {camera, f"{camera}/seen", f"{camera}/projected", f"{camera}/residuals", f"/error/{name}"}
    assert expected <= {chunk.entity_path for chunk in chunks}


def test_board_is_where_it_was(chunks: list[Chunk], calibration: Calibration) -> None:
    rows = column(chunks, "/world/board/corners", "Points3D:positions")
    assert len(rows) == MOMENTS
    T = calibration.T_world_board[7]
    truth = calibration.sightings.board.points @ T[:3, :3].T + T[:3, 3]
    np.testing.assert_allclose(np.array(rows[7]), truth, atol=1e-6)


def test_projected_corners_are_those_of_the_rig(chunks: list[Chunk], calibration: Calibration) -> None:
    rows = column(chunks, "/world/cameras/cam1/projected", "Points2D:positions")
    moment = next(view.moment for view in calibration.sightings.views_of(1))
    view = next(view for view in calibration.sightings.views_of(1) if view.moment == moment)
    T = calibration.T_world_board[moment]
    world = calibration.sightings.board.points[view.ids] @ T[:3, :3].T + T[:3, 3]
    expected = calibration.rig["cam1"].project(world) + 0.5
    np.testing.assert_allclose(np.array(rows[moment]), expected, atol=1e-2)


def test_camera_sees_nothing_at_moments_without_a_view(chunks: list[Chunk], calibration: Calibration) -> None:
    rows = column(chunks, "/world/cameras/cam0/seen", "Points2D:positions")
    assert [len(row or ()) for row in rows] == calibration.sightings.counts[:, 0].tolist()


def test_both_timelines(chunks: list[Chunk]) -> None:
    chunk = next(c for c in chunks if c.entity_path == "/world/board/corners" and not c.is_static)
    assert {"time", "moment"} <= set(chunk.to_record_batch().schema.names)


def test_moments_without_times(calibration: Calibration, tmp_path: Path) -> None:
    times = calibration.sightings.times_s.copy()
    times[3] = np.nan
    sightings = replace(calibration.sightings, times_s=times)
    path = write_calibration_recording(replace(calibration, sightings=sightings), tmp_path / "c.rrd")
    chunk = next(c for c in RrdReader(path).stream() if c.entity_path == "/world/board/corners")
    assert "time" not in chunk.to_record_batch().schema.names


def test_any_file_name_is_an_entity(tmp_path: Path) -> None:
    calibration = calibrated(2, MOMENTS, names={"cam1": "left cam/2 (new).avi"})
    path = write_calibration_recording(calibration, tmp_path / "c.rrd")
    parts = {chunk.entity_path.count("/") for chunk in RrdReader(path).stream() if "avi" in chunk.entity_path}
    assert parts


def test_unwritable_place_leaves_nothing(calibration: Calibration, tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="does not exist"):
        write_calibration_recording(calibration, tmp_path / "nowhere" / "recording.rrd")
