"""A session folder of our own as a data set: every picture, labelled by what was reconstructed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.datasets.files import Array, tight_box
from handloom.datasets.sample import HandLabel, HandParameters, ManoParameters, Sample
from handloom.errors import DataSetError
from handloom.hand import HandModel
from handloom.hand.kinematics import rotation_from_angles
from handloom.hand.mano import ManoHand
from handloom.keypoints import Track
from handloom.session import FittedHand, Session
from handloom.video import Frame, open_video
from handloom.video.source import VideoSource

_KEPT = 24
"""Pictures of a view that stay in memory, and by how many a request may run ahead without a seek."""


class SessionHands:
    """The hands of a session. A sample is one view's picture in which at least one hand is known.

    Where a hand was fitted its labels are the fitted hand's, with mesh and parameters; elsewhere they are the
    reconstructed keypoints. ``xy`` are the points in space, projected: what all views agreed on, not what was
    detected in this one. Samples are in the order of the views, then of time, as recordings are read fastest.

    Args:
        path: a finished session folder of metric scale.
        split: sessions have none.
        recordings: where the view's recordings are now, by the names of the views, if not where they were.
        models: hand models that ``hands.npz`` may need beside the open hand.

    Raises:
        SessionError: if the folder holds no finished session, or a file of it is damaged.
        DataSetError: if lengths are not metres, or no hand is known.
    """

    name = "session"

    def __init__(
        self,
        path: str | Path,
        split: str | None = None,
        *,
        recordings: Mapping[str, str | Path] | None = None,
        models: Sequence[HandModel] = (),
    ) -> None:
        if split is not None:
            raise DataSetError(f"A session has no split {split!r}.", "Leave it out.")
        self.session = Session.open(path)
        if self.session.unit != "m":
            raise DataSetError(
                f"Lengths in {path} are in the unit {self.session.unit!r}, not metres.",
                "Track the recording again and say how long the rig's unit is (--unit).",
            )
        tracks = [track for track in self.session.tracks if track.target == "hand"]
        self._points = {track: self.session.positions(track) for track in tracks}
        fits = self.session.hands(models)
        self._fits = {track: fit for track, fit in fits.items() if track in self._points}
        known = np.zeros(len(self.session), dtype=bool)
        for track, points in self._points.items():
            known |= np.isfinite(points).all(axis=-1).any(axis=-1)
            if track in self._fits:
                known |= self._fits[track].fitted
        self._places = [
            (view, int(t))
            for view, shown in enumerate(np.isfinite(self.session.source_frames))
            for t in np.flatnonzero(shown & known)
        ]
        if not self._places:
            raise DataSetError(f"No hand is known in {path}.", "Give a session in which hands were found.")
        self._recordings = {
            view: Path(recordings[view]) if recordings and view in recordings else self._recorded(view)
            for view in self.session.views
        }
        self._pictures: dict[str, _Pictures] = {}
        self._opening = Lock()
        gone = any(path is None or not path.exists() for path in self._recordings.values())
        self.lacks = (
            "visible", "parts", "depth", "normals",
            *(() if self._fits else ("vertices",)),
            *(() if any(not isinstance(fit.model, ManoHand) for fit in fits.values()) else ("parameters",)),
            *(() if any(isinstance(fit.model, ManoHand) for fit in fits.values()) else ("mano",)),
            *(("image",) if gone else ()),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self._places)

    @property
    def keys(self) -> Sequence[str]:
        """``view/frame``."""
        return [f"{self.session.views[view]}/{self.session.frames[t]:06d}" for view, t in self._places]

    def labels(self, index: int) -> Sample:
        """A picture's hands without the picture."""
        view, t = self._places[index]
        camera, frame = self.session.rig[view], int(self.session.frames[t])
        hands = tuple(hand for track in self._points for hand in self._hand(track, camera, t))
        return Sample(
            f"{camera.name}/{frame:06d}",
            None,
            camera,
            hands,
            moment=str(frame),
            frame=(camera.name, frame),
            conditions={
                "view": camera.name, "frame": float(frame), "time_s": float(self.session.times_s[t])
            },
        )  # fmt: skip

    def __getitem__(self, index: int) -> Sample:
        """A picture and its hands.

        Raises:
            DataSetError: if the recording is not in its place, or is another one.
            VideoError: if it cannot be read.
        """
        labels = self.labels(index)
        view, t = self._places[index]
        camera = self.session.rig[view]
        image = self._of_view(camera.name).picture(int(self.session.source_frames[view, t]))
        if camera.image_size is not None and image.shape[1::-1] != camera.image_size:
            raise DataSetError(
                f"{self._recordings[camera.name]} has pictures of "
                f"{image.shape[1]} × {image.shape[0]} pixels, "
                f"view {camera.name} of the session {camera.image_size[0]} × {camera.image_size[1]}.",
                "Give the recording that the session was tracked from.",
            )
        return Sample(
            labels.key, image, camera, labels.hands, moment=labels.moment, frame=labels.frame,
            conditions=labels.conditions,
        )  # fmt: skip

    def _recorded(self, view: str) -> Path | None:
        """Where the session's record says the recording of a view is."""
        entry: Any = self.session.run.get("inputs", {}).get("videos", {}).get(view)
        path = entry.get("path") if isinstance(entry, Mapping) else entry
        if not isinstance(path, str):
            return None
        beside = self.session.folder / path
        return beside if beside.exists() else Path(path)

    def _of_view(self, view: str) -> _Pictures:
        with self._opening:
            if view not in self._pictures:
                path = self._recordings[view]
                if path is None or not path.exists():
                    raise DataSetError(
                        f"The recording of view {view} is not in its place: "
                        f"{'the session does not name it' if path is None else f'there is no {path}'}.",
                        "Say where the recordings are now.",
                    )
                self._pictures[view] = _Pictures(open_video(path))
            return self._pictures[view]

    def _hand(self, track: Track, camera: Camera, t: int) -> Iterator[HandLabel]:
        fit = self._fits.get(track)
        if fit is None or not fit.fitted[t]:
            points = self._points[track][t]
            if np.isfinite(points).all(axis=-1).any():
                xy = camera.project(points)
                yield HandLabel(track.side, xy, _in_camera(camera, points), box=tight_box(xy))
            return
        posed = fit.posed(t)
        xy = camera.project(posed.keypoints)
        parameters, mano = _parameters(fit, camera, t)
        yield HandLabel(
            track.side,
            xy,
            _in_camera(camera, posed.keypoints),
            box=tight_box(xy),
            vertices=_in_camera(camera, posed.vertices),
            faces=np.asarray(fit.model.faces, dtype=np.int64),
            mano=mano,
            parameters=parameters,
        )


def _in_camera(camera: Camera, points: Array) -> Array:
    T = camera.T_camera_world
    return np.asarray(points @ T[:3, :3].T + T[:3, 3])


def _parameters(
    fit: FittedHand, camera: Camera, t: int
) -> tuple[HandParameters | None, ManoParameters | None]:
    """The parameters of a fit in the terms of its own model."""
    T_camera_wrist = camera.T_camera_world @ fit.T_world_wrist[t]
    if not isinstance(fit.model, ManoHand):
        return HandParameters(fit.angles[t], fit.shape, T_camera_wrist), None
    rotations = rotation_from_angles(fit.angles[t], fit.model.axes)
    pose, translation = fit.model.to_mano(rotations, T_camera_wrist, fit.shape, flat_hand_mean=True)
    return None, ManoParameters(pose, fit.shape, translation)


class _Pictures:
    """A view's pictures by number. Several threads may ask; a request a little ahead goes on decoding."""

    def __init__(self, source: VideoSource) -> None:
        self._source = source
        self._lock = Lock()
        self._kept: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._coming: Iterator[Frame] = iter(())
        self._next: int | None = None

    def picture(self, number: int) -> NDArray[np.uint8]:
        """(H, W, 3) RGB.

        Raises:
            DataSetError: if the recording has no such picture.
        """
        with self._lock:
            if number in self._kept:
                return self._kept[number]
            if self._next is None or not 0 <= number - self._next < _KEPT:
                self._coming = self._source.frames(number)
            # Where it breaks off, the next request begins anew.
            self._next = None
            for frame in self._coming:
                self._kept[frame.index] = frame.image
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
                if frame.index == number:
                    self._next = number + 1
                    return frame.image
        raise DataSetError(
            f"{self._source.name} has no picture {number}.",
            "Give the recording that the session was tracked from.",
        )
