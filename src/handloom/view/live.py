"""Live hands in the rerun viewer: every view's picture with its keypoints, the meshes in space."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import rerun as rr

from handloom.cameras import CameraRig
from handloom.errors import SessionError
from handloom.keypoints import Track
from handloom.live import HandNow, Instant
from handloom.skeleton import HAND
from handloom.view.colours import joint_colours, mesh_colour, view_colour
from handloom.view.mesh_overlay import vertex_paint
from handloom.view.recording import on_screen, view_coordinates

_LONGER_SIDE = 640  # pixels sent to the viewer
_JPEG_QUALITY = 75
_FRUSTUM_M = 0.15


class LiveScene:
    """Shows live frames in a viewer of its own.

    Args:
        rig: one camera per view.
        path: an ``.rrd`` file to write instead of opening the viewer.

    Raises:
        SessionError: if the viewer does not start.
    """

    def __init__(self, rig: CameraRig, *, path: str | None = None) -> None:
        self._rig = rig
        self._stream = rr.RecordingStream("handloom live", send_properties=False)
        try:
            if path is None:
                self._stream.spawn()
            else:
                self._stream.save(path)
        except (RuntimeError, OSError) as error:
            raise SessionError(f"The viewer did not start: {error}.", "Go without it: --headless.") from error
        self._scales: dict[str, float] = {}
        self._known: set[Track] = set()
        axes = view_coordinates(rig.up)
        if axes is not None:
            self._stream.log("/world", axes, static=True)

    def __call__(self, instant: Instant, hands: Sequence[HandNow]) -> None:
        """Show one frame."""
        self._stream.set_time("time", duration=instant.time_s)
        for view, frame in enumerate(instant.frames):
            if frame is not None:
                self._show_picture(view, frame.image)
        now = {hand.track for hand in hands}
        for gone in self._known - now:
            self._stream.log(f"/world/{gone.name}", rr.Clear(recursive=True))
            for camera in self._rig:
                self._stream.log(f"/world/cameras/{camera.name}/{gone.name}", rr.Clear(recursive=True))
        self._known = now
        for hand in hands:
            self._show_hand(hand)

    def close(self) -> None:
        """Send what is left; the viewer stays open."""
        self._stream.flush()
        self._stream.disconnect()

    def _show_picture(self, view: int, image: np.ndarray) -> None:
        camera = self._rig[view]
        height, width = image.shape[:2]
        if camera.name not in self._scales:
            scale = self._scales[camera.name] = min(1.0, _LONGER_SIDE / max(width, height))
            entity = f"/world/cameras/{camera.name}"
            T = np.linalg.inv(camera.T_camera_world)
            self._stream.log(entity, rr.Transform3D(translation=T[:3, 3], mat3x3=T[:3, :3]), static=True)
            K = camera.K.copy()
            K[:2, 2] += 0.5
            K[:2] *= scale
            pinhole = rr.Pinhole(
                image_from_camera=K,
                resolution=[width * scale, height * scale],
                camera_xyz=rr.ViewCoordinates.RDF,
                image_plane_distance=_FRUSTUM_M,
                color=view_colour(view),
            )
            self._stream.log(entity, pinhole, static=True)
        scale = self._scales[camera.name]
        size = (round(width * scale), round(height * scale))
        small = image if scale == 1.0 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
        _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        content = rr.EncodedImage(contents=jpeg.tobytes(), media_type="image/jpeg")
        self._stream.log(f"/world/cameras/{camera.name}/picture", content)

    def _show_hand(self, hand: HandNow) -> None:
        name = hand.track.name
        colours = joint_colours(HAND)
        for camera, xy in zip(self._rig, hand.xy, strict=True):
            present = np.isfinite(xy).all(axis=-1)
            # rerun counts from the corner of the picture, handloom from the middle of its first pixel.
            at = (xy[present] + 0.5) * self._scales.get(camera.name, 1.0)
            points = rr.Points2D(at, colors=colours[present], radii=on_screen(3.0))
            self._stream.log(f"/world/cameras/{camera.name}/{name}/joints", points)
        if hand.posed is None:
            self._stream.log(f"/world/{name}/mesh", rr.Clear(recursive=False))
            return
        vertices = hand.posed.vertices
        mesh = rr.Mesh3D(
            vertex_positions=vertices.astype(np.float32),
            vertex_normals=hand.model.normals(vertices).astype(np.float32),
            triangle_indices=hand.model.faces.astype(np.uint32),
            vertex_colors=vertex_paint(hand.model, mesh_colour(hand.track)).astype(np.uint8),
        )
        self._stream.log(f"/world/{name}/mesh", mesh)
