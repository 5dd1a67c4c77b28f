"""From recordings of a board to its corners in every picture that shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from handloom.calibration.boards.board import Board
from handloom.calibration.collect.facts import Collected
from handloom.calibration.collect.film import Film, WatchedVideo
from handloom.calibration.collect.gathering import Gathering, Moment
from handloom.calibration.collect.inputs import (
    CameraInput,
    Inputs,
    find_cameras,
    find_lens_recordings,
    given_order,
)
from handloom.calibration.collect.picture_names import Key, key_order, moment_keys
from handloom.calibration.collect.schedule import ROUNDS, grid, grid_step, refinement
from handloom.calibration.collect.search import BoardSearch
from handloom.calibration.sightings import natural_order
from handloom.errors import CalibrationError
from handloom.progress import SILENT, Progress
from handloom.video import VideoSource, open_video
from handloom.video.images import ImageSequence

DEFAULT_MOMENTS = 500
"""Moments of a recording that are searched unless more are asked for."""

Places = str | Path | Sequence[str | Path]
_ABOUT_AS_MANY = 0.1  # is the share by which the frames of cameras that ran together differ in number


def collect(
    recordings: Sequence[str | Path],
    board: Board,
    *,
    lens_recordings: Mapping[str, Places] | None = None,
    synchronous: bool = True,
    offsets_s: Mapping[str, float] | Sequence[float] | None = None,
    max_moments: int | None = DEFAULT_MOMENTS,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> Collected:
    """Find a board in recordings of one or many cameras.

    Videos are paired by time, pictures by the number in their names
    (:func:`~handloom.calibration.collect.picture_names.moment_keys`). Videos of up to ``max_moments`` ticks
    of their common clock are searched at every tick. Longer ones are searched on an even grid of about so
    many ticks, every fourth followed by three more in a row to tell motion; then on finer grids around the
    views of cameras that have fewer than 30 different ones, or whose link to the others rests on fewer than
    15. Pictures are all searched. What is searched, and what comes out, depends on nothing but the
    recordings: neither on the order of the arguments nor on the number of workers.

    Args:
        recordings: videos, folders of pictures, or folders that hold several cameras
            (:func:`~handloom.calibration.collect.inputs.find_cameras`).
        board: what to look for.
        lens_recordings: by camera, videos and pictures for that camera's lens alone: each of their pictures
            is a moment which no other camera saw. May name cameras that ``recordings`` lack.
        synchronous: whether recordings of different cameras belong together; if not, each of their pictures
            is a moment of its own.
        offsets_s: when the first picture of each video was taken on the common clock: by camera, or for every
            camera in the order of ``recordings`` (those in one folder in natural order); 0 by default.
        max_moments: about how many moments of long videos are searched; None for every one.
        workers: pictures searched side by side; by default one per core.
        progress: is told how far the search is, and how folders were read.

    Raises:
        CalibrationError: if the recordings cannot be told apart, or an argument names a camera there is not.
        VideoError: if a video is missing or cannot be opened. A video that turns out to be damaged later ends
            there, a damaged picture is passed over, and the facts say so.
    """
    if max_moments is not None and max_moments < 1:
        raise ValueError(f"max_moments must be positive, got {max_moments}")
    inputs = find_cameras(recordings) if recordings else Inputs(())
    lenses = find_lens_recordings(lens_recordings or {})
    names = sorted({c.name for c in inputs.cameras} | set(lenses), key=natural_order)
    if not names:
        raise CalibrationError("There is nothing to calibrate from.", "Name the recordings of the board.")
    offsets = _offsets_by_name(offsets_s, inputs, recordings)
    for note in inputs.notes:
        progress.note(note)
    gathering = Gathering(names)
    gathering.notes += inputs.notes
    with ExitStack() as stack:
        search = stack.enter_context(BoardSearch(board, workers))
        collector = _Collector(names, gathering, search, max_moments, progress, stack)
        if synchronous:
            collector.together(inputs.cameras, offsets)
        else:
            for camera in inputs.cameras:
                collector.alone(camera.name, camera)
        gathering.settle_sizes()
        for name in sorted(lenses, key=natural_order):
            for recording in lenses[name]:
                collector.alone(name, recording)
        return gathering.result(board)


class _Collector:
    """Searches recordings; one call per set of them that belongs together."""

    def __init__(
        self,
        names: Sequence[str],
        gathering: Gathering,
        search: BoardSearch,
        max_moments: int | None,
        progress: Progress,
        stack: ExitStack,
    ) -> None:
        self._number = {name: i for i, name in enumerate(names)}
        self._gathering = gathering
        self._search = search
        self._max_moments = max_moments
        self._progress = progress
        self._stack = stack

    def together(self, cameras: Sequence[CameraInput], offsets_s: Mapping[str, float]) -> None:
        """Search recordings whose pictures belong together: videos by time, pictures by number."""
        filmed = {self._number[c.name]: self._watch(c) for c in cameras if c.video is not None}
        pictured = [camera for camera in cameras if camera.video is None]
        if filmed and pictured:
            counts = [video.frame_count for video in filmed.values()]
            fps = min(video.fps or 30.0 for video in filmed.values())
            frames = [camera for camera in pictured if _are_frames(camera.pictures, counts)]
            for camera in frames:
                filmed[self._number[camera.name]] = self._watch_pictures(camera, fps)
                self._note(f"The pictures of {camera.name} are taken as a video of {fps:g} frames a second.")
            pictured = [camera for camera in pictured if camera not in frames]
            for camera in pictured:
                self._note(f"The pictures of {camera.name} share no moment with the videos.")
        if filmed:
            offsets = {self._number[name]: offset for name, offset in offsets_s.items()}
            self._gathering.clock = self._film(dict(sorted(filmed.items())), offsets)
        if pictured:
            keys = moment_keys({camera.name: camera.pictures for camera in pictured})
            self._pictures(
                [
                    (key, self._number[camera.name], path)
                    for camera in pictured
                    for key, path in zip(keys[camera.name], camera.pictures, strict=True)
                ]
            )

    def alone(self, name: str, recording: CameraInput) -> None:
        """Search a recording that shares no moment with another."""
        number = self._number[name]
        if recording.video is not None:
            self._film({number: self._watch(recording)}, {}, timed=False)
        else:
            self._pictures([((i,), number, path) for i, path in enumerate(recording.pictures)])

    def _film(
        self, filmed: dict[int, WatchedVideo], offsets_s: Mapping[int, float], timed: bool = True
    ) -> tuple[float, int, int]:
        """Search the videos of some cameras that ran together.

        Returns:
            Ticks a second of their clock, its length, and how many of them were searched.
        """
        numbers, videos = list(filmed), list(filmed.values())
        film = Film(videos, [offsets_s.get(number, 0.0) for number in numbers])
        moments: dict[int, Moment] = {}
        done: set[int] = set()

        def search(name: str, wanted: Iterable[int], ticks: int) -> None:
            with self._progress.task(name, ticks * len(videos), "pictures") as task:
                for entry in self._search.search(film.pictures(wanted, done.add)):
                    tick, time_s, video = entry.tag
                    view = self._gathering.take(entry, numbers[video])
                    if view is not None:
                        moment = moments.setdefault(tick, Moment(time_s if timed else np.nan))
                        moment.views[numbers[video]] = view
                    task.advance()

        every = grid(grid_step(film.ticks, self._max_moments))
        expected = min(film.ticks, self._max_moments or film.ticks)
        search("search for the board", every, expected)
        diagonals = [float(np.hypot(*video.image_size)) for video in videos]
        for _ in range(ROUNDS if self._max_moments else 0):
            found = {
                (tick, numbers.index(number)): corners
                for tick, moment in moments.items()
                for number, (corners, _) in moment.views.items()
            }
            wanted = refinement(found, sorted(done), diagonals, self._max_moments or 1)
            if not wanted:
                break
            search("search more closely", wanted, len(wanted))
        for number, video in filmed.items():
            if video.damage:
                self._gathering.logs[number].damage.append(video.damage)
        self._gathering.moments += [moments[tick] for tick in sorted(moments)]
        return film.fps, film.ticks, len(done)

    def _pictures(self, pictures: list[tuple[Key, int, Path]]) -> None:
        """Search picture files; equal keys are one moment."""
        pictures.sort(key=lambda entry: (key_order(entry[0]), entry[1]))
        for _, number, path in pictures:
            log = self._gathering.logs[number]
            log.pictures += 1
            if str(path.parent) not in log.places:
                log.places.append(str(path.parent))
        moments: dict[Key, Moment] = {}
        tagged = (((key, number), path) for key, number, path in pictures)
        with self._progress.task("search for the board", len(pictures), "pictures") as task:
            for entry in self._search.search(tagged):
                key, number = entry.tag
                view = self._gathering.take(entry, number)
                if view is not None:
                    moments.setdefault(key, Moment(np.nan)).views[number] = view
                task.advance()
        self._gathering.moments += moments.values()

    def _watch(self, camera: CameraInput) -> WatchedVideo:
        assert camera.video is not None
        return self._keep(open_video(camera.video), camera.video, camera.name)

    def _watch_pictures(self, camera: CameraInput, fps: float) -> WatchedVideo:
        source = ImageSequence(camera.pictures, camera.name, fps)
        return self._keep(source, camera.pictures[0].parent, camera.name)

    def _keep(self, source: VideoSource, place: Path, name: str) -> WatchedVideo:
        video = self._stack.enter_context(WatchedVideo(source))
        log = self._gathering.logs[self._number[name]]
        log.places.append(str(place))
        log.videos.append(video)
        return video

    def _note(self, message: str) -> None:
        self._gathering.notes.append(message)
        self._progress.note(message)


def _offsets_by_name(
    offsets_s: Mapping[str, float] | Sequence[float] | None, inputs: Inputs, recordings: Sequence[str | Path]
) -> Mapping[str, float]:
    names = given_order(inputs, recordings)
    if offsets_s is None:
        return {}
    if not isinstance(offsets_s, Mapping):
        if len(offsets_s) != len(names):
            raise CalibrationError(
                f"There are {len(offsets_s)} offsets for {len(names)} cameras ({', '.join(names)}).",
                "Give one for each, in this order.",
            )
        return dict(zip(names, offsets_s, strict=True))
    for name in offsets_s:
        if name not in names:
            raise CalibrationError(
                f"There is an offset for {name}, but no such camera.", f"The cameras are {', '.join(names)}."
            )
    return offsets_s


def _are_frames(pictures: Sequence[Path], counts: Sequence[int | None]) -> bool:
    """Whether pictures beside videos are a video too: numbered one after the other, and as many."""
    (keys,) = moment_keys({"": pictures}).values()
    numbers = [key[0] for key in keys if not isinstance(key, str) and len(key) == 1]
    if len(numbers) < len(pictures) or max(numbers) - min(numbers) != len(numbers) - 1:
        return False
    return any(count and abs(len(numbers) - count) <= _ABOUT_AS_MANY * count for count in counts)
