"""Fitted hands in a rerun recording: the mesh in space, its outline in every picture.

rerun draws meshes in pictures through an ideal lens only, which would put them beside what a real lens saw;
outlines are projected here and lie where they should.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import rerun as rr
from numpy.typing import NDArray

from handloom.keypoints import Array, Track
from handloom.session import FittedHand, Session
from handloom.view.colours import mesh_colour
from handloom.view.mesh_overlay import outline, vertex_paint

MESHES_PER_SECOND = 30.0
MOST_MESHES = 2000
"""More are not kept: a mesh of 1600 vertices takes 39 KB with its normals, and all of them 80 MB."""
_LINE = -1.5  # points on the screen, whatever the distance


class HandLayer:
    """Logs the fitted hands of a session, a window of frames at a time.

    Args:
        session: with or without fitted hands.
        stream: where they go.
        sizes: (width, height) of each view's pictures, and ``scales`` how much smaller they are shown.
    """

    def __init__(
        self,
        session: Session,
        stream: rr.RecordingStream,
        sizes: Mapping[str, tuple[int, int]],
        scales: Mapping[str, float],
    ) -> None:
        self._session, self._stream = session, stream
        self._sizes, self._scales = sizes, scales
        self._hands = session.hands()
        steps = np.diff(session.times_s)
        rate = 1.0 / float(np.median(steps)) if len(steps) else 1.0
        crowd = -(-len(session) * len(self._hands) // MOST_MESHES)
        self._every = max(1, crowd, round(rate / MESHES_PER_SECOND))

    def log_setting(self) -> None:
        """What all frames share: triangles and colours."""
        for track, hand in self._hands.items():
            mesh = rr.Mesh3D.from_fields(
                triangle_indices=hand.model.faces.astype(np.uint32),
                vertex_colors=vertex_paint(hand.model, mesh_colour(track)).astype(np.uint8),
            )
            self._stream.log(f"/world/{track.name}/mesh", mesh, static=True)
            line = rr.LineStrips2D.from_fields(colors=[mesh_colour(track)], radii=[_LINE])
            for view in self._session.views:
                self._stream.log(f"/world/cameras/{view}/{track.name}/outline", line, static=True)

    def log_window(self, start: int, stop: int) -> None:
        """The frames at positions ``start`` to ``stop`` of the session."""
        kept = np.arange(-(-start // self._every) * self._every, stop, self._every)
        if not self._hands or not len(kept):
            return
        times = [
            rr.TimeColumn("time", duration=self._session.times_s[kept]),
            rr.TimeColumn("frame", sequence=self._session.frames[kept]),
        ]
        for track, hand in self._hands.items():
            posed = hand.posed(kept).vertices
            self._log_space(track, hand, times, posed, hand.fitted[kept])
            self._log_views(track, hand, times, posed)

    def _log_space(
        self,
        track: Track,
        hand: FittedHand,
        times: list[rr.TimeColumn],
        posed: Array,
        known: NDArray[np.bool_],
    ) -> None:
        vertices = posed[known]
        columns = rr.Mesh3D.columns(
            vertex_positions=vertices.reshape(-1, 3).astype(np.float32),
            vertex_normals=hand.model.normals(vertices).reshape(-1, 3).astype(np.float32),
        ).partition(np.where(known, posed.shape[1], 0))
        rr.send_columns(f"/world/{track.name}/mesh", indexes=times, columns=columns, recording=self._stream)

    def _log_views(self, track: Track, hand: FittedHand, times: list[rr.TimeColumn], posed: Array) -> None:
        for camera in self._session.rig:
            size, scale = self._sizes[camera.name], self._scales[camera.name]
            found = [outline(camera, hand.model, vertices, size) for vertices in posed]
            # rerun counts from the corner of the picture, handloom from the middle of its first pixel.
            strips = [(line + 0.5) * scale for lines in found for line in lines]
            columns = rr.LineStrips2D.columns(strips=strips).partition([len(lines) for lines in found])
            entity = f"/world/cameras/{camera.name}/{track.name}/outline"
            rr.send_columns(entity, indexes=times, columns=columns, recording=self._stream)
