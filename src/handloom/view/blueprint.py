"""How a session is laid out in the viewer: space large, pictures beside it, curves below."""

from __future__ import annotations

import numpy as np
import rerun.blueprint as rrb

from handloom.cameras import CameraRig
from handloom.keypoints import Array
from handloom.session import Session
from handloom.view.scene import Scene
from handloom.view.units import LengthUnit

BACKGROUND = (24, 26, 31)
LEGEND_LINES = 4  # a longer legend would hide the curves


def blueprint(session: Session, scene: Scene) -> rrb.Blueprint:
    """The layout for the entities that :mod:`handloom.view.recording` writes."""
    unit = LengthUnit.of(session.unit)
    target, position = eye(session.rig, scene)
    space = rrb.Spatial3DView(
        origin="/world",
        name=f"Space, in {unit.name}",
        background=BACKGROUND,
        line_grid=session.rig.up is not None,
        eye_controls=rrb.EyeControls3D(
            kind=rrb.Eye3DKind.Orbital, position=position, look_target=target, eye_up=scene.up
        ),
    )
    pictures = rrb.Grid(
        *(
            rrb.Spatial2DView(origin=f"/world/cameras/{view}", name=view, background=BACKGROUND)
            for view in session.views
        ),
        name="Views",
    )
    curves = rrb.Horizontal(
        rrb.TimeSeriesView(
            origin="/error",
            name="Reprojection error, px",
            plot_legend=rrb.PlotLegend(visible=len(session.tracks) * len(session.views) <= LEGEND_LINES),
        ),
        rrb.TimeSeriesView(origin="/bones", name="Deviation of bone lengths, %"),
        rrb.TimeSeriesView(origin="/views_used", name="Views behind a joint"),
        column_shares=[2, 1, 1],
    )
    return rrb.Blueprint(
        rrb.Vertical(rrb.Horizontal(space, pictures, column_shares=[3, 2]), curves, row_shares=[3, 1]),
        rrb.TimePanel(timeline="time", state="collapsed", play_state="playing", loop_mode="all"),
        rrb.SelectionPanel(state="collapsed"),
        rrb.BlueprintPanel(state="collapsed"),
    )


def eye(rig: CameraRig, scene: Scene) -> tuple[Array, Array]:
    """What to look at and from where, beside and above the cameras: they and the scene are in sight."""
    sight = np.vstack([rig.centers, scene.middle])
    target = 0.5 * (sight.min(axis=0) + sight.max(axis=0))
    radius = max(float(np.linalg.norm(sight - target, axis=1).max()), 0.5 * scene.distance)
    back = np.asarray(rig.centers.mean(axis=0) - scene.middle)
    back -= (back @ scene.up) * scene.up
    length = float(np.linalg.norm(back))
    if length < 0.2 * scene.distance:
        # The cameras stand all around: any horizontal direction will do.
        back = np.cross(scene.up, [1.0, 0.0, 0.0] if abs(scene.up[0]) < 0.9 else [0.0, 1.0, 0.0])
        length = float(np.linalg.norm(back))
    back /= length
    aside = np.cross(scene.up, back)
    return target, target + radius * (1.3 * back + 1.0 * aside + 0.75 * scene.up)
