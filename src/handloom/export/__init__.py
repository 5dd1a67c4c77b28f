"""A session in the formats of other programs, one file per format.

Formats that have an "up" of their own (TRC, C3D, BVH, GLB) get the world turned so that up is +Y, see
:mod:`handloom.export.axes`; the others keep the world of the rig. Lengths in the unit of the rig are only
ever called metres, centimetres or millimetres if the rig is metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from handloom.errors import SessionError
from handloom.keypoints import Track
from handloom.session import Session
from handloom.session.files import make_folder

FORMATS = {
    "csv": "text tables of the 2D and 3D keypoints, one row per joint",
    "csv-wide": "a text table of the 3D keypoints, one row per frame",
    "parquet": "a Parquet table of the 3D keypoints, one row per frame",
    "trc": "marker trajectories for OpenSim",
    "c3d": "marker trajectories of biomechanics",
    "bvh": "a moving skeleton per hand and body for animation programs",
    "glb": "every fitted hand as a skinned mesh that moves, for 3D programs and browsers",
    "openpose": "OpenPose JSON, one file per frame and view",
}
"""Every format with what it is."""


def export(
    session: Session, format: str, folder: str | Path, *, tracks: Sequence[Track] | None = None
) -> list[Path]:
    """Write a session in another format.

    Args:
        session: a finished session.
        format: one of :data:`FORMATS`.
        folder: where the files go; created if its parent exists. Files of the same names are replaced.
        tracks: hands and bodies wanted; all by default.

    Returns:
        The files written.

    Raises:
        SessionError: if the format is unknown, there is nothing to write, the session is damaged or the
            disk refuses. No file is left half-written.
    """
    if format not in FORMATS:
        raise SessionError(f"There is no export format {format!r}.", f"Choose from {', '.join(FORMATS)}.")
    wanted = list(session.tracks if tracks is None else tracks)
    if not wanted or not len(session):
        raise SessionError(f"The session in {session.folder} holds no hand or body to export.")
    for track in wanted:
        session.require(track)
    target = Path(folder)
    make_folder(target)
    return import_module(f"handloom.export.{format.replace('-', '_')}").write(session, target, wanted)
