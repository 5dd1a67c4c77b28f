"""Our own session folders as data sets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from fitted_hands import GAP, fitted_session
from mano_files import mano_content, write_mano
from synthetic import LEFT_HAND, RIGHT_HAND, Scene, arc_rig

from handloom.cameras import CameraRig
from handloom.datasets.sessions import SessionHands
from handloom.errors import DataSetError, SessionError
from handloom.hand.mano import load_mano
from handloom.session import SessionWriter, describe_run, write_hands
from handloom.session.layout import HANDS

SIZE = (64, 48)
FRAMES = 9


def small_rig() -> CameraRig:
    """The arc of cameras with pictures that are quickly read."""
    cameras = []
    for camera in arc_rig(2):
        K = camera.K * [[0.05, 1.0, 0.05], [1.0, 0.05, 0.05], [1.0, 1.0, 1.0]]
        cameras.append(replace(camera, image_size=SIZE, K=K))
    return replace(arc_rig(2), cameras=tuple(cameras))


def pictures(folder: Path, view: int, size: tuple[int, int] = SIZE) -> Path:
    """A recording in which picture k of a view has the colour 20 k, 100 × view, 7."""
    path = folder / f"recording{view}"
    path.mkdir(parents=True)
    for k in range(FRAMES + 2):
        image = np.full((size[1], size[0], 3), (20 * k, 100 * view, 7), np.uint8)
        cv2.imwrite(str(path / f"{k:03d}.png"), image[..., ::-1])
    return path


@pytest.fixture
def tracked(tmp_path: Path) -> Path:
    """A session whose second view begins a picture later than the first, and misses frame 5."""
    scene = Scene.of(FRAMES, rig=small_rig(), tracks=(LEFT_HAND, RIGHT_HAND))
    window = scene.window()
    sources = window.source_frames.copy()
    sources[1] += 2
    sources[1, 5] = np.nan
    # Nothing at all is known of frame 3, and of frame 4 only the left hand.
    for track, gone in ((LEFT_HAND, [3]), (RIGHT_HAND, [3, 4])):
        window.points[track].xyz[gone] = np.nan
        window.points[track].covariance[gone] = np.nan
    window.points[RIGHT_HAND].xyz[6, 8] = np.nan
    window.points[RIGHT_HAND].covariance[6, 8] = np.nan
    videos = {f"cam{k}": {"path": str(pictures(tmp_path, k))} for k in range(2)}
    with SessionWriter(tmp_path / "session", small_rig()) as writer:
        writer.append(replace(window, source_frames=sources))
        writer.finish(describe_run(["synthetic"], inputs={"videos": videos}))
    return tmp_path / "session"


def test_every_view_of_every_frame_with_a_hand_is_a_sample(tracked: Path) -> None:
    dataset = SessionHands(tracked)
    assert list(dataset.keys) == [
        *(f"cam0/{k:06d}" for k in (0, 1, 2, 4, 5, 6, 7, 8)),
        *(f"cam1/{k:06d}" for k in (0, 1, 2, 4, 6, 7, 8)),
    ]
    assert len(dataset) == 15
    assert [hand.side for hand in dataset.labels(3).hands] == ["left"]
    assert dataset.labels(0).moment == dataset.labels(8).moment == "0"
    assert dataset.labels(0).frame == ("cam0", 0)
    assert dataset.labels(8).frame == ("cam1", 0)
    assert dataset.labels(1).conditions["time_s"] == pytest.approx(1 / 30)


def test_labels_are_the_reconstruction_in_the_cameras_axes(tracked: Path) -> None:
    scene = Scene.of(FRAMES, rig=small_rig(), tracks=(LEFT_HAND, RIGHT_HAND))
    dataset = SessionHands(tracked)
    index = list(dataset.keys).index("cam1/000006")
    sample = dataset.labels(index)
    camera = small_rig()["cam1"]
    for hand, track in zip(sample.hands, (LEFT_HAND, RIGHT_HAND), strict=True):
        T, world = camera.T_camera_world, scene.truth[track][6]
        known = np.isfinite(hand.xyz[:, 0])
        assert known.sum() == (21 if track is LEFT_HAND else 20)
        np.testing.assert_allclose(hand.xyz[known], (world @ T[:3, :3].T + T[:3, 3])[known], atol=1e-12)
        np.testing.assert_allclose(hand.xy[known], camera.project(world)[known], atol=1e-9)
        assert hand.vertices is None
    assert "parameters" in dataset.lacks
    assert "image" not in dataset.lacks


def test_pictures_are_those_of_the_views_own_clock(tracked: Path) -> None:
    dataset = SessionHands(tracked)
    keys = list(dataset.keys)
    for key, colour in (
        ("cam0/000000", (0, 0, 7)),
        ("cam1/000008", (200, 100, 7)),
        ("cam0/000007", (140, 0, 7)),
        ("cam1/000000", (40, 100, 7)),
        ("cam0/000001", (20, 0, 7)),
    ):
        image = dataset[keys.index(key)].image
        assert image is not None
        assert image.shape == (SIZE[1], SIZE[0], 3)
        assert tuple(image[3, 4]) == colour


def test_recordings_that_moved_are_missed_and_can_be_named(tracked: Path, tmp_path: Path) -> None:
    (tmp_path / "recording0").rename(tmp_path / "elsewhere")
    dataset = SessionHands(tracked)
    assert "image" in dataset.lacks
    assert len(dataset.labels(0).hands) == 2
    with pytest.raises(DataSetError, match="recording0"):
        dataset[0]
    found = SessionHands(tracked, recordings={"cam0": tmp_path / "elsewhere"})
    assert found[0].image is not None


def test_recording_of_another_size_is_refused(tracked: Path, tmp_path: Path) -> None:
    other = pictures(tmp_path / "other", 0, (32, 32))
    with pytest.raises(DataSetError, match="32 × 32"):
        SessionHands(tracked, recordings={"cam0": other})[0]


def test_recording_that_is_too_short_is_refused(tracked: Path, tmp_path: Path) -> None:
    for k in range(5, FRAMES + 2):
        (tmp_path / "recording0" / f"{k:03d}.png").unlink()
    dataset = SessionHands(tracked)
    with pytest.raises(DataSetError, match="no picture 8"):
        dataset[list(dataset.keys).index("cam0/000008")]
    assert dataset[0].image is not None


def test_fitted_hands_come_with_mesh_and_parameters(tmp_path: Path) -> None:
    session, fits = fitted_session(tmp_path / "session", rig=small_rig())
    dataset = SessionHands(tmp_path / "session")
    assert len(dataset) == 2 * (12 - (GAP.stop - GAP.start))
    assert "parameters" not in dataset.lacks
    sample = dataset.labels(len(dataset) - 1)
    assert sample.camera is not None
    T = session.rig["cam1"].T_camera_world
    for hand, track in zip(sample.hands, (LEFT_HAND, RIGHT_HAND), strict=True):
        fit = fits[track]
        posed = fit.posed(11)
        np.testing.assert_allclose(hand.vertices, posed.vertices @ T[:3, :3].T + T[:3, 3], atol=1e-9)
        parameters = hand.parameters
        assert parameters is not None
        again = fit.model.pose(parameters.angles, parameters.shape, parameters.T_camera_wrist)
        np.testing.assert_allclose(again.keypoints, hand.xyz, atol=1e-9)
        assert hand.mano is None


def test_hands_fitted_with_mano_come_with_manos_parameters(tmp_path: Path) -> None:
    session, fits = fitted_session(tmp_path / "session", rig=small_rig(), tracks=(RIGHT_HAND,))
    model = load_mano(write_mano(tmp_path / "MANO_RIGHT.pkl", mano_content("right", vertices=778)))
    fit = replace(fits[RIGHT_HAND], model=model, shape=np.linspace(-1, 1, 10))
    write_hands(session.folder / HANDS, [fit], session.frames, session.times_s, session.unit)
    dataset = SessionHands(session.folder, models=[model])
    assert "parameters" in dataset.lacks
    assert "mano" not in dataset.lacks
    hand = dataset.labels(3).hands[0]
    assert hand.parameters is None
    mano = hand.mano
    assert mano is not None
    rotations, T = model.from_mano(
        mano.pose, mano.translation, mano.shape, flat_hand_mean=mano.flat_hand_mean
    )
    again = model.pose(np.zeros((15, 3)), mano.shape, T, rotations=rotations)
    np.testing.assert_allclose(again.vertices, hand.vertices, atol=1e-9)


def test_damaged_fit_is_refused(tmp_path: Path) -> None:
    fitted_session(tmp_path / "session", rig=small_rig())
    (tmp_path / "session" / HANDS).write_bytes(b"nothing")
    with pytest.raises(SessionError, match="damaged"):
        SessionHands(tmp_path / "session")


def test_session_without_metres_is_refused(tmp_path: Path) -> None:
    Scene.of(3, rig=arc_rig(2, unit="board-square"), tracks=(LEFT_HAND,)).write(tmp_path / "session")
    with pytest.raises(DataSetError, match="board-square"):
        SessionHands(tmp_path / "session")


def test_session_without_hands_is_refused(tmp_path: Path) -> None:
    Scene.of(3, rig=arc_rig(2), tracks=(LEFT_HAND,)).write(tmp_path / "session", missing=1.0)
    with pytest.raises(DataSetError, match="No hand"):
        SessionHands(tmp_path / "session")


def test_folder_that_is_no_session_and_a_split_are_refused(tmp_path: Path, tracked: Path) -> None:
    with pytest.raises(SessionError, match="no session"):
        SessionHands(tmp_path)
    with pytest.raises(DataSetError, match="train"):
        SessionHands(tracked, "train")
