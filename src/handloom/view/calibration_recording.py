"""A rerun recording of a calibration: cameras and the board in space, and what every camera saw of it.

Entities::

    /world/board/{outline,corners}            the board at every moment, in the rig's unit
    /world/cameras/<camera>                   pose and frustum
    /world/cameras/<camera>/picture           its border
    /world/cameras/<camera>/seen              corners in the picture; those set aside are dim
    /world/cameras/<camera>/projected         where the result expects them
    /world/cameras/<camera>/residuals         from seen towards projected, magnified
    /not_calibrated/<camera>/seen             corners of cameras that are not in the rig
    /error/<camera>                           RMS of a picture's residuals in pixels

The timelines are ``moment`` and, where all moments have one, ``time`` in seconds. Corners lie in the raw,
distorted pictures; the frusta are those of the ideal lens, as rerun's pinhole knows no distortion.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import rerun as rr
import rerun.blueprint as rrb
from numpy.typing import NDArray

from handloom.calibration.calibration import Calibration
from handloom.cameras import Camera
from handloom.session.files import whole_file
from handloom.view.blueprint import BACKGROUND, LEGEND_LINES, eye
from handloom.view.calibration_report.evidence import (
    CameraEvidence,
    board_corners,
    board_scale,
    gathered,
)
from handloom.view.colours import NEUTRAL, Colour
from handloom.view.measures import mean_present
from handloom.view.recording import FRUSTUM_DEPTH, dimmed, finish, on_screen, view_coordinates
from handloom.view.scene import Scene, upward
from handloom.view.units import LengthUnit

_PROJECTED: Colour = (240, 240, 240)
_RESIDUAL_SHARE = 0.012  # of the picture's width: the length of a typical residual as it is drawn


def write_calibration_recording(calibration: Calibration, path: str | Path) -> Path:
    """Write a calibration as a ``.rrd`` file.

    Returns:
        The file, which appears once it is complete.

    Raises:
        SessionError: if the file cannot be written.
    """
    path = Path(path)
    cameras = gathered(calibration.sightings, calibration)
    factor = _magnification(cameras)
    with whole_file(path) as temporary:
        temporary.touch()  # where this is not allowed the system says why; rerun would not
        stream = rr.RecordingStream("handloom", send_properties=False)
        stream.save(temporary, default_blueprint=_blueprint(calibration, cameras, factor))
        try:
            recorder = _Recorder(calibration, stream, factor)
            recorder.log_world(_scene(calibration, cameras).distance)
            for seen in cameras:
                recorder.log_camera(seen)
            finish(stream, path)
        finally:
            stream.disconnect()
    return path


class _Recorder:
    """Turns a calibration into rerun's columns."""

    def __init__(self, calibration: Calibration, stream: rr.RecordingStream, factor: float) -> None:
        self._calibration = calibration
        self._stream = stream
        self._factor = factor
        times = calibration.sightings.times_s
        self._times = [rr.TimeColumn("moment", sequence=np.arange(len(times)))]
        if _timed(calibration):
            self._times.append(rr.TimeColumn("time", duration=times))

    def log_world(self, distance: float) -> None:
        """Axes, cameras and the board over time."""
        rig = self._calibration.rig
        axes = view_coordinates(rig.up)
        if axes is not None:
            self._static("/world", axes)
        for camera in rig:
            T_world_camera = np.linalg.inv(camera.T_camera_world)
            self._static(
                _entity(camera.name),
                rr.Transform3D(translation=T_world_camera[:3, 3], mat3x3=T_world_camera[:3, :3]),
            )
        self._depth = FRUSTUM_DEPTH * distance
        T = self._calibration.T_world_board
        known = np.isfinite(T).all(axis=(1, 2))
        board = self._calibration.sightings.board.points * board_scale(self._calibration)
        corners = board @ T[known, :3, :3].swapaxes(1, 2) + T[known, None, :3, 3]
        outline = board_corners(self._calibration)[known]
        outline = np.concatenate([outline, outline[:, :1]], axis=1)
        self._columns(
            "/world/board/corners",
            rr.Points3D.columns(
                positions=corners.reshape(-1, 3),
                colors=_many(NEUTRAL, len(corners) * len(board)),
                radii=np.full(len(corners) * len(board), on_screen(2.0)),
            ).partition(known * len(board)),
        )
        self._columns(
            "/world/board/outline",
            rr.LineStrips3D.columns(
                strips=outline.astype(np.float32),
                colors=_many(NEUTRAL, len(outline)),
                radii=np.full(len(outline), on_screen(1.5)),
            ).partition(known.astype(int)),
        )

    def log_camera(self, seen: CameraEvidence) -> None:
        """What one camera saw and, if it was calibrated, what it should have seen."""
        count = len(self._calibration.sightings.times_s)
        by_moment = np.bincount(seen.moments, minlength=count)
        # rerun counts from the corner of the picture, handloom from the middle of its first pixel.
        pixels = seen.pixels + 0.5
        entity = _entity(seen.name, seen.result is not None)
        width, height = seen.image_size
        border = np.array([[0, 0], [width, 0], [width, height], [0, height], [0, 0]])
        line = rr.LineStrips2D([border], colors=[seen.colour], radii=[on_screen(0.5)])
        self._static(f"{entity}/picture", line)
        trusted = seen.used if seen.result else np.ones(len(pixels), dtype=bool)
        self._columns(
            f"{entity}/seen",
            rr.Points2D.columns(
                positions=pixels,
                colors=dimmed(_many(seen.colour, len(pixels)), trusted),
                radii=np.full(len(pixels), on_screen(2.25)),
            ).partition(by_moment),
        )
        if seen.result is None:
            return
        self._static(entity, self._pinhole(seen, seen.result.camera))
        there = np.isfinite(seen.residuals).all(axis=-1)
        projected = np.bincount(seen.moments[there], minlength=count)
        expected = pixels[there] - seen.residuals[there]
        self._columns(
            f"{entity}/projected",
            rr.Points2D.columns(
                positions=expected,
                colors=_many(_PROJECTED, len(expected)),
                radii=np.full(len(expected), on_screen(1.0)),
            ).partition(projected),
        )
        drawn = there & seen.used
        tips = pixels[drawn] - self._factor * seen.residuals[drawn]
        self._columns(
            f"{entity}/residuals",
            rr.LineStrips2D.columns(
                strips=np.stack([pixels[drawn], tips], axis=1).astype(np.float32),
                colors=_many(_PROJECTED, len(tips)),
                radii=np.full(len(tips), on_screen(0.75)),
            ).partition(np.bincount(seen.moments[drawn], minlength=count)),
        )
        squares = np.bincount(seen.moments[drawn], weights=seen.lengths_px[drawn] ** 2, minlength=count)
        used = np.bincount(seen.moments[drawn], minlength=count)
        rms = np.sqrt(np.divide(squares, used, out=np.full(count, np.nan), where=used > 0))
        self._static(
            f"/error/{rr.escape_entity_path_part(seen.name)}",
            rr.SeriesLines(colors=[seen.colour], names=seen.name),
        )
        self._columns(f"/error/{rr.escape_entity_path_part(seen.name)}", rr.Scalars.columns(scalars=rms))

    def _pinhole(self, seen: CameraEvidence, camera: Camera) -> rr.Pinhole:
        K = camera.K.copy()
        K[:2, 2] += 0.5
        return rr.Pinhole(
            image_from_camera=K,
            resolution=seen.image_size,
            camera_xyz=rr.ViewCoordinates.RDF,
            image_plane_distance=self._depth,
            color=seen.colour,
            line_width=on_screen(1.0),
        )

    def _static(self, entity: str, content: rr.AsComponents) -> None:
        self._stream.log(entity, content, static=True)

    def _columns(self, entity: str, columns: rr.ComponentColumnList) -> None:
        rr.send_columns(entity, indexes=self._times, columns=columns, recording=self._stream)


def _blueprint(calibration: Calibration, cameras: list[CameraEvidence], factor: float) -> rrb.Blueprint:
    """Space large, pictures beside it, the error below: as for a session."""
    unit, scene = LengthUnit.of(calibration.rig.unit), _scene(calibration, cameras)
    target, position = eye(calibration.rig, scene)
    space = rrb.Spatial3DView(
        origin="/world",
        name=f"Space, in {unit.name}",
        background=BACKGROUND,
        line_grid=calibration.rig.up is not None,
        eye_controls=rrb.EyeControls3D(
            kind=rrb.Eye3DKind.Orbital, position=position, look_target=target, eye_up=scene.up
        ),
    )
    pictures = rrb.Grid(
        *(
            rrb.Spatial2DView(
                origin=_entity(seen.name, seen.result is not None),
                name=seen.name if seen.result else f"{seen.name}, not calibrated",
                background=BACKGROUND,
                visual_bounds=rrb.VisualBounds2D(
                    x_range=[0, seen.image_size[0]], y_range=[0, seen.image_size[1]]
                ),
            )
            for seen in cameras
        ),
        name="Cameras",
    )
    error = rrb.TimeSeriesView(
        origin="/error",
        name=f"Reprojection error, px (drawn in the pictures × {factor:g})",
        plot_legend=rrb.PlotLegend(visible=len(calibration.rig) <= LEGEND_LINES),
    )
    timeline = "time" if _timed(calibration) else "moment"
    return rrb.Blueprint(
        rrb.Vertical(rrb.Horizontal(space, pictures, column_shares=[3, 2]), error, row_shares=[3, 1]),
        rrb.TimePanel(timeline=timeline, state="collapsed", play_state="playing", loop_mode="all"),
        rrb.SelectionPanel(state="collapsed"),
        rrb.BlueprintPanel(state="collapsed"),
    )


def _scene(calibration: Calibration, cameras: list[CameraEvidence]) -> Scene:
    middles = board_corners(calibration).mean(axis=1)
    distances = np.concatenate([seen.result.distances for seen in cameras if seen.result is not None])
    distance = float(np.median(distances)) if len(distances) else 1.0
    middle = mean_present(middles, axis=0)
    if not np.isfinite(middle).all():
        middle = mean_present(calibration.rig.centers, axis=0)
    return Scene(middle, distance, upward(calibration.rig), {})


def _entity(camera: str, calibrated: bool = True) -> str:
    place = "/world/cameras" if calibrated else "/not_calibrated"
    return f"{place}/{rr.escape_entity_path_part(camera)}"


def _timed(calibration: Calibration) -> bool:
    times = calibration.sightings.times_s
    return bool(np.isfinite(times).all() and (np.diff(times) > 0).all())


def _magnification(cameras: list[CameraEvidence]) -> float:
    """A round factor that makes a typical residual visible."""
    shares = [seen.lengths_px[seen.used] / seen.image_size[0] for seen in cameras]
    finite = np.concatenate([*shares, np.empty(0)])
    finite = finite[np.isfinite(finite)]
    typical = float(np.median(finite)) if len(finite) else 0.0
    if typical <= 0.0:
        return 1.0
    wanted = _RESIDUAL_SHARE / typical
    power = 10.0 ** math.floor(math.log10(wanted))
    return max(1.0, max(m * power for m in (1.0, 2.0, 5.0) if m * power <= wanted))


def _many(colour: Colour, count: int) -> NDArray[np.uint8]:
    return np.tile(np.array(colour, dtype=np.uint8), (count, 1))
