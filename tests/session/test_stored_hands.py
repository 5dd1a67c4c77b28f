"""Fitted hands come back from the session as they were written; a bad file says what is wrong with it."""

from __future__ import annotations

import json
import pickle
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fitted_hands import GAP, fitted_session, perfect_fit
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from synthetic import LEFT_HAND, RIGHT_HAND, Scene

from handloom.errors import SessionError
from handloom.hand import load_open_hand
from handloom.keypoints import Track
from handloom.session import FitFlag, FittedHand, read_hands, write_hands
from handloom.session.layout import HANDS

ARRAYS = (
    "shape", "angles", "T_world_wrist", "keypoint_error", "reprojection_px", "sigma", "limit_excess", "flags",
    "views_used",
)  # fmt: skip


def write(path: Path, *hands: FittedHand) -> None:
    frames = np.arange(len(hands[0]))
    write_hands(path, hands, frames, frames / 30.0, "m")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / HANDS
    write(path, perfect_fit(RIGHT_HAND, 10))
    return path


def changed(path: Path, **arrays: Any) -> None:
    """Write the archive again with other arrays; None leaves one out."""
    with np.load(path) as archive:
        content = {name: archive[name] for name in archive.files} | arrays
    np.savez(path, **{name: value for name, value in content.items() if value is not None})


def metadata(path: Path) -> dict[str, Any]:
    with np.load(path) as archive:
        return json.loads(str(archive["metadata"]))


@given(
    tracks=st.sets(
        st.builds(Track, st.integers(0, 3), st.just("hand"), st.sampled_from(["left", "right"])), max_size=3
    ),
    frames=st.integers(0, 9),
    scale=st.floats(0.01, 100.0),
)
@settings(max_examples=20, deadline=None)
def test_what_is_read_is_what_was_written(tracks: set[Track], frames: int, scale: float) -> None:
    hands = [perfect_fit(track, frames, scale=scale) for track in tracks]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / HANDS
        numbers = np.arange(frames) + 5
        write_hands(path, hands, numbers, numbers / 30.0, "unknown")
        found = read_hands(path, numbers)
    assert set(found) == tracks
    for hand in hands:
        read = found[hand.track]
        for name in ARRAYS:
            assert_array_equal(getattr(read, name), getattr(hand, name), err_msg=name)
        assert (read.scale, read.notes, read.model.side) == (hand.scale, hand.notes, hand.track.side)


def test_file_describes_itself(path: Path) -> None:
    content = metadata(path)
    assert content["unit"] == "m"
    assert len(content["joints"]) == 15
    assert content["angles"] == ["flexion", "abduction", "twist"]
    assert content["flags"]["unseen"] == 1
    assert content["hands"]["subject0_right_hand"]["model"]["name"] == "handloom open hand"


def test_session_gives_its_hands(tmp_path: Path) -> None:
    session, hands = fitted_session(tmp_path / "session")
    found = session.hands()
    assert list(found) == [LEFT_HAND, RIGHT_HAND]
    for track in found:
        assert_allclose(found[track].posed().keypoints, session.positions(track), atol=1e-12)
        assert_array_equal(found[track].posed().vertices, hands[track].posed().vertices)


def test_session_without_fitted_hands_has_none(tmp_path: Path) -> None:
    assert Scene.of(3, tracks=[RIGHT_HAND]).write(tmp_path / "session").hands() == {}


def test_posed_is_the_model_posed() -> None:
    hand = perfect_fit(LEFT_HAND, 10)
    posed = hand.model.pose(hand.angles[3], hand.shape, hand.T_world_wrist[3])
    for name in ("vertices", "joints", "keypoints", "T_world_joint"):
        assert_allclose(getattr(hand.posed(3), name), getattr(posed, name), atol=1e-12)
        assert_allclose(getattr(hand.posed(slice(2, 5)), name)[1], getattr(hand.posed(3), name), atol=1e-12)


def test_frames_without_a_fit_have_no_mesh() -> None:
    hand = perfect_fit(RIGHT_HAND, 10)
    posed = hand.posed()
    for name in ("vertices", "joints", "keypoints"):
        missing = np.isnan(getattr(posed, name)).all(axis=(1, 2))
        assert_array_equal(missing, ~hand.fitted)
    assert not hand.fitted[GAP].any()
    assert hand.reasons(2) == ("far from what was observed", "begun anew")
    assert hand.reasons(GAP.start) == ("not seen",)


def test_scale_makes_the_hand_larger_about_its_wrist() -> None:
    plain = perfect_fit(RIGHT_HAND, 3)
    large = replace(plain, scale=4.0)
    wrist = plain.T_world_wrist[0, :3, 3]
    assert_allclose(large.posed(0).vertices - wrist, 4.0 * (plain.posed(0).vertices - wrist), atol=1e-12)
    assert_allclose(large.hand_length, 4.0 * plain.hand_length)


def test_every_flag_has_words() -> None:
    assert len({flag.reasons for flag in FitFlag}) == len(FitFlag)
    assert all(len(flag.reasons) == 1 for flag in FitFlag)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"angles": np.zeros((3, 15, 2))}, "angles must have shape"),
        ({"shape": np.zeros(3)}, "shape must have shape"),
        ({"flags": np.zeros(9, dtype=np.uint8)}, "flags must have shape"),
        ({"model": load_open_hand("left")}, "left hand model"),
        ({"scale": 0.0}, "scale must be positive"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(perfect_fit(RIGHT_HAND, 3), **values)


def test_a_track_given_twice_is_refused(tmp_path: Path) -> None:
    hand = perfect_fit(RIGHT_HAND, 3)
    with pytest.raises(ValueError, match="twice"):
        write(tmp_path / HANDS, hand, hand)


def test_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="handloom fit"):
        read_hands(tmp_path / HANDS)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="does not exist"):
        write(tmp_path / "nowhere" / HANDS, perfect_fit(RIGHT_HAND, 3))


def test_a_failed_write_leaves_the_file_before(path: Path) -> None:
    before = path.read_bytes()
    nameless = replace(perfect_fit(RIGHT_HAND, 10).model, metadata={"name": "mine"})
    with pytest.raises(SessionError, match="which file it was read from"):
        write(path, replace(perfect_fit(RIGHT_HAND, 10), model=nameless))
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [HANDS]


@pytest.mark.parametrize("keep", [0, 10, 400, -30])
def test_truncated_file(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SessionError, match="damaged"):
        read_hands(path)


def test_flipped_bytes(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    path.write_bytes(bytes(content))
    with pytest.raises(SessionError, match="damaged"):
        read_hands(path)


def test_pickled_objects_are_not_run(path: Path) -> None:
    changed(path, frames=np.array([{"a": 1}], dtype=object))
    with pytest.raises(SessionError, match="damaged"):
        read_hands(path)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(SessionError, match="damaged"):
        read_hands(path)


@pytest.mark.parametrize(
    "arrays",
    [
        {"subject0_right_hand.angles": None},
        {"subject0_right_hand.angles": np.zeros((10, 15, 2))},
        {"subject0_right_hand.angles": np.array(["a"] * 10)},
        {"subject0_right_hand.flags": np.zeros(10)},
        {"metadata": np.array("{")},
        {"metadata": np.array("[1]")},
        {"metadata": None},
        {"metadata": np.array('{"schema": 1, "hands": {"x": {}}}')},
    ],
    ids=["missing", "shape", "text", "kind", "no JSON", "no table", "no metadata", "empty hand"],
)
def test_arrays_that_do_not_belong(path: Path, arrays: dict[str, Any]) -> None:
    changed(path, **arrays)
    with pytest.raises(SessionError, match="damaged"):
        read_hands(path)


def test_file_of_a_newer_handloom(path: Path) -> None:
    changed(path, metadata=np.array(json.dumps(metadata(path) | {"schema": 99})))
    with pytest.raises(SessionError, match="Update handloom"):
        read_hands(path)


def test_file_of_another_session(path: Path) -> None:
    with pytest.raises(SessionError, match="other frames"):
        read_hands(path, np.arange(11))


def _with_model(path: Path, **model: Any) -> None:
    content = metadata(path)
    content["hands"]["subject0_right_hand"]["model"] |= model
    changed(path, metadata=np.array(json.dumps(content)))


def test_hand_fitted_with_another_open_hand(path: Path) -> None:
    _with_model(path, sha256="0" * 64)
    with pytest.raises(SessionError, match="another version of the open hand"):
        read_hands(path)


def test_mano_has_to_be_at_hand(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MANO_DIR", raising=False)
    _with_model(path, name="MANO", sha256="0" * 64, tips="smplx", flat_hand_mean=True)
    with pytest.raises(SessionError, match="MANO_DIR"):
        read_hands(path)


def test_a_model_given_is_taken(path: Path) -> None:
    own = replace(load_open_hand("right"), metadata={"name": "MANO", "sha256": "1" * 64})
    write(path, replace(perfect_fit(RIGHT_HAND, 10), model=own))
    assert read_hands(path, models=[own])[RIGHT_HAND].model is own
