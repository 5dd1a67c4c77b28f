"""A rerun recording of a session: cameras, pictures, what was seen in them, skeletons in space, error curves.

Entities::

    /                                         names and colours of the joints
    /world/<track>/{bones,joints}             in space, in the rig's unit
    /world/<track>/mesh                       the fitted hand
    /world/cameras/<view>                     pose and frustum
    /world/cameras/<view>/picture             what the camera saw
    /world/cameras/<view>/<track>/{bones,joints}   what was detected there; dim where not used in 3D
    /world/cameras/<view>/<track>/outline     of the fitted hand
    /error/<track>/<view>                     mean reprojection error in pixels
    /bones/<track>                            mean deviation of the bones from their own mean, per cent
    /views_used/<track>                       mean number of views behind a joint

The timelines are ``time`` in seconds and ``frame``. Overlays lie in the raw, distorted pictures; the frusta
are those of the ideal lens, as rerun's pinhole knows no distortion.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import rerun as rr
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.errors import SessionError, VideoError
from handloom.keypoints import Array, Keypoints3D, Track
from handloom.progress import SILENT, Progress
from handloom.session import Observations, Session, Window
from handloom.session.files import whole_file
from handloom.skeleton import SKELETONS, Skeleton
from handloom.video import open_video
from handloom.view.blueprint import blueprint
from handloom.view.colours import NEUTRAL, joint_colours, track_colour, view_colour
from handloom.view.measures import mean_present, residuals_px
from handloom.view.pictures import Picture, Videos, find_videos, pictures_along
from handloom.view.recorded_hands import HandLayer
from handloom.view.scene import Scene

WINDOW_FRAMES = 512
JPEG_QUALITY = 75
FRUSTUM_DEPTH = 0.16  # of the distance between cameras and scene
_DIMMED = 0.4
_CLASS_OF = {("hand", "left"): 1, ("hand", "right"): 2, ("body", "none"): 3}


def write_recording(
    session: Session,
    path: str | Path,
    videos: Videos | None = None,
    progress: Progress = SILENT,
    max_image_width: int = 640,
) -> Path:
    """Write a session as a ``.rrd`` file; memory holds one window of frames, whatever the length.

    Args:
        videos: as in :func:`~handloom.view.pictures.find_videos`; views without a recording show their
            keypoints only.
        max_image_width: wider pictures are shrunk to it. A picture of 640 × 480 takes about 40 KB.

    Returns:
        The file, which appears once it is complete.

    Raises:
        SessionError: if the file cannot be written or a table of the session is damaged.
        VideoError: if a recording is missing or cannot be read.
    """
    path = Path(path)
    paths = find_videos(session, videos)
    scene = Scene.of(session, WINDOW_FRAMES)
    with whole_file(path) as temporary, progress.task("recording", total=len(session)) as task:
        temporary.touch()  # where this is not allowed the system says why; rerun would not
        stream = rr.RecordingStream("handloom", send_properties=False)
        stream.save(temporary, default_blueprint=blueprint(session, scene))
        try:
            sizes = _picture_sizes(session, paths)
            scales = {view: min(1.0, max_image_width / width) for view, (width, _) in sizes.items()}
            recorder = _Recorder(session, stream, scene, sizes, scales)
            recorder.log_setting()
            hands = HandLayer(session, stream, sizes, scales)
            hands.log_setting()
            start = 0
            along = pictures_along(session, paths) if paths else None
            for window in session.windows(size=WINDOW_FRAMES):
                recorder.log_window(window)
                hands.log_window(start, start + len(window))
                start += len(window)
                for t in range(len(window)):
                    if along is not None:
                        recorder.log_pictures(int(window.frames[t]), float(window.times_s[t]), next(along))
                    task.advance()
            finish(stream, path)
        finally:
            stream.disconnect()
    return path


def finish(stream: rr.RecordingStream, path: Path) -> None:
    """Wait until everything is on the disk; rerun writes behind our back and tells of failures only here."""
    try:
        stream.flush()
    except RuntimeError as error:
        raise SessionError(
            f"{path} cannot be written: {error}.", "Free some space, or choose a place on another disk."
        ) from error


def _picture_sizes(session: Session, paths: dict[str, Path]) -> dict[str, tuple[int, int]]:
    """(width, height) of each view's pictures; without either source the principal point is their middle."""
    sizes = {}
    for camera in session.rig:
        sizes[camera.name] = camera.image_size or (round(2.0 * camera.K[0, 2]), round(2.0 * camera.K[1, 2]))
        if camera.name in paths:
            with open_video(paths[camera.name]) as source:
                sizes[camera.name] = source.image_size
    return sizes


class _Recorder:
    """Turns windows of a session into rerun's columns."""

    def __init__(
        self,
        session: Session,
        stream: rr.RecordingStream,
        scene: Scene,
        sizes: dict[str, tuple[int, int]],
        scales: dict[str, float],
    ) -> None:
        self._session = session
        self._stream = stream
        self._scene = scene
        self._sizes = sizes
        self._scales = scales

    def log_setting(self) -> None:
        """What does not change: joint names, axes, cameras, names of the curves."""
        self._static("/", rr.AnnotationContext([_description(*key) for key in _CLASS_OF]))
        axes = view_coordinates(self._session.rig.up)
        if axes is not None:
            self._static("/world", axes)
        for index, camera in enumerate(self._session.rig):
            entity = f"/world/cameras/{camera.name}"
            T_world_camera = np.linalg.inv(camera.T_camera_world)
            self._static(
                entity, rr.Transform3D(translation=T_world_camera[:3, 3], mat3x3=T_world_camera[:3, :3])
            )
            self._static(entity, self._pinhole(camera, index))
        for track in self._session.tracks:
            for index, view in enumerate(self._session.views):
                style = rr.SeriesLines(colors=[view_colour(index)], names=f"{view} · {track.name}")
                self._static(f"/error/{track.name}/{view}", style)
            for plot in ("bones", "views_used"):
                style = rr.SeriesLines(colors=[track_colour(track)], names=track.name)
                self._static(f"/{plot}/{track.name}", style)
            self._static(f"/world/{track.name}/joints", rr.Points3D.from_fields(show_labels=False))
            for view in self._session.views:
                quiet = rr.Points2D.from_fields(show_labels=False)
                self._static(f"/world/cameras/{view}/{track.name}/joints", quiet)

    def log_window(self, window: Window) -> None:
        """All curves and skeletons of a stretch of frames."""
        times = [
            rr.TimeColumn("time", duration=window.times_s),
            rr.TimeColumn("frame", sequence=window.frames),
        ]
        for track, points in window.points.items():
            self._log_space(times, track, points)
            seen = window.observations.get(track)
            if seen is not None:
                self._log_views(times, track, seen, points)

    def log_pictures(self, frame: int, time_s: float, pictures: list[Picture | None]) -> None:
        """One frame's pictures as JPEG."""
        self._stream.set_time("time", duration=time_s)
        self._stream.set_time("frame", sequence=frame)
        for view, picture in zip(self._session.views, pictures, strict=True):
            entity = f"/world/cameras/{view}/picture"
            if picture is None:
                self._stream.log(entity, rr.Clear(recursive=False))
            else:
                jpeg = _jpeg(picture, self._scales[view])
                self._stream.log(entity, rr.EncodedImage(contents=jpeg, media_type="image/jpeg"))

    def _log_space(self, times: list[rr.TimeColumn], track: Track, points: Keypoints3D) -> None:
        entity = f"/world/{track.name}"
        colours = joint_colours(points.skeleton)
        present = np.isfinite(points.xyz).all(axis=-1)
        joint = np.nonzero(present)[1]
        self._columns(
            f"{entity}/joints",
            times,
            rr.Points3D.columns(
                positions=points.xyz[present],
                colors=colours[joint],
                class_ids=np.full(len(joint), _class_of(track)),
                keypoint_ids=joint,
                radii=np.full(len(joint), on_screen(3.0)),
            ).partition(present.sum(axis=1)),
        )
        ends, whole = _bones(points.skeleton, points.xyz)
        self._columns(
            f"{entity}/bones",
            times,
            rr.LineStrips3D.columns(
                strips=ends[whole].astype(np.float32),
                colors=np.tile(np.array(track_colour(track), dtype=np.uint8), (int(whole.sum()), 1)),
                radii=np.full(int(whole.sum()), on_screen(1.5)),
            ).partition(whole.sum(axis=1)),
        )
        deviation = np.abs(points.bone_lengths() / self._scene.bone_lengths[track] - 1.0)
        self._scalars(f"/bones/{track.name}", times, 100.0 * mean_present(deviation, axis=1))
        views = np.where(present, points.views_used, np.nan)
        self._scalars(f"/views_used/{track.name}", times, mean_present(views, axis=1))

    def _log_views(
        self, times: list[rr.TimeColumn], track: Track, seen: Observations, points: Keypoints3D
    ) -> None:
        errors = mean_present(residuals_px(self._session.rig, seen.xy, points.xyz), axis=-1)
        own = np.array(track_colour(track), dtype=np.uint8)
        fingers = joint_colours(seen.skeleton)
        for c, view in enumerate(self._session.views):
            entity = f"/world/cameras/{view}/{track.name}"
            # rerun counts from the corner of the picture, handloom from the middle of its first pixel.
            xy, used = (seen.xy[c] + 0.5) * self._scales[view], seen.used[c]
            present = np.isfinite(xy).all(axis=-1)
            joint = np.nonzero(present)[1]
            self._columns(
                f"{entity}/joints",
                times,
                rr.Points2D.columns(
                    positions=xy[present],
                    colors=dimmed(fingers[joint], used[present]),
                    class_ids=np.full(len(joint), _class_of(track)),
                    keypoint_ids=joint,
                    radii=np.full(len(joint), on_screen(2.5)),
                ).partition(present.sum(axis=1)),
            )
            ends, whole = _bones(seen.skeleton, xy)
            parent, child = np.array(seen.skeleton.bone_indices).T
            trusted = (used[:, parent] & used[:, child])[whole]
            self._columns(
                f"{entity}/bones",
                times,
                rr.LineStrips2D.columns(
                    strips=ends[whole].astype(np.float32),
                    colors=dimmed(np.tile(own, (len(trusted), 1)), trusted),
                    radii=np.full(len(trusted), on_screen(1.25)),
                ).partition(whole.sum(axis=1)),
            )
            self._scalars(f"/error/{track.name}/{view}", times, errors[c])

    def _pinhole(self, camera: Camera, index: int) -> rr.Pinhole:
        scale = self._scales[camera.name]
        K = camera.K.copy()
        K[:2, 2] += 0.5
        K[:2] *= scale
        width, height = self._sizes[camera.name]
        return rr.Pinhole(
            image_from_camera=K,
            resolution=[width * scale, height * scale],
            camera_xyz=rr.ViewCoordinates.RDF,
            image_plane_distance=FRUSTUM_DEPTH * self._scene.distance,
            color=view_colour(index),
            line_width=on_screen(1.0),
        )

    def _static(self, entity: str, content: rr.AsComponents) -> None:
        self._stream.log(entity, content, static=True)

    def _columns(self, entity: str, times: list[rr.TimeColumn], columns: rr.ComponentColumnList) -> None:
        rr.send_columns(entity, indexes=times, columns=columns, recording=self._stream)

    def _scalars(self, entity: str, times: list[rr.TimeColumn], values: Array) -> None:
        # NaN interrupts a curve, which is what a gap should look like.
        self._columns(entity, times, rr.Scalars.columns(scalars=values))


def _description(target: str, side: str) -> rr.ClassDescription:
    skeleton = SKELETONS[target]
    label = target if side == "none" else f"{side} {target}"
    colours = joint_colours(skeleton)
    return rr.ClassDescription(
        info=rr.AnnotationInfo(
            id=_CLASS_OF[target, side], label=label, color=track_colour(Track(0, target, side))
        ),
        keypoint_annotations=[
            rr.AnnotationInfo(id=i, label=joint.replace("_", " "), color=tuple(colours[i]))
            for i, joint in enumerate(skeleton.joints)
        ],
    )


def _class_of(track: Track) -> int:
    return _CLASS_OF[track.target, track.side]


def _bones(skeleton: Skeleton, points: Array) -> tuple[Array, NDArray[np.bool_]]:
    """(T, B, 2, D) ends of all bones and (T, B) whether both are there."""
    parent, child = np.array(skeleton.bone_indices).T
    ends = np.stack([points[:, parent], points[:, child]], axis=2)
    return ends, np.asarray(np.isfinite(ends).all(axis=(-1, -2)))


def dimmed(colours: NDArray[np.uint8], used: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(N, 3) colours, those not used drawn towards a dark grey."""
    grey = 0.35 * np.array(NEUTRAL)
    shown = np.where(used[:, None], colours, _DIMMED * colours + (1.0 - _DIMMED) * grey)
    return np.asarray(shown, dtype=np.uint8)


def _jpeg(picture: Picture, scale: float) -> bytes:
    if scale < 1.0:
        size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
        # Down to a half, bilinear samples leave no pixel out and cost a fifth of areas.
        kind = cv2.INTER_LINEAR if scale >= 0.5 else cv2.INTER_AREA
        picture = np.asarray(cv2.resize(picture, size, interpolation=kind), dtype=np.uint8)
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    done, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise VideoError("A picture could not be encoded as JPEG.", "Check that it is not empty.")
    return encoded.tobytes()


def on_screen(points: float) -> float:
    """A size on the screen, whatever the distance: rerun takes negative radii for it."""
    return -points


def view_coordinates(up: Array | None) -> rr.AsComponents | None:
    """Axes of the world where its vertical is along one of them; rerun knows no oblique ones."""
    if up is None:
        return None
    axis = int(np.abs(up).argmax())
    if abs(up[axis]) < 0.999:
        return None
    return getattr(rr.ViewCoordinates, f"RIGHT_HAND_{'XYZ'[axis]}_{'UP' if up[axis] > 0 else 'DOWN'}")
