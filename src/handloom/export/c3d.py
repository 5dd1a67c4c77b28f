"""C3D, the marker file of biomechanics: ``keypoints3d.c3d``, +Y up (``POINT:Y_SCREEN``).

Points are ``<track>_<joint>``, in millimetres as is usual there; a rig that is not metric keeps its own
unit, and ``POINT:UNITS`` says which. A missing point is NaN with residual -1; the residual of the others is
the standard deviation of their position (root of a third of the covariance's trace), 0 where it is not
known, in steps of ``POINT:SCALE``. The format has a constant rate: other timelines are sampled at their
most common step. It holds at most 65535 frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from handloom.errors import SessionError
from handloom.export.axes import scale_to, world_to_y_up
from handloom.export.timeline import constant_rate, sampled
from handloom.export.wide import marker_names
from handloom.keypoints import Array, Track
from handloom.session import Session
from handloom.session.files import whole_file

_MOST_FRAMES = 65535
_RESIDUAL_STEPS = 250  # the format keeps residuals as one byte times POINT:SCALE, and rounds down


def write(session: Session, folder: Path, tracks: Sequence[Track]) -> list[Path]:
    """Write the session, see the module; called by :func:`handloom.export.export`."""
    import ezc3d

    path = folder / "keypoints3d.c3d"
    rate, index = constant_rate(session.times_s)
    if len(index) > _MOST_FRAMES:
        raise SessionError(
            f"A C3D file holds {_MOST_FRAMES} frames at most; the session needs {len(index)}.",
            "Export it as trc, parquet or csv instead.",
        )
    xyz, spread = _points(session, tracks)
    scale, unit = scale_to("mm", session.rig)
    xyz, spread = sampled(xyz, index) * scale, sampled(spread, index) * scale
    missing = np.isnan(xyz).any(axis=-1)

    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [rate]
    file["parameters"]["POINT"]["LABELS"]["value"] = marker_names(tracks)
    file["parameters"]["POINT"]["UNITS"]["value"] = [unit]
    file.add_parameter("POINT", "X_SCREEN", ["+X"])
    file.add_parameter("POINT", "Y_SCREEN", ["+Y"])
    points = np.ones((4, xyz.shape[1], len(xyz)))
    points[:3] = xyz.transpose(2, 1, 0)
    file["data"]["points"] = points
    spread = np.where(missing, 0.0, np.nan_to_num(spread))
    step = float(spread.max()) / _RESIDUAL_STEPS or 1.0
    file["parameters"]["POINT"]["SCALE"]["value"] = [-step]
    residuals = np.where(missing, -1.0, np.round(spread / step) * step * (1 + 1e-6))
    file["data"]["meta_points"]["residuals"] = residuals.T[None].copy()
    with whole_file(path) as temporary:
        file.write(str(temporary))
        _require_whole(temporary, points)
    return [path]


def _points(session: Session, tracks: Sequence[Track]) -> tuple[Array, Array]:
    """(T, M, 3) positions, +Y up, and (T, M) standard deviations, in the rig's unit."""
    turn = world_to_y_up(session.rig)
    count = len(marker_names(tracks))
    xyz, spread = np.empty((len(session), count, 3)), np.empty((len(session), count))
    start = 0
    for window in session.windows(tracks):
        cut = slice(start, start + len(window))
        keypoints = [window.points[track] for track in tracks]
        xyz[cut] = np.concatenate([points.xyz @ turn.T for points in keypoints], axis=1)
        variance = [np.trace(points.covariance, axis1=-2, axis2=-1) / 3 for points in keypoints]
        spread[cut] = np.sqrt(np.concatenate(variance, axis=1))
        start = cut.stop
    return xyz, spread


def _require_whole(path: Path, points: Array) -> None:
    """The library does not report a full disk; the file is then shorter than its points alone."""
    if path.stat().st_size < 4 * points.size:
        raise OSError(28, "No space left on device")
