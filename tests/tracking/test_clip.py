"""The main job on a real recording of two views, from start to end and in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from clips import Clip

from handloom import Session, TrackOptions, track
from handloom.detection.models import MODELS
from handloom.errors import SessionError
from handloom.keypoints import Keypoints3D, Track
from handloom.progress import Silent
from handloom.session.layout import FRAMES, JOURNAL, KEYPOINTS_2D, KEYPOINTS_3D, PARTIAL

RIGHT = Track(0, "hand", "right")
TABLES = (FRAMES, KEYPOINTS_2D, KEYPOINTS_3D)


class InterruptedAt(Silent):
    """Ctrl-C after so many frames of a step."""

    def __init__(self, step: str, frames: int) -> None:
        self._step, self._frames = step, frames

    @contextmanager
    def task(self, name: str, total: int | None = None, unit: str = "frames") -> Iterator[InterruptedAt]:  # type: ignore[override]
        self._left = self._frames if name == self._step else -1
        yield self

    def advance(self, steps: int = 1) -> None:
        if self._left >= 0:
            self._left -= steps
            if self._left <= 0:
                raise KeyboardInterrupt


@pytest.fixture(scope="module")
def points(tracked: Session) -> Keypoints3D:
    return tracked.keypoints3d(RIGHT)


def test_one_right_hand_is_found_while_both_views_see_it(tracked: Session, points: Keypoints3D) -> None:
    assert tracked.tracks == [RIGHT]
    assert len(tracked) == 378
    found = np.flatnonzero(np.isfinite(points.xyz).all(axis=(1, 2)))
    assert len(found) == 360
    assert (found[0], found[-1]) == (12, 371)
    assert np.isnan(np.delete(points.xyz, found, axis=0)).all()


def test_the_motion_is_smooth(points: Keypoints3D) -> None:
    squared = (np.diff(points.xyz, n=2, axis=0) ** 2).sum(axis=-1)
    assert np.sqrt(np.nanmean(squared)) <= 0.11


def test_the_bones_keep_their_length(points: Keypoints3D) -> None:
    lengths = points.bone_lengths()
    assert (np.nanstd(lengths, axis=0) / np.nanmean(lengths, axis=0)).mean() <= 0.055


def test_the_points_lie_where_the_views_see_them(tracked: Session, points: Keypoints3D) -> None:
    apart = tracked.rig.project(points.xyz) - tracked.keypoints2d(RIGHT).xy
    rms = np.sqrt(np.nanmean((apart**2).sum(axis=-1), axis=(1, 2)))
    assert rms[0] <= 4.9
    assert rms[1] <= 5.5


def test_a_hand_has_the_proportions_of_a_hand(points: Keypoints3D) -> None:
    lengths = dict(zip(points.skeleton.bones, np.nanmedian(points.bone_lengths(), axis=0), strict=True))
    palm = lengths["wrist", "middle_mcp"]
    assert 1.7 < palm < 2.4
    assert 0.2 < lengths["middle_mcp", "middle_pip"] / palm < 0.8


def test_lengths_of_unknown_unit_are_not_called_metres(tracked: Session, points: Keypoints3D) -> None:
    assert tracked.unit != "m"
    assert points.unit == tracked.unit


def test_the_record_says_how_it_was_made(tracked: Session, clip: Clip) -> None:
    run = tracked.run
    used = ("palm_detection_full", "hand_landmark_full")
    assert run["models"] == {name: MODELS[name].sha256 for name in used}
    assert set(run["timings_s"]) == {"detection", "reconstruction"}
    assert all(seconds > 0 for seconds in run["timings_s"].values())
    assert run["inputs"]["frames"] == 378
    paths = [video["path"] for video in run["inputs"]["videos"].values()]
    assert paths == [str(video.resolve()) for video in clip.videos]
    assert run["options"]["target"] == "hands"


def test_nothing_but_the_session_is_left(tracked: Session) -> None:
    names = {path.name for path in tracked.folder.iterdir()}
    assert names == {"rig.toml", "run.toml", *TABLES}


@dataclass(frozen=True)
class Pieces:
    """A run that was interrupted twice, and what was said when it was resumed wrongly."""

    session: Session
    refusal: SessionError
    frames_after_interrupt: int


@pytest.fixture(scope="module")
def pieces(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Pieces:
    out = tmp_path_factory.mktemp("pieces") / "session"
    with pytest.raises(KeyboardInterrupt):
        track(clip.videos, clip.rig, out, progress=InterruptedAt("2D keypoints", 200))
    committed = sorted(path.name for path in (out / JOURNAL).glob("chunk-*"))
    with pytest.raises(SessionError) as refusal:
        track(clip.videos, clip.rig, out, TrackOptions(max_hands=1), resume=True)
    assert sorted(path.name for path in (out / JOURNAL).glob("chunk-*")) == committed
    with pytest.raises(KeyboardInterrupt):
        track(clip.videos, clip.rig, out, resume=True, progress=InterruptedAt("3D keypoints", 192))
    assert not list(out.glob(f"{PARTIAL}*"))
    with pytest.raises(SessionError, match="unfinished"):
        Session.open(out)
    session = track(clip.videos, clip.rig, out, resume=True)
    return Pieces(session, refusal.value, len(committed))


@pytest.mark.parametrize("table", TABLES)
def test_an_interrupted_run_ends_with_the_same_bytes(tracked: Session, pieces: Pieces, table: str) -> None:
    assert (pieces.session.folder / table).read_bytes() == (tracked.folder / table).read_bytes()


def test_an_interrupted_run_leaves_no_journal_once_it_is_done(pieces: Pieces) -> None:
    assert pieces.frames_after_interrupt == 2
    assert not (pieces.session.folder / JOURNAL).exists()


def test_resuming_with_other_options_names_the_field_and_loses_nothing(pieces: Pieces) -> None:
    assert "options.max_hands (null, now 1)" in str(pieces.refusal)
    assert "--overwrite" in pieces.refusal.remedy


def test_resuming_a_finished_run_returns_it(tracked: Session, clip: Clip) -> None:
    before = (tracked.folder / "run.toml").read_bytes()
    assert track(clip.videos, clip.rig, tracked.folder, resume=True).tracks == tracked.tracks
    assert (tracked.folder / "run.toml").read_bytes() == before


def test_an_interrupted_replacement_leaves_the_old_session_and_goes_on(short: Clip, tmp_path: Path) -> None:
    out = tmp_path / "session"
    old = track(short.videos, short.rig, out, TrackOptions(smooth=False))
    with pytest.raises(KeyboardInterrupt):
        track(short.videos, short.rig, out, overwrite=True, progress=InterruptedAt("3D keypoints", 1))
    assert Session.open(out).run == old.run
    new = track(short.videos, short.rig, out, resume=True)
    assert new.run["options"]["smooth"]
    assert not (out / JOURNAL).exists()


def test_overwriting_replaces_a_session(short: Clip, tmp_path: Path) -> None:
    track(short.videos, short.rig, tmp_path, TrackOptions(smooth=False))
    assert track(short.videos, short.rig, tmp_path, overwrite=True).run["options"]["smooth"]


def test_without_the_future(short: Clip, tmp_path: Path) -> None:
    session = track(short.videos, short.rig, tmp_path, TrackOptions(causal=True))
    assert session.tracks == [RIGHT]
    assert np.isfinite(session.keypoints3d(RIGHT).xyz).all(axis=(1, 2)).mean() > 0.8


def test_a_single_view_gives_2d_keypoints(short: Clip, tmp_path: Path) -> None:
    from handloom import read_rig

    rig = read_rig(short.rig)
    session = track(short.videos[:1], rig.subset([rig.names[0]]), tmp_path)
    assert session.tracks == [RIGHT]
    assert np.isfinite(session.keypoints2d(RIGHT).xy).all()
    assert np.isnan(session.keypoints3d(RIGHT).xyz).all()


def test_views_with_an_offset_and_another_rate(short: Clip, tmp_path: Path) -> None:
    options = TrackOptions(offsets_s=(0.0, 0.1), fps=15.0)
    session = track(short.videos, short.rig, tmp_path, options)
    assert np.allclose(np.diff(session.times_s), 1 / 15)
    both = np.isfinite(session.source_frames).all(axis=0)
    lag = (session.source_frames[0] - session.source_frames[1])[both]
    assert (np.abs(lag - 3) <= 1).all()
    assert np.median(lag) == 3
