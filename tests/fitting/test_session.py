"""Hands of a session: written beside it in its own unit, or a message and the session as it was."""

from __future__ import annotations

import numpy as np
import pytest
from fitted_hands import perfect_fit
from mano_files import mano_content, write_mano
from numpy.testing import assert_allclose
from synthetic import LEFT_HAND, PERSON, RIGHT_HAND, Scene, arc_rig

from handloom.errors import FitError, ModelError, SessionError
from handloom.fitting.sequence import SequenceOptions
from handloom.fitting.session import fit_session
from handloom.session import FitFlag, Session
from handloom.session.layout import HANDS, KEYPOINTS_3D

FRAMES = 20


def recording(folder, *, unit="m", scale=1.0, tracks=(LEFT_HAND, RIGHT_HAND), noise=0.001):
    """A session of moving hands, unseen in frames 4 to 6, and the hands."""
    hands = {track: perfect_fit(track, FRAMES, scale=scale) for track in tracks}
    rig = arc_rig(3, unit=unit, distance=1.0 * scale)
    truth = {track: hand.posed().keypoints for track, hand in hands.items()}
    return Scene(rig, np.arange(FRAMES) / 30.0, truth).write(folder, noise=noise * scale), hands


def test_both_hands(tmp_path):
    session, truth = recording(tmp_path / "s")
    fitted = fit_session(session)
    assert set(fitted) == {LEFT_HAND, RIGHT_HAND}
    again = Session.open(session.folder).hands()
    for track, hand in again.items():
        error = np.linalg.norm(hand.posed().vertices - truth[track].posed().vertices, axis=-1)
        assert np.nanmean(error) < 0.005
        assert FitFlag.FILLED in FitFlag(int(hand.flags[5]))
        assert hand.views_used[5] == 0
        assert hand.views_used[0] == 3
        assert np.isfinite(hand.sigma).all()
        assert hand.notes["scale_from"] == "rig"


def test_a_rig_without_metres_is_scaled_by_the_hand(tmp_path):
    session, truth = recording(tmp_path / "s", unit="unknown", scale=25.0, tracks=(RIGHT_HAND,))
    length = truth[RIGHT_HAND].hand_length / 25.0
    hand = fit_session(session, options=SequenceOptions(hand_length_m=length))[RIGHT_HAND]
    assert hand.notes["scale_from"] == "hand length"
    assert_allclose(hand.hand_length / hand.scale, length, atol=0.002)
    error = np.linalg.norm(hand.posed().keypoints - truth[RIGHT_HAND].posed().keypoints, axis=-1)
    assert np.nanmean(error) < 25.0 * 0.006


def test_one_shape_means_constant_bones(tmp_path):
    session, _ = recording(tmp_path / "s", tracks=(RIGHT_HAND,))
    joints = fit_session(session)[RIGHT_HAND].posed().joints
    fingers = joints[:, 1:].reshape(FRAMES, 5, 3, 3)
    lengths = np.linalg.norm(np.diff(fingers, axis=2), axis=-1)
    assert_allclose(lengths, np.broadcast_to(lengths[0], lengths.shape), atol=1e-9)


def test_no_hands(tmp_path):
    session = Scene.of(5, tracks=(PERSON,)).write(tmp_path / "s")
    with pytest.raises(FitError, match="holds no hands"):
        fit_session(session)


def test_hands_never_seen(tmp_path):
    session = Scene.of(5, tracks=(RIGHT_HAND,)).write(tmp_path / "s", missing=1.0)
    with pytest.raises(FitError, match="seen well enough"):
        fit_session(session)
    assert not (session.folder / HANDS).exists()


def test_absurd_length_leaves_the_session_alone(tmp_path):
    session, _ = recording(tmp_path / "s", tracks=(RIGHT_HAND,))
    fit_session(session)
    before = (session.folder / HANDS).read_bytes()
    with pytest.raises(FitError, match="no human hand"):
        fit_session(session, options=SequenceOptions(hand_length_m=18.0))
    assert (session.folder / HANDS).read_bytes() == before


def test_a_file_that_is_no_mano(tmp_path):
    session, _ = recording(tmp_path / "s", tracks=(RIGHT_HAND,))
    other = tmp_path / "MANO_RIGHT.pkl"
    other.write_bytes(b"no model")
    with pytest.raises(ModelError):
        fit_session(session, other)
    assert not (session.folder / HANDS).exists()


def test_damaged_keypoints(tmp_path):
    session, _ = recording(tmp_path / "s", tracks=(RIGHT_HAND,))
    path = session.folder / KEYPOINTS_3D
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SessionError):
        fit_session(Session.open(session.folder))
    assert not (session.folder / HANDS).exists()


def test_mano_from_its_folder(tmp_path, monkeypatch):
    for side in ("left", "right"):
        write_mano(tmp_path / f"MANO_{side.upper()}.pkl", mano_content(side, vertices=778))
    session, _ = recording(tmp_path / "s", tracks=(RIGHT_HAND,))
    fitted = fit_session(session, tmp_path)[RIGHT_HAND]
    assert fitted.model.metadata["name"] == "MANO"
    assert np.nanmedian(fitted.keypoint_error) < 0.01
    monkeypatch.delenv("MANO_DIR", raising=False)
    assert_allclose(session.hands()[RIGHT_HAND].shape, fitted.shape)
    (tmp_path / "moved").mkdir()
    for side in ("LEFT", "RIGHT"):
        (tmp_path / f"MANO_{side}.pkl").rename(tmp_path / "moved" / f"MANO_{side}.pkl")
    with pytest.raises(SessionError, match="not where it was"):
        session.hands()
    monkeypatch.setenv("MANO_DIR", str(tmp_path / "moved"))
    assert_allclose(session.hands()[RIGHT_HAND].shape, fitted.shape)
