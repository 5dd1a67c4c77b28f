"""TRC, the marker file of OpenSim: ``keypoints3d.trc``, +Y up.

Markers are ``<track>_<joint>``. Lengths are in metres and the header says so; a rig that is not metric
keeps its own unit under its own name, which OpenSim will not take for a length. Missing markers are empty
fields. Every frame of the session has its own number and time; ``DataRate`` is the rate of the most common
step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from handloom.export.axes import scale_to, world_to_y_up
from handloom.export.timeline import constant_rate
from handloom.export.wide import marker_names
from handloom.keypoints import Track
from handloom.session import Session
from handloom.session.files import whole_file
from handloom.session.layout import ROW_GROUP_FRAMES


def write(session: Session, folder: Path, tracks: Sequence[Track]) -> list[Path]:
    """Write the session, see the module; called by :func:`handloom.export.export`."""
    path = folder / "keypoints3d.trc"
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(_header(session, path.name, marker_names(tracks)))
        for start in range(0, len(session), ROW_GROUP_FRAMES):
            file.writelines(_rows(session, tracks, slice(start, min(start + ROW_GROUP_FRAMES, len(session)))))
    return [path]


def _header(session: Session, name: str, markers: list[str]) -> Iterator[str]:
    rate = f"{constant_rate(session.times_s)[0]:.6g}"
    _, unit = scale_to("m", session.rig)
    count = len(session)
    yield f"PathFileType\t4\t(X/Y/Z)\t{name}\n"
    yield (
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames\n"
    )
    yield f"{rate}\t{rate}\t{count}\t{len(markers)}\t{unit}\t{rate}\t{session.frames[0]}\t{count}\n"
    yield "Frame#\tTime\t" + "\t\t\t".join(markers) + "\t\t\n"
    yield "\t\t" + "\t".join(f"X{i}\tY{i}\tZ{i}" for i in range(1, len(markers) + 1)) + "\n"
    yield "\n"


def _rows(session: Session, tracks: Sequence[Track], cut: slice) -> Iterator[str]:
    turn = world_to_y_up(session.rig)
    scale, _ = scale_to("m", session.rig)
    points = [session.positions(track, cut.start, cut.stop) @ turn.T * scale for track in tracks]
    rows = np.concatenate([xyz.reshape(len(xyz), -1) for xyz in points], axis=1)
    for frame, time_s, row in zip(session.frames[cut], session.times_s[cut], rows.tolist(), strict=True):
        fields = ("" if value != value else f"{value:.6f}" for value in row)
        yield f"{frame}\t{time_s:.6f}\t" + "\t".join(fields) + "\n"
